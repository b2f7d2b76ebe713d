"""The dashboard on real stores, as its own role, and in a real browser."""

import http.client
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from markupsafe import Markup
from playwright.sync_api import Browser, sync_playwright
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from crawler import browser as chromium
from services import health
from services.cli.session import environment
from services.dashboard import app as dashboard_app
from services.dashboard import latest, run
from services.dashboard import page as dashboard_page
from services.dashboard.app import make_app
from services.queue import Queue
from services.shared.contracts import DeadLetter, Rejection
from services.shared.settings import Settings
from services.storage import Database, connect, results, status
from tests.dashboard import NOW, launch, served, wait_for_stores
from tests.factories import page, processed, stored
from tests.patience import PATIENCE_S, until
from tests.roles import as_role
from tests.site import server

ROOT = Path(__file__).resolve().parents[2]
LACKING = chromium.missing(Settings())
needs_browser = pytest.mark.skipif(LACKING is not None, reason=f"no browser here: {LACKING}")


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers come when the stores have answered; a test of answers before that says so."""
    wait_for_stores(monkeypatch)


@pytest.fixture
def own(settings: Settings) -> Settings:
    """Settings of a process that logs in as the dashboard."""
    url = as_role(settings.database_url or "", "dashboard")
    return settings.model_copy(update={"database_url": url})


@pytest.fixture
def owner(settings: Settings) -> Iterator[psycopg.Connection[Any]]:
    """A connection of who may do everything."""
    with psycopg.connect(settings.database_url or "", autocommit=True) as connection:
        yield connection


@contextmanager
def dashboard(settings: Settings, *more: Route) -> Iterator[str]:
    """The dashboard of these stores, and more routes in it; its address."""
    with closing(run.Stores(settings)) as stores:
        app = make_app(settings, stores.look, stores.ready)
        app.router.routes.extend(more)
        with served(app) as address:
            yield address


def get(address: str, path: str = "/") -> tuple[int, str]:
    """Return the status and the text of an answer."""
    with closing(
        http.client.HTTPConnection(urlsplit(address).netloc, timeout=PATIENCE_S)
    ) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def texts(html: str) -> str:
    """Return what a page says, without its markup."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def test_it_tells_what_is_stored(own: Settings, owner: psycopg.Connection[Any]) -> None:
    """As its own role: articles, results, sources, feeds and the queue, the same in each form."""
    owner.execute("insert into rasid.sources (name, title) values ('paper', 'جريدة'), ('b', 'B')")
    owner.execute("""
        insert into rasid.feeds (source, url, host, kind, poll_every_s, errors_count, last_error)
        values ('paper', 'https://p.example/rss?key=abc', 'p.example', 'feed', 300, 7, 'http_503'),
            ('paper', 'https://p.example/2', 'p.example', 'feed', 300, 0, null)
    """)
    letter = DeadLetter(reason="error", detail="x", traceback="y", attempts=3)
    with connect(owner.info.dsn) as connection:
        items = [stored(f"https://p.example/{n}", f"نص الخبر رقم {n} " * 9) for n in range(3)]
        items = [replace(item, page=replace(item.page, source="paper")) for item in items]
        items.append(processed(page("short"), Rejection(reason="too_short")))
        items.append(processed(page("bad"), letter))
        results.save(connection, items, 1)
    Queue(own).publish([page("waits", requested_url="https://p.example/9")], "live")

    with dashboard(own) as address:
        code, html = get(address)
        told = json.loads(get(address, "/status.json")[1])
        figures = get(address, "/metrics")[1]
        assert get(address, "/readyz") == (200, "ok\n")

    said = texts(html)
    assert code == 200
    assert "✗ Not well: 2 problems" in said
    assert "feed https://p.example/rss?key=*** failed 7 times: http_503" in said
    assert "Articles 3 3 in the last hour, 3 in the last 24" in said
    assert re.search(r"جريدة paper \d+ s ago 3 ✗ 1 of 2 failing", said)
    assert "B b never 0 none" in said
    assert "rejected too_short 1" in said
    assert "live pages 1 0.0 %" in said
    assert "all pages 1 20,000 0.0 %" in said
    database = Database(own.database_url or "")
    with closing(database):
        as_told = health.record(health.look(database, Queue(own)))
    changing = ("oldest_age_s", "queue_bytes")
    as_told = json.loads(json.dumps(as_told, default=str))
    assert told.pop("more_sources") == 0
    assert {**told, **dict.fromkeys(changing)} == {**as_told, **dict.fromkeys(changing)}
    assert told["problems"][0] == "1 dead letters: see `rasid dead-letters list`"
    for line in (
        "rasid_articles 3.0",
        'rasid_results{outcome="rejected",reason="too_short"} 1.0',
        'rasid_dead_letters{reason="error"} 1.0',
        'rasid_queue_pages{lane="live"} 1.0',
        'rasid_source_articles_last_day{source="paper"} 3.0',
        'rasid_source_feeds{source="paper",state="failing"} 1.0',
    ):
        assert line in figures.splitlines()


@pytest.mark.parametrize("gap", [1, 1_000_000_007])
def test_hours_are_counted(database_url: str, owner: psycopg.Connection[Any], gap: int) -> None:
    """Each hour has the articles that came in it, whatever lies between their ids."""
    owner.execute("insert into rasid.sources (name) values ('a'), ('b')")
    owner.execute(
        """
        insert into rasid.articles (
            id, normalized_url_sha256, normalized_url, url, source, text, authors, tags, labels,
            captions, comments, witnesses, text_sha256, content_sha256, extractor_version, page_id,
            capture_sha256, origin, observed_at, created_at
        ) overriding system value
        select n * %s::bigint, sha256(n::text::bytea), 'a/' || n, 'a/' || n,
            (array['a', 'b', null])[n %% 3 + 1],
            '', '{}', '{}', '{}', '{}', '[]', '{}', '', '', 1, '', '', 'test', now(),
            now() - make_interval(mins => 7 * (600 - n))
        from generate_series(1, 600) as n where n not between 300 and 420
        """,
        (gap,),
    )
    # In one transaction it is the same hour for all.
    with connect(as_role(database_url, "dashboard")) as connection, connection.transaction():
        found = status.activity(connection)
        hours: list[Any] = connection.execute(b"""
            select date_trunc('hour', created_at), count(*) from rasid.articles
            where created_at >= date_trunc('hour', now()) - interval '47 hours' group by 1
        """).fetchall()
        day: list[Any] = connection.execute(b"""
            select source, count(*) from rasid.articles
            where created_at >= now() - interval '24 hours' group by 1
        """).fetchall()
    counted, in_day = dict(hours), dict(day)

    assert len(found.by_hour) == 48
    assert {at: count for at, count in found.by_hour if count} == counted
    assert found.last_hour == 9
    assert found.last_day == sum(in_day.values())
    assert {source.name: source.last_day for source in found.sources} == {
        name: count for name, count in in_day.items() if name
    }


@pytest.mark.parametrize("away", ["database_url", "redis_url", "redis_bodies_url"])
def test_a_store_that_is_away_is_told(own: Settings, away: str) -> None:
    """The page still comes, says what is away, and has what the other store tells; /readyz too."""
    nowhere = "postgresql://x:s3cret1234@127.0.0.1:1/x" if away == "database_url" else None
    broken = own.model_copy(update={away: nowhere or "redis://:s3cret1234@127.0.0.1:1/0"})

    with dashboard(broken) as address:
        code, html = get(address)
        ready = get(address, "/readyz")
        alive = get(address, "/healthz")
        figures = get(address, "/metrics")[1]

    store = "Postgres" if nowhere else "Redis"
    said = texts(html)
    assert (code, ready[0], alive) == (200, 503, (200, "ok\n"))
    assert "Not well: 1 problem" in said
    assert f"{store} has not told" in said
    assert ready[1].startswith(f"{store}: ")
    assert f'rasid_store_up{{store="{store.lower()}"}} 0.0' in figures
    assert "s3cret1234" not in html + ready[1]


def test_a_schema_that_is_not_ours_is_told(own: Settings, owner: psycopg.Connection[Any]) -> None:
    """After somebody has migrated it further, the dashboard is not ready, and says why."""
    owner.execute("insert into rasid_migrations.applied values (9999, 'x', '')")

    with dashboard(own) as address:
        ready = get(address, "/readyz")
        html = get(address)[1]

    assert ready[0] == 503
    assert "install the newer Rasid" in ready[1]
    assert "install the newer Rasid" in texts(html)


def test_a_locked_table_holds_no_page(
    own: Settings, owner: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page comes in its time, with what was known before, and says that it is not news."""
    monkeypatch.setattr(dashboard_app, "WAIT_S", 0.2)
    monkeypatch.setattr(dashboard_app, "LATE_S", 0.1)
    monkeypatch.setattr(dashboard_app, "KEEP_S", 0.0)
    monkeypatch.setattr(latest, "MOST_S", 0.0)
    with dashboard(own) as address:
        until(lambda: "✓ All is well" in texts(get(address)[1]))
        with owner.transaction():
            owner.execute("lock table rasid.links in access exclusive mode")
            until(lambda: "not answered" in get(address)[1])
            kept = [texts(get(address)[1]) for _ in range(4)]
            waiting = owner.execute(
                "select count(*) from pg_stat_activity where usename = 'rasid_dashboard'"
                " and state = 'active' and datname = current_database()"
            ).fetchone()
            alive = get(address, "/healthz")
        until(lambda: "✓ All is well" in texts(get(address)[1]))

    for said in kept:
        assert re.search(r"the stores have not answered for \d+ s.*: all else is of 20", said)
        assert "✗ Not well: 1 problem" in said
        assert "Articles 0 0 in the last hour" in said  # as it was known before
    assert waiting == (1,)
    assert alive == (200, "ok\n")


def test_a_table_that_is_locked_from_the_beginning(
    own: Settings, owner: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing is known yet, the page comes all the same and says so."""
    monkeypatch.setattr(dashboard_app, "WAIT_S", 0.1)
    with dashboard(own) as address:
        with owner.transaction():
            owner.execute("lock table rasid.links in access exclusive mode")
            first = texts(get(address)[1])
        until(lambda: "not answered" not in get(address)[1])

    assert "the stores have not answered yet" in first
    assert "Postgres has not told" in first


@contextmanager
def process(
    own: Settings, **more: str
) -> Iterator[tuple[subprocess.Popen[str], Iterator[str], str]]:
    """`rasid dashboard` as a process: it, what more it says, and the address it has said."""
    others = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    env = {**others, "PYTHONPATH": str(ROOT), **environment(own), **more}
    argv = [sys.executable, "-P", "-m", "services.cli", "dashboard", "--port", "0"]
    with subprocess.Popen(argv, env=env, stderr=subprocess.PIPE, text=True) as started:
        said = started.stderr or io.StringIO()
        try:
            yield started, said, next(x.split()[1] for x in said if x.startswith("Dashboard: "))
        finally:
            started.kill()


def test_it_ends_however_early_it_is_told_to(own: Settings) -> None:
    """A signal that comes with the address, before anything is served, is not lost."""
    for _ in range(2):
        with process(own) as (started, said, _address):
            started.terminate()
            assert started.wait(PATIENCE_S) == 0
            rest = "".join(said)
        assert "dashboard ends" in rest
        assert "Traceback" not in rest


def test_alone_on_one_machine_it_says_that_nothing_works(tmp_path: Path) -> None:
    """Where it starts the servers itself, it says that no worker runs, and they end with it."""
    with process(Settings(state_dir=tmp_path)) as (started, said, address):
        first = next(said)
        until(lambda: get(address, "/readyz") == (200, "ok\n"))
        started.terminate()
        assert started.wait(PATIENCE_S) == 0

    assert "No worker runs here: `rasid up` runs everything." in first


def test_it_ends_in_the_middle_of_a_reading(own: Settings, owner: psycopg.Connection[Any]) -> None:
    """A reading that hangs holds no end up, and leaves nothing on the error stream."""
    with owner.transaction():
        owner.execute("lock table rasid.links in access exclusive mode")
        with process(own) as (started, said, address):
            first = texts(get(address)[1])
            started.terminate()
            assert started.wait(PATIENCE_S) == 0
            rest = "".join(said)

    assert "the stores have not answered yet" in first
    assert "dashboard ends" in rest
    assert "Error" not in rest


def test_a_process_of_its_own(own: Settings, tmp_path: Path) -> None:
    """`rasid dashboard` says where it is, lives, and ends well by SIGTERM, with visitors or not."""
    alive = tmp_path / "alive"
    with process(own, RASID_ALIVE_FILE=str(alive)) as (started, said, address):
        answers = [get(address, path)[0] for path in ("/", "/status.json")]
        until(lambda: get(address, "/readyz")[0] == 200)
        until(alive.exists)
        with closing(http.client.HTTPConnection(urlsplit(address).netloc)) as kept:
            kept.request("GET", "/healthz")
            kept.getresponse().read()
            started.terminate()
            assert started.wait(PATIENCE_S) == 0
        rest = "".join(said)

    assert answers == [200, 200]
    assert "dashboard ends" in rest
    assert "Traceback" not in rest
    with pytest.raises(ConnectionRefusedError):
        get(address)


# --------------------------------------------------------------------------------- in a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium."""
    with sync_playwright() as playwright:
        started = launch(playwright)
        yield started
        started.close()


def hostile(other: str) -> list[str]:
    """What strangers may write to have a browser do something; it would ask `other`."""
    tell = f"window.pwned=1;new Image().src='{other}/told'"
    return [
        f"<script>{tell}</script>",
        f'"><script src="{other}/script"></script>',
        f'<img src="{other}/image" onerror="{tell}">',
        f'<svg onload="{tell}"><animate onbegin="{tell}" attributeName=x></svg>',
        f'</title></head><body onload="{tell}">',
        f'<iframe srcdoc="<script>parent.pwned=1</script>" src="javascript:{tell}"></iframe>',
        f'<link rel=stylesheet href="{other}/style"><style>@import "{other}/import";</style>',
        f'<form action="{other}/form"><input autofocus onfocus="{tell}"></form>',
        f'<meta http-equiv="refresh" content="0;url={other}/refresh">',
        f'<a href="javascript:{tell}" ping="{other}/ping">x</a><base href="{other}/">',
        f"javascript:{tell}//{'x' * 300}",
    ]


@needs_browser
def test_markup_is_shown_and_never_run(
    own: Settings, owner: psycopg.Connection[Any], browser: Browser
) -> None:
    """Addresses, errors and titles that are programs are text; nothing runs, nobody else is asked.

    The page fits a phone, whatever stands in it, and its links can be reached by keys.
    """
    with server.serve() as other:
        lines = hostile(other.url)
        for number, line in enumerate(lines):
            name = f"{number} {line}"
            owner.execute("insert into rasid.sources (name, title) values (%s, %s)", (name, line))
            owner.execute(
                "insert into rasid.feeds (source, url, host, kind, poll_every_s, errors_count,"
                " last_error) values (%s, %s, 'x', 'feed', 300, 1, %s)",
                (name, f"http://x/{number}/{line}", line),
            )
        with dashboard(own) as address:
            view = browser.new_page(viewport={"width": 340, "height": 700})
            view.set_default_timeout(PATIENCE_S * 1000)
            asked: list[str] = []
            view.on("request", lambda request: asked.append(request.url))
            view.goto(address + "/?still", wait_until="networkidle")
            shown = view.locator("bdi").all_text_contents()
            pwned = view.evaluate("window.pwned")
            fits = view.evaluate(
                "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
            )
            inside = view.evaluate(
                "document.querySelectorAll('script,iframe,form,img,base').length"
            )
            view.keyboard.press("Tab")
            focused = view.evaluate("document.activeElement.textContent")
            view.close()

    assert set(lines) <= set(shown)
    assert all(any(f"failed 1 times: {line}" in one for one in shown) for line in lines)
    assert (pwned, inside, fits, focused) == (None, 0, True, "refresh it by itself")
    assert {urlsplit(url).netloc for url in asked} == {urlsplit(address).netloc}
    assert other.asked == []


@needs_browser
@pytest.mark.parametrize("guarded", [True, False])
def test_markup_that_got_in_is_not_run(
    guarded: bool, own: Settings, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were it not escaped, the policy would stop it; without the policy the same markup runs."""
    if not guarded:
        monkeypatch.setattr(run, "HEADERS", {})
    with server.serve() as other:
        markup = Markup("".join(hostile(other.url)[:7]))

        async def injected(_request: Request) -> Response:
            now = health.Health(at=NOW, problems=(markup,))
            return Response(dashboard_page.render(now, None), media_type="text/html")

        with dashboard(own, Route("/injected", injected)) as address:
            view = browser.new_page()
            view.set_default_timeout(PATIENCE_S * 1000)
            refused: list[str] = []
            view.on("console", lambda message: refused.append(message.text))
            view.goto(address + "/injected", wait_until="networkidle")
            pwned = view.evaluate("window.pwned")
            scripts = view.evaluate("document.querySelectorAll('script').length")
            view.close()

    assert scripts >= 2
    if guarded:
        assert (pwned, other.asked) == (None, [])
        assert sum("Content Security Policy" in line for line in refused) >= 5
    else:
        assert pwned == 1
        assert "/script" in other.asked
