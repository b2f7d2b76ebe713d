"""`rasid demo`: from nothing to articles on the screen, with real servers and a real small site."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.status import Status
from rich.table import Table
from rich.text import Text

from services.cli import tables
from services.cli.processes import spawn
from services.cli.session import Session, servers
from services.demo import site
from services.importer import progress as importer_progress
from services.importer import run as importer
from services.local import Stack
from services.queue import Queue
from services.shared.console import Console
from services.shared.errors import RasidError, TransientError
from services.shared.settings import Settings
from services.storage import articles, connect
from services.storage import status as store_status

ROOT = Path(__file__).resolve().parents[2]
SEEDS = ROOT / "seeds"
#: The same each time, so that a second run finds the same addresses; another if it is taken.
PORT = 28347
TIMEOUT_S = 180.0

SOURCES = """\
sources:
  - name: demo
    title: The demo's own site
    home_page: {url}
    time_zone: Asia/Riyadh
    crawl:
      delay_s: 0.1
    feeds:
      - url: {url}feed.xml
        kind: feed
      - url: {url}sitemap.xml
        kind: sitemap
"""


class Timer:
    """Seconds by part, in the order in which the parts began."""

    def __init__(self) -> None:
        """Start with no part."""
        self.parts: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Add the time of the block to a part."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.parts[name] = self.parts.get(name, 0) + time.monotonic() - began


def run(settings: Settings) -> None:
    """Run the demo on embedded servers, and stop everything at its end.

    Raises:
        RasidError: the state directory is in use, or a part did not come to its end.
    """
    settings = settings.model_copy(update={"database_url": None, "redis_url": None})
    timer, console = Timer(), Console(stderr=True, highlight=False, markup=False, emoji=False)
    with console.status("starting Postgres and Redis") as shown:
        with timer.part("servers and schema"):
            context = servers(settings)
            session = context.__enter__()
        try:
            if session.stack is None:
                raise RasidError(
                    f"another rasid runs on {settings.state_dir}: stop it, "
                    "or run `rasid --state OTHER demo`"
                )
            _show(shown, session, session.stack, timer)
            with timer.part("reading the result"):
                result = _result(session)
        finally:
            shown.update("stopping")
            with timer.part("stopping"):
                context.__exit__(*sys.exc_info())
    _print(result, timer, settings)


def _show(shown: Status, session: Session, stack: Stack, timer: Timer) -> None:
    with site.serve(port=PORT) as served:
        sources = stack.state / "demo-sources.yaml"
        sources.write_text(SOURCES.format(url=served.url), encoding="utf-8")
        spawn(session, stack, "worker")
        extra = {"RASID_SOURCES": str(sources), "RASID_PUBLIC_ADDRESSES_ONLY": "false"}
        spawn(session, stack, "crawl", "--once", restart=False, env=extra)
        with timer.part("importing seeds/"):
            shown.update("importing seeds/")
            importer.run([SEEDS], session.settings, lane="live", progress=importer_progress.Quiet())
        with timer.part("crawling, extracting and storing"):
            _wait(shown, session, stack)


def _wait(shown: Status, session: Session, stack: Stack) -> None:
    queue = Queue(session.settings)
    end = time.monotonic() + TIMEOUT_S
    crawling = True
    with connect(session.database_url) as connection:
        while time.monotonic() < end:
            ended = stack.wait(0.1)
            if ended and ended.name == "crawl":
                if ended.code:
                    raise RasidError(f"the crawler failed; see {stack.log('crawl')}")
                crawling = False
            try:
                waiting = queue.depth().total
            except TransientError:
                continue
            if not crawling and not waiting:
                return
            now = store_status.read(connection)
            links = sum(now.links.values())
            fetched = sum(n for (state, _), n in now.links.items() if state == "fetched")
            shown.update(
                f"{links} links found, {fetched} fetched; {waiting} pages on the queue; "
                f"{now.articles} articles stored"
            )
    raise RasidError(f"the demo is not done after {TIMEOUT_S:.0f} s; see the logs in {stack.state}")


def _result(session: Session) -> tuple[list[articles.ArticleRow], list[store_status.SetAside]]:
    with connect(session.database_url) as connection:
        return (
            list(articles.listing(connection))[::-1],
            store_status.set_aside(connection),
        )


def _print(
    result: tuple[list[articles.ArticleRow], list[store_status.SetAside]],
    timer: Timer,
    settings: Settings,
) -> None:
    console = Console(
        width=None if sys.stdout.isatty() else 160, highlight=False, markup=False, emoji=False
    )
    rows, aside = result
    console.print(f"\n{len(rows)} articles", style="bold")
    console.print(tables.articles_table(rows))
    console.print("\nSet aside, and why", style="bold")
    table = Table("what", "why", "where", box=None)
    for item in aside:
        table.add_row(
            item.what,
            Text(item.reason + (f" ({item.detail})" if item.detail else ""), overflow="fold"),
            Text(item.where, overflow="fold"),
        )
    console.print(table)
    console.print("\nTime", style="bold")
    times = Table.grid(padding=(0, 2))
    for name, seconds in timer.parts.items():
        times.add_row(name, f"{seconds:.1f} s")
    times.add_row("together", f"{sum(timer.parts.values()):.1f} s")
    console.print(times)
    option = "" if settings.state_dir == Path(".rasid") else f"--state {settings.state_dir} "
    console.print("\nTry next", style="bold")
    for command, meaning in (
        ("articles 1", "one article with its text"),
        ("articles --json", "all of them, for programs"),
        ("trace seeds/000_e0562fae2ffcc33a.txt", "the whole way of one document"),
        ("status", "is everything well?"),
        ("dashboard", "the same as a page in your browser"),
        ("extract seeds/*.txt", "the extractor alone, without servers"),
        ("up", "run everything on your own sources.yaml"),
    ):
        console.print(f"  ./rasid {option}{command:<40} {meaning}")
