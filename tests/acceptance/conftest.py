"""The product as processes: servers of its own, a worker and a reconciler that are kept running."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from services.cli.session import environment
from services.local import Stack, start
from services.queue import Queue
from services.shared import settings as settings_module
from services.shared.contracts import RawPage
from services.shared.errors import RasidError
from services.shared.settings import Settings
from services.storage import connect
from services.storage.migrate import migrate
from tests.patience import PATIENCE_S, until
from tests.roles import as_command, let_in

T = TypeVar("T")
HERE = Path(__file__).parent
ROOT = HERE.parents[1]
#: As in production, only faster: what is lost is found again within seconds.
QUICK = {
    "RASID_REQUEUE_AFTER_S": "6",
    "RASID_RECONCILE_EVERY_S": "0.5",
    "RASID_CONCURRENCY": "2",
}


class Product:
    """Servers, and processes on them; `outcomes` is what the accountant counts."""

    def __init__(self, stack: Stack, settings: Settings) -> None:
        self.stack = stack
        self.settings = settings
        self.queue = Queue(settings)

    def spawn(self, name: str, *argv: str, env: Mapping[str, str] | None = None) -> int:
        """Run a program with its own rights; it is started again whenever it ends."""
        own = as_command(self.stack.database_url, argv[2] if argv[0] == "-m" else "worker")
        env = {"PYTHONPATH": str(ROOT), **environment(self.settings), **QUICK, **(env or {})}
        return self.stack.spawn(
            name,
            [sys.executable, "-P", *argv],
            env={**env, "DATABASE_URL": own},
            restart=True,
        )

    def publish(self, pages: list[RawPage]) -> None:
        """Publish pages, however often Redis goes away meanwhile."""
        for first in range(0, len(pages), 10):
            retry(partial(self.queue.publish, pages[first : first + 10], "live"))

    def wait_until_done(self) -> None:
        """Return when nothing is pending."""

        def said() -> str:
            return self.stack.log("worker").read_text("utf-8", "replace")[-4000:]

        until(lambda: retry(lambda: self.queue.depth().total) == 0, said)

    def outcomes(self) -> dict[str, tuple[str, str]]:
        """Return each page's outcome and reason, by page id."""
        with connect(self.settings.database_url or "") as connection:
            found = connection.execute(
                b"select id, outcome, coalesce(reason, '') from rasid.raw_pages"
            ).fetchall()
        return {str(page): (str(outcome), str(reason)) for page, outcome, reason in found}

    def count(self, query: str) -> Counter[object]:
        """Return how often each value of a query's one column comes."""
        with connect(self.settings.database_url or "") as connection:
            return Counter(value for (value,) in connection.execute(query.encode()))


def retry(call: Callable[[], T]) -> T:
    """Return what the call returns once the servers answer again."""
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            return call()
        except RasidError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


@pytest.fixture
def product() -> Iterator[Product]:
    """Servers that keep what they promise to keep, migrated and empty, for this test alone."""
    with start(None, durable=True) as stack:
        migrate(stack.database_url)
        let_in(stack.database_url)
        settings = settings_module.load(
            database_url=stack.database_url,
            redis_url=stack.redis_url,
            redis_bodies_url=stack.redis_bodies_url,
        )
        yield Product(stack, settings)
