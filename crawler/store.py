"""Steps on the store go in, their results come out, however often Postgres goes away in between."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from services.shared.backoff import Backoff
from services.shared.errors import TransientError
from services.shared.observability import get_logger
from services.storage import Connection, Database, transient_errors

T = TypeVar("T")
#: Before a step that has failed is tried again: at first, and at most.
WAIT_S = 0.4, 10.0

log = get_logger()


async def pause(closing: asyncio.Event, backoff: Backoff) -> None:
    """Wait before the next try, longer each time, but not once the crawl is closing."""
    with suppress(TimeoutError):
        await asyncio.wait_for(closing.wait(), backoff.next())


class Store:
    """Runs steps one after the other, each in one transaction, beside the event loop."""

    def __init__(self, database_url: str, closing: asyncio.Event) -> None:
        """Remember where the database is; nothing is opened yet. `closing` ends all patience."""
        self._closing = closing
        self._database = Database(database_url)
        # One thread: a cancelled wait leaves its step to finish before the next one begins.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")

    async def run(self, step: Callable[[Connection], T]) -> T:
        """Return the step's result; try until Postgres is there.

        Raises:
            TransientError: Postgres is away, and the crawl is closing.
        """
        tried, backoff = 0, Backoff(*WAIT_S)
        while True:
            try:
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._thread, self._run, step)
            except TransientError as error:
                if self._closing.is_set():
                    raise
                tried += 1
                log.warning("store away, trying again", error=str(error), tried=tried)
            await pause(self._closing, backoff)

    def _run(self, step: Callable[[Connection], T]) -> T:
        with transient_errors():
            connection = self._database.connection()
            with connection.transaction():
                return step(connection)

    def close(self) -> None:
        """Close the connection, after the step that runs now."""
        self._thread.submit(self._database.close)
        self._thread.shutdown()
