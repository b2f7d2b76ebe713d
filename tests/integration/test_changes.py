"""The change feed: each change once, in the order of its article, none skipped, whoever fails."""

import multiprocessing
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta

import psycopg
import pytest

from services.shared.contracts import CHANGE_KINDS, ChangeKind, Event
from services.storage import Connection, change_feed, changes, connect, results
from services.storage.rows import Processed
from tests.factories import stored
from tests.patience import PATIENCE_S, until

VERSION = 1


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """A connection to a migrated database."""
    with connect(database_url) as opened:
        yield opened


def save(connection: Connection, *items: Processed) -> list[str]:
    """Save and publish a chunk, and return the statuses."""
    decisions = results.save(connection, items, VERSION)
    changes.publish(connection)
    return [decision.status for decision in decisions]


def feed(connection: Connection, columns: str, after: int = 0) -> list[tuple[object, ...]]:
    """Columns of all changes after a position."""
    query = f"select {columns} from media.changes({after}, 100000)"
    return connection.execute(query.encode()).fetchall()


def _killed(database_url: str) -> None:
    """Commit a change, and be killed before it is published."""
    add(connect(database_url), 1)
    os.kill(os.getpid(), signal.SIGKILL)


def add(connection: Connection, *articles: int, kind: ChangeKind = "updated") -> None:
    """Write an event for each of these articles."""
    with connection.transaction():
        changes.emit(connection, [Event(kind=kind, article_id=article) for article in articles])


class TestEvents:
    def test_life_of_an_article(self, connection: Connection) -> None:
        """A new article and each new version are told; a page that changes nothing is not."""
        save(connection, stored("https://a/1", "old", hour=1))
        save(connection, stored("https://a/1", "old", hour=2))
        save(connection, stored("https://a/1", "new", hour=3))
        save(connection, stored("https://a/1", "older", hour=1))

        ((article,),) = connection.execute(b"select id from media.articles").fetchall()
        assert feed(connection, "position, kind, article_id, version, detail") == [
            (1, "created", article, 1, None),
            (2, "updated", article, 2, {"reason": "publisher", "changed": ["text"]}),
        ]

    def test_copies_hear_of_their_first(self, connection: Connection) -> None:
        """When the first of a text changes, each copy's new duplicate_of is told."""
        for name in "abc":
            save(connection, stored(f"https://{name}/1", "same"))
        save(connection, stored("https://a/1", "other", hour=2))

        a, b, c = (i for (i,) in connection.execute(b"select id from media.articles order by url"))
        told = feed(connection, "kind, article_id, detail ->> 'duplicate_of'")
        assert told[:3] == [("created", a, None), ("created", b, str(a)), ("created", c, str(a))]
        assert set(told[3:]) == {
            ("duplicate_changed", b, None),
            ("duplicate_changed", c, str(b)),
            ("updated", a, None),
        }

    def test_article_that_changes_within_a_chunk(self, connection: Connection) -> None:
        """Created before updated, also where one chunk holds both states."""
        items = [stored("https://a/1", text, hour=hour) for hour, text in enumerate("ABCD", 1)]
        save(connection, *items)

        kinds = feed(connection, "kind, version")
        assert kinds[0] == ("created", 1)
        assert kinds[1:] == [("updated", n) for n in range(2, len(kinds) + 1)]

    @pytest.mark.parametrize("kind", CHANGE_KINDS)
    def test_kinds(self, connection: Connection, kind: ChangeKind) -> None:
        """Every kind of the contract can be stored."""
        add(connection, 1, kind=kind)

        assert changes.publish(connection) == 1
        assert feed(connection, "kind") == [(kind,)]

    def test_other_kinds_are_refused(self, connection: Connection) -> None:
        """A word outside of the closed set is an error at once."""
        with pytest.raises(psycopg.errors.CheckViolation):
            add(connection, 1, kind="changed")  # type: ignore[arg-type]


class TestPublishing:
    def test_rolled_back(self, connection: Connection) -> None:
        """What is rolled back is not told, and leaves no gap."""
        add(connection, 1)
        with connection.transaction(force_rollback=True):
            changes.emit(connection, [Event(kind="updated", article_id=2)])
        add(connection, 3)
        changes.publish(connection)

        assert feed(connection, "position, article_id") == [(1, 1), (2, 3)]

    def test_late_commit(self, database_url: str, connection: Connection) -> None:
        """A transaction held open stops nobody, and its events follow when it commits."""
        with connect(database_url) as late:
            with late.transaction():
                changes.emit(late, [Event(kind="updated", article_id=1)])
                add(connection, 2, 3)
                assert changes.publish(connection) == 2
                assert feed(connection, "position, article_id") == [(1, 2), (2, 3)]
            assert changes.publish(connection) == 1

        assert feed(connection, "position, article_id", after=2) == [(3, 1)]

    def test_killed_between_commit_and_publication(
        self, database_url: str, connection: Connection
    ) -> None:
        """What one had committed and not published when it was killed, the next one publishes."""
        child = multiprocessing.get_context("fork").Process(target=_killed, args=(database_url,))
        child.start()
        child.join(PATIENCE_S)

        assert child.exitcode == -signal.SIGKILL
        assert changes.publish(connection) == 1

    def test_nothing_waits_behind_a_publisher(
        self, database_url: str, connection: Connection
    ) -> None:
        """Of those who come while one publishes, the first waits and the others need not.

        The one who waits publishes what all of them have committed.
        """
        # How long somebody waits is not what is asked here, and a busy machine takes its time.
        connection.execute(b"alter function rasid.publish_changes set lock_timeout = 0")
        add(connection, 1)
        done: list[int] = []

        def publish() -> None:
            with connect(database_url) as mine:
                done.append(changes.publish(mine))

        with connect(database_url) as slow:
            with slow.transaction():
                assert changes.publish(slow) == 1
                add(connection, 2)
                waiter = threading.Thread(target=publish)
                waiter.start()
                until(lambda: _waiting(connection))
                add(connection, 3)
                assert changes.publish(connection) == 0
            waiter.join()

        assert done == [2]
        assert feed(connection, "position, article_id") == [(1, 1), (2, 2), (3, 3)]

    def test_publisher_held_open(self, database_url: str, connection: Connection) -> None:
        """Who waits for a publisher gives up in time, without an error, and leaves no lock."""
        with connect(database_url) as slow, slow.transaction():
            add(slow, 1)
            changes.publish(slow)
            assert changes.publish(connection) == 0
            assert _waiting(connection) == 0
        add(connection, 2)
        assert changes.publish(connection) == 1
        assert feed(connection, "position, article_id") == [(1, 1), (2, 2)]

    def test_snapshot_that_is_too_old(self, connection: Connection) -> None:
        """In a transaction that would not see what others publish it is refused."""
        connection.execute(b"begin isolation level repeatable read")
        with pytest.raises(psycopg.errors.InvalidTransactionState):
            changes.publish(connection)
        connection.execute(b"rollback")

    def test_many_at_once(self, connection: Connection) -> None:
        """More than one publication takes come all the same, in order, and old ids are settled."""
        for _ in range(3):
            add(connection, *range(8_000))
            assert changes.publish(connection) == 8_000
        add(connection, *range(25_000))
        assert changes.publish(connection) == 25_000

        assert feed(connection, "count(*), min(position), max(position)") == [(49_000, 1, 49_000)]
        ((settled,),) = connection.execute(b"select settled_id from rasid.change_feed").fetchall()
        assert int(str(settled)) >= 8_000

    def test_backlog_beyond_a_mark(self, connection: Connection) -> None:
        """Ids are not settled while events up to them still wait to be published."""
        few = b"select rasid.publish_changes(100)"
        add(connection, *range(5_000))
        connection.execute(few)
        add(connection, *range(1_500))
        while connection.execute(few).fetchone() != (0,):
            pass

        assert feed(connection, "count(*), max(position)") == [(6_500, 6_500)]

    def test_held_open_beyond_a_mark(self, database_url: str, connection: Connection) -> None:
        """Ids are not settled while a transaction that may have taken one still runs."""
        with connect(database_url) as late:
            with late.transaction():
                changes.emit(late, [Event(kind="updated", article_id=-1)])
                for _ in range(4):
                    add(connection, *range(2_000))
                    changes.publish(connection)
            for _ in range(2):
                add(connection, *range(2_000))
                changes.publish(connection)

        assert feed(connection, "count(*), max(position)") == [(12_001, 12_001)]
        assert feed(connection, "count(*) filter (where article_id = -1)") == [(1,)]

    @pytest.mark.parametrize("mark_xid", ["1", "9000000000"])
    def test_copied_without_its_sequence(self, connection: Connection, mark_xid: str) -> None:
        """On another server, where transactions and ids are numbered anew, nothing is skipped."""
        add(connection, 1, 2, 3)
        changes.publish(connection)
        connection.execute(
            b"update rasid.change_feed set settled_id = 5000, mark_id = 6000, mark_xid = %s",
            [mark_xid],
        )
        for article in range(4, 8):
            add(connection, article)
            changes.publish(connection)

        assert feed(connection, "position, article_id") == [(n, n) for n in range(1, 8)]


class TestTimelines:
    def test_restored_again_and_again(self, connection: Connection) -> None:
        """The same backup restored twice: no position of the first life is given in the second."""
        add(connection, 1, 2)
        changes.publish(connection)
        lives = []
        for _ in range(2):
            with connection.transaction(force_rollback=True):  # as a restore forgets it
                connection.execute(b"update rasid.feed_timelines set server = 'another'")
                add(connection, 3, 4)
                assert changes.publish(connection) == 2
                lives.append(feed(connection, "position, article_id", after=2))
                with pytest.raises(psycopg.DatabaseError) as lost, connection.transaction():
                    feed(connection, "position", after=3)
                assert lost.value.sqlstate == "RC003"

        first, second = lives
        assert [article for _, article in first] == [article for _, article in second] == [3, 4]
        positions = [int(str(position)) for position, _ in first + second]
        assert positions == sorted(set(positions))
        assert positions[-1] < 2**53
        add(connection, 5)
        changes.publish(connection)
        assert feed(connection, "position, article_id", after=2) == [(3, 5)]

    def test_by_hand(self, connection: Connection) -> None:
        """Positions jump where somebody says so, each time further, also with nothing between."""
        add(connection, 1)
        changes.publish(connection)
        begin = b"select rasid.begin_timeline()"
        ((first,),), ((second,),) = (connection.execute(begin).fetchall() for _ in range(2))
        assert feed(connection, "position", after=1) == []
        for cursor in (2, first, second):
            with pytest.raises(psycopg.DatabaseError) as ahead:
                feed(connection, "position", after=int(str(cursor)))
            assert ahead.value.sqlstate == "RC001"
        add(connection, 2)
        changes.publish(connection)

        assert feed(connection, "position, article_id", after=1) == [(int(str(second)) + 1, 2)]
        for cursor in (2, first, second):
            with pytest.raises(psycopg.DatabaseError, match="position 1:") as lost:
                feed(connection, "position", after=int(str(cursor)))
            assert lost.value.sqlstate == "RC003"


class Crowd:
    """Threads that work on one database, and what became of them."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._guard = threading.Lock()
        self.failures: list[BaseException] = []
        self.committed = Counter[int]()
        self.all_is_written = threading.Event()

    def run(self, work: Callable[..., None], *arguments: object) -> threading.Thread:
        """Start a thread; what it raises is kept."""

        def guarded() -> None:
            try:
                work(*arguments)
            except BaseException as error:  # noqa: BLE001 - told by the test
                self.failures.append(error)

        thread = threading.Thread(target=guarded)
        thread.start()
        return thread

    def write(self, number: int) -> None:
        """Change articles, with delays, some rolled back, one held open for long."""
        chance = random.Random(number)
        with connect(self._url) as mine:
            for turn in range(25):
                article = chance.randint(1, 8)
                held = 1.5 if (number, turn) == (0, 3) else chance.random() ** 8 / 5
                rolled_back = chance.random() < 0.15
                with mine.transaction(force_rollback=rolled_back):
                    _count_up(mine, article, before_s=held * chance.random(), after_s=held)
                if not rolled_back:
                    with self._guard:
                        self.committed[article] += 1
                    if chance.random() < 0.9:  # else killed between commit and publication
                        changes.publish(mine)

    def read(self, number: int, seen: list[tuple[int, int, int]]) -> None:
        """Read the feed until all is written and read, killed and begun again now and then."""
        chance = random.Random(-number)
        while True:
            at_the_end = self.all_is_written.is_set()
            with psycopg.connect(self._url, autocommit=True) as mine:
                for _ in range(chance.randint(1, 20)):
                    batch = mine.execute(
                        "select position, article_id, version from media.changes(%s, %s)",
                        [seen[-1][0] if seen else 0, chance.randint(1, 50)],
                    ).fetchall()
                    if not batch and at_the_end:
                        return
                    if chance.random() < 0.1:
                        break  # killed with a batch in its hands
                    seen += batch


def test_writers_and_readers_at_once(database_url: str) -> None:
    """32 writers that delay, roll back, or hold on; readers that are killed: all once, in order.

    Writers lock an article, count it up and tell of it, as the store does. A reader that is killed
    goes on where it has kept its cursor. Each must see 1, 2, 3 ... without a gap, the counts of
    each article in order, and at the end exactly what was committed.
    """
    with connect(database_url) as connection:
        results.save(connection, [stored(f"https://a/{n}", f"text {n}") for n in range(8)], VERSION)
    crowd = Crowd(database_url)
    writers = [crowd.run(crowd.write, number) for number in range(32)]
    seen: list[list[tuple[int, int, int]]] = [[] for _ in range(4)]
    readers = [crowd.run(crowd.read, number, into) for number, into in enumerate(seen)]
    for writer in writers:
        writer.join()
    with connect(database_url) as connection:
        changes.publish(connection)
    crowd.all_is_written.set()
    for reader in readers:
        reader.join()

    assert crowd.failures == []
    for found in seen:
        assert [position for position, *_ in found] == list(range(1, len(found) + 1))
        for article in range(1, 9):
            counts = [version for _, which, version in found if which == article]
            assert counts == list(range(1, crowd.committed[article] + 2)), article


def _count_up(tx: Connection, article: int, *, before_s: float, after_s: float) -> None:
    """Change an article, and tell of it."""
    time.sleep(before_s)
    ((version,),) = tx.execute(
        b"update rasid.articles set version = version + 1 where id = %s returning version",
        [article],
    ).fetchall()
    event = Event(kind="updated", article_id=article, version=int(str(version)))
    changes.emit(tx, [event])
    time.sleep(after_s)


class TestCursors:
    def test_nothing_to_be_woken_by(self, database_url: str, connection: Connection) -> None:
        """A reader that waits while nothing happens goes on reading on the same connection."""
        reader = change_feed.Reader(database_url)
        try:
            reader.wait(0.01)
            add(connection, 1)
            changes.publish(connection)
            assert len(reader.read(0, 10)) == 1
        finally:
            reader.close()

    def test_refused(self, connection: Connection) -> None:
        """A cursor ahead of the feed, or older than what is kept, is an error of its own."""
        add(connection, *range(1, 11))
        changes.publish(connection)
        assert feed(connection, "position", after=10) == []
        with pytest.raises(psycopg.DatabaseError) as ahead:
            feed(connection, "position", after=11)
        assert ahead.value.sqlstate == "RC001"

        connection.execute(b"select rasid.prune_changes(now() + interval '1 hour', 4)")

        assert [p for (p,) in feed(connection, "position", after=4)] == list(range(5, 11))
        for cursor in (0, 3):
            with pytest.raises(psycopg.DatabaseError, match="begins after position 4") as old:
                feed(connection, "position", after=cursor)
            assert old.value.sqlstate == "RC002"

    def test_prune_by_age(self, connection: Connection) -> None:
        """What is older goes, the newest change stays always, and positions go on."""
        add(connection, 1, 2)
        changes.publish(connection)
        ((before,),) = connection.execute(b"select clock_timestamp()").fetchall()
        add(connection, 3, 4)
        changes.publish(connection)
        prune = b"select rasid.prune_changes(%s)"

        assert connection.execute(prune, [before]).fetchone() == (2,)
        assert connection.execute(prune, [before]).fetchone() == (0,)
        later = before + timedelta(days=1)  # type: ignore[operator]
        assert connection.execute(prune, [later]).fetchone() == (1,)
        assert feed(connection, "position, article_id", after=3) == [(4, 4)]
        add(connection, 5)
        changes.publish(connection)
        assert feed(connection, "position", after=4) == [(5,)]

    def test_reads_only(self, connection: Connection) -> None:
        """The feed is read where nothing may be written, as on a standby."""
        add(connection, 1)
        changes.publish(connection)
        connection.execute(b"set default_transaction_read_only = on")

        assert feed(connection, "position") == [(1,)]
        with pytest.raises(psycopg.DatabaseError, match="ahead of the change feed"):
            feed(connection, "position", after=2)

    def test_role_of_consumers(self, connection: Connection) -> None:
        """rasid_reader reads the feed, and may neither write nor publish."""
        add(connection, 1)
        changes.publish(connection)
        connection.execute(b"set role rasid_reader")

        assert feed(connection, "position") == [(1,)]
        for statement in (b"select rasid.publish_changes()", b"select * from rasid.outbox"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def _waiting(connection: Connection) -> int:
    """How many publishers wait for their turn."""
    ((count,),) = connection.execute(
        b"select count(*) from pg_locks where locktype = 'advisory' and not granted"
        b" and database = (select oid from pg_database where datname = current_database())"
    ).fetchall()
    return int(str(count))
