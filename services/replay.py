"""Hand stored pages to the workers again, a few at a time, behind all that is new.

The pages of a replay and what is done of them are in Postgres; Redis holds a handful. So it can be
killed anywhere: what is not done is handed on again, and what is done is not done twice.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from services.queue import CHUNK, Queue
from services.queue.bodies import ticket
from services.shared.errors import TransientError
from services.shared.sources import Source, as_known_today
from services.storage import Connection, Database, captures, replay_pages

#: Between two looks at the queue; a message takes a worker some hundred milliseconds.
LOOK_EVERY_S = 0.05
#: So long after the last new page was seen there may be more.
NEWS_S = 3.0
#: The same while a server is away.
AWAY_S = 2.0
#: So long nothing has been done, though something waits: somebody wants to know.
STILL_S = 30.0
NO_WORKER = "no worker takes pages that are to be read again: is `rasid worker` running?"


@dataclass(slots=True, kw_only=True)
class Pace:
    """How much of the workers' time a replay takes.

    It keeps at most `processes` worker processes busy. While new pages come in it works for
    `share` of the time and rests for the other: so it takes no more than that from them, even
    where a processor, not a worker process, is what is short.
    """

    processes: int = 1
    share: float = 0.1
    _handed_at: float | None = None
    _rests_until: float = 0.0
    _news_at: float = -NEWS_S

    def may_go_on(self, queue: Queue) -> str | None:
        """Return why nothing more is to be handed on now, or None if something may be.

        Raises:
            TransientError: Redis is away.
        """
        waiting, now = queue.waiting(), time.monotonic()
        if waiting["live"]:
            self._news_at = now
        if waiting["replay"] > (self.processes - 1) * CHUNK:
            return NO_WORKER
        if self._handed_at is not None:
            self._rests_until = now + (now - self._handed_at) * (1 / self.share - 1)
            self._handed_at = None
        news = now - self._news_at < NEWS_S
        if waiting["live"] > CHUNK * self.processes or (news and now < self._rests_until):
            return "what is new comes first"
        return None

    def handed_on(self) -> None:
        """Count the time from now on until the workers are done."""
        self._handed_at = time.monotonic()


def feed(  # noqa: PLR0913 - four are by keyword only
    queue: Queue,
    database: Database,
    replay_id: int,
    sources: Mapping[str, Source],
    *,
    pace: Pace,
    body: captures.Reader = captures.body,
    on_progress: Callable[[int], None] = lambda _: None,
    on_wait: Callable[[str], None] = lambda _: None,
) -> None:
    """Hand on the pages of a replay until all are done.

    `body` finds what a page is to be read from. `on_progress` is told the position reached,
    `on_wait` why nothing moves.
    """
    position, moved_at, told = 0, time.monotonic(), ""
    while True:
        try:
            why = pace.may_go_on(queue)
            if why is None:
                connection = database.connection()
                batch = replay_pages.next_pages(
                    connection, replay_id, after=position, limit=CHUNK, body=body
                )
                if batch:
                    _hand_on(queue, connection, replay_id, batch, sources)
                    pace.handed_on()
                    position, moved_at = batch[-1].position, time.monotonic()
                    on_progress(position)
                    continue
                if queue.waiting()["replay"]:
                    why = NO_WORKER
                elif replay_pages.left(connection, replay_id):
                    position = 0  # some were lost on their way: once more, from the beginning
                else:
                    return
        except TransientError as error:
            why, moved_at = str(error), time.monotonic() - STILL_S
            time.sleep(AWAY_S)
        if why and why != told and time.monotonic() - moved_at > STILL_S:
            told = why
            on_wait(why)
        time.sleep(LOOK_EVERY_S)


def _hand_on(
    queue: Queue,
    connection: Connection,
    replay_id: int,
    batch: list[replay_pages.Waiting],
    sources: Mapping[str, Source],
) -> None:
    letters = [page.page_id for page in batch if page.is_dead_letter]
    if letters:
        replay_pages.mark_letters(connection, letters)
    gone = [page.page_id for page in batch if page.message is None]
    if gone:
        replay_pages.give_up(connection, replay_id, gone)
    pages = {
        ticket(page.page_id, replay_id): page.message
        if page.is_dead_letter or isinstance(page.message, bytes)
        else as_known_today(page.message, sources)
        for page in batch
        if page.message is not None
    }
    if pages:
        queue.publish_again(pages)
