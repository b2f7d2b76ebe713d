"""Workers are killed between any two words with Postgres; the store ends as if none had been."""

import math
import multiprocessing
import os
import random
import signal
from collections.abc import Sequence

from services.queue import Queue
from services.shared.contracts import RawPage
from services.shared.errors import TransientError
from services.shared.settings import Settings
from services.storage import connect
from services.storage.migrate import migrate
from tests.kills import killed_before
from tests.newsday import check_feed, news, prepared, state
from tests.patience import PATIENCE_S
from worker import pipeline


def work(settings: Settings, chunks: Sequence[Sequence[str]], words_left: float) -> None:
    """Do the chunks as a worker does; be killed after so many words with Postgres."""
    queue = Queue(settings)
    with connect(settings.database_url or "") as connection, killed_before(words_left):
        for chunk in chunks:
            try:
                pipeline.process(chunk, "live", queue, connection, settings)
            except TransientError:  # as a worker: the pages are done again
                continue


def disturbed(settings: Settings, pages: Sequence[RawPage], chance: random.Random) -> int:
    """Have two workers at a time do the pages, each killed sooner or later; return how many."""
    queue = Queue(settings)
    queue.publish(pages, "live")
    context = multiprocessing.get_context("fork")
    kills = 0
    while pending := [i for i, taken in queue.take([p.id for p in pages]).items() if taken]:
        tried = dict(zip(pending, queue.attempts.so_far(pending), strict=True))
        workers = []
        for _ in range(2):
            fresh = [i for i in pending if not tried[i]]
            again = [i for i in pending if tried[i]]
            chance.shuffle(fresh)
            chance.shuffle(again)
            chunks = [[i] for i in again[:12]]
            chunks += [fresh[at : at + 10] for at in range(0, min(len(fresh), 40), 10)]
            workers.append(
                context.Process(target=work, args=(settings, chunks, chance.randint(1, 140)))
            )
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(PATIENCE_S)
            assert worker.exitcode in (0, -signal.SIGKILL)
            kills += worker.exitcode != 0
    return kills


def test_workers_killed_anywhere(settings: Settings, empty_database_url: str) -> None:
    """Stories, labels, quotations, watch matches and the change feed are those of a calm day."""
    settings = settings.model_copy(update={"max_attempts": 1000})
    first, second, asked = news(seed := int(os.environ.get("RASID_TEST_SEED", "4")))
    migrate(empty_database_url)
    with connect(empty_database_url) as connection:
        prepared(connection, asked)
        calm = settings.model_copy(update={"database_url": empty_database_url})
        for batch in (first, second):
            Queue(calm).publish(batch, "live")
            ids = [raw.id for raw in batch]
            work(calm, [ids[at : at + 10] for at in range(0, len(ids), 10)], math.inf)
        expected = state(connection)
        check_feed(connection)
    assert {name: len(found) > 0 for name, found in expected.items()} == dict.fromkeys(
        expected, True
    )

    chance = random.Random(seed)
    with connect(settings.database_url or "") as connection:
        prepared(connection, asked)
        kills = disturbed(settings, first, chance) + disturbed(settings, second, chance)
        found = state(connection)
        check_feed(connection)

    assert kills > 10
    for name, wanted in expected.items():
        assert found[name] == wanted, name
