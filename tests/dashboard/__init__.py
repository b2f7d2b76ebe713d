"""A state of everything goes in; the dashboard of it is served, as `rasid dashboard` does."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, Playwright
from starlette.applications import Starlette

from crawler import browser as chromium
from services.dashboard import app as app_module
from services.dashboard import run
from services.dashboard.app import make_app
from services.health import Health
from services.queue import Depth
from services.shared import settings as settings_module
from services.storage.status import (
    Activity,
    ChangeFeed,
    SourceActivity,
    Status,
)
from tests.patience import PATIENCE_S, until

NOW = datetime(2026, 11, 22, 9, 40, 12, tzinfo=UTC)
#: Articles of an hour of the day, as newspapers are.
HOURS = (3, 2, 2, 4, 9, 21, 44, 61, 72, 66, 58, 63, 70, 64, 51, 47, 52, 58, 61, 49, 33, 21, 12, 6)
NAMES = (
    ("alhadath", "صحيفة الحدث"),
    ("almadina", "جريدة المدينة اليوم"),
    ("sada", "صدى الخليج"),
    ("nahar-al-shamal", "نهار الشمال"),
    ("cairo-post", "The Cairo Post"),
    ("akhbar", "أخبار الساعة"),
)


def wait_for_stores(patch: pytest.MonkeyPatch) -> None:
    """Have answers wait for the stores as long as these take on a machine that does much else."""
    patch.setattr(app_module, "WAIT_S", PATIENCE_S)
    seconds = int(PATIENCE_S)
    asking = replace(run.ASKING, patience_s=seconds, statement_s=seconds)
    patch.setattr(run, "ASKING", asking)


@contextmanager
def served(app: Starlette) -> Iterator[str]:
    """Serve an application as `rasid dashboard` does; give its address, without the last slash."""
    settings = settings_module.load(dashboard_port=0)
    server = run.server(app, settings)
    with run.listener(settings) as listening:
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        try:
            until(lambda: server.started or not thread.is_alive())
            yield run.address_of(listening, settings).rstrip("/")
        finally:
            server.should_exit = True
            thread.join(PATIENCE_S)
            assert not thread.is_alive(), "it does not end"


@contextmanager
def showing(now: Health, why_not_ready: str = "") -> Iterator[str]:
    """Serve the dashboard of this state."""
    app = make_app(settings_module.load(), lambda: now, lambda: why_not_ready)
    with served(app) as address:
        yield address


def launch(playwright: Playwright) -> Browser:
    """Start Chromium, as it comes."""
    # Root, as whom many a test runs, has no sandbox.
    return playwright.chromium.launch(
        executable_path=chromium._program(settings_module.load()), args=["--no-sandbox"]
    )


def healthy(
    *, now: datetime = NOW, names: tuple[tuple[str, str], ...] = NAMES, **store: object
) -> Health:
    """A day on which all is well; `store` are other fields of the status."""
    first = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=47)
    hours = [first + timedelta(hours=n) for n in range(48)]
    counts = [HOURS[at.hour] + (n * 7) % 5 for n, at in enumerate(hours)]
    counts[-1] = counts[-1] * now.minute // 60
    status: dict[str, object] = {
        "articles": 184_302,
        "duplicates": 3_907,
        "newest_at": now - timedelta(seconds=41),
        "outcomes": {
            ("created", ""): 180_395,
            ("duplicate", ""): 3_907,
            ("updated", ""): 21_448,
            ("rejected", "not_article"): 6_120,
            ("rejected", "too_short"): 1_877,
        },
        "dead_letters": {},
        "links": {("fetched", ""): 201_350, ("due", ""): 12, ("failed", "http_404"): 2_041},
        "feeds": 61,
        "failing_feeds": [],
        "overflowed_feeds": [],
        "feed_problems": {"broken_xml": 2},
        "silent_feeds": [],
        "unreachable_robots": [],
        "missed_rules": [],
        "refusals": {"empty": 3},
        "change_feed": ChangeFeed(
            first_cursor=1,
            last_position=226_871,
            last_published_at=now - timedelta(seconds=40),
            unpublished=0,
            oldest_unpublished_at=None,
        ),
    }
    sources = tuple(
        SourceActivity(
            name=name,
            title=title,
            enabled=True,
            newest_at=now - timedelta(minutes=3 + 11 * n),
            last_day=312 - 47 * n,
            feeds=12 - n,
            failing=0,
            silent=0,
            overflowed=0,
        )
        for n, (name, title) in enumerate(names)
    )
    return Health(
        at=now,
        store=Status(**{**status, **store}),  # type: ignore[arg-type]
        activity=Activity(
            by_hour=tuple(zip(hours, counts, strict=True)),
            last_hour=57,
            last_day=sum(counts[-24:]),
            sources=sources,
        ),
        depth=Depth(
            pages={"live": 14, "bulk": 3_120, "replay": 0},
            max_pages=20_000,
            oldest_age_s=38.0,
            used_bytes=121 * 1024 * 1024,
            max_bytes=1024 * 1024 * 1024,
            messages=315,
        ),
    )
