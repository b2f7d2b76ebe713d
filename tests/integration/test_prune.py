"""`rasid prune`: what is older than its time goes, and nothing that somebody was promised."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from services.shared.contracts import DeadLetter, Rejection
from services.shared.errors import RasidError
from services.storage import (
    Connection,
    captures,
    connect,
    dead_letters,
    partitions,
    prune,
    queries,
    raw_pages,
    results,
)
from services.storage.prune import KINDS, Due, Kind
from tests.factories import article, at, page, processed, stored
from tests.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime.now(UTC)
OLD = NOW - timedelta(days=100)
BEFORE = NOW - timedelta(days=50)
MANY = b"""
    insert into rasid.raw_pages (
        id, origin, headers, capture_sha256, outcome, reason, extractor_version, processed_at
    )
    select 'm' || n, repeat('x', 100), '{}', '', 'rejected', 'soft_404', 1,
        now() - n % 100 * interval '1 day'
    from generate_series(1, 10000) as n
"""
CHANGES = b"""
    insert into rasid.changes (position, kind, article_id, occurred_at, published_at)
    select n, 'created', 1, now(), now() - (13000 - n) * interval '1 hour'
    from generate_series(1, 13000) as n
"""


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as connection:
        yield connection


def fill(connection: Connection) -> None:
    """An article in two versions, a rejected page, one that changed nothing, and a dead letter."""
    url = "https://a.example/1"
    for item in (
        stored(url, "one", hour=1),
        stored(url, "two", hour=2),
        stored(url, "two", hour=3),
        stored(url, "one", hour=0),
        processed(page("gone", requested_url="https://a.example/2"), Rejection(reason="soft_404")),
        processed(page("bad", requested_url="https://a.example/3"), DeadLetter(reason="error")),
    ):
        results.save(connection, [item], 1)


def age(connection: Connection) -> None:
    """Make all of it old."""
    for statement in (
        b"update rasid.captures set captured_on = %s::timestamptz::date",
        b"update rasid.raw_pages set captured_on = %s::timestamptz::date",
        b"update rasid.raw_pages set processed_at = %s",
    ):
        connection.execute(statement, [OLD])
    partitions.roll(connection, "captures")


def run(connection: Connection, kind: Kind, before: datetime = BEFORE) -> int:
    return sum(prune.prune(connection, kind, before))


def all_of(connection: Connection, query: bytes) -> list[Any]:
    return [row[0] for row in connection.execute(query).fetchall()]


def test_captures(connection: Connection) -> None:
    """Bodies go when their time is over, but those of dead letters; new ones stay."""
    fill(connection)
    age(connection)
    results.save(connection, [stored("https://a.example/9", "new")], 1)

    found = prune.due(connection, "captures", BEFORE)
    assert (found.rows, found.of_rows) == (5, 7)
    assert found.bytes > 0
    assert run(connection, "captures") == 5
    assert run(connection, "captures") == 0
    assert prune.due(connection, "captures", BEFORE) == Due(0, 2, 0)
    assert captures.days(connection, NOW.date()) == []
    for letter in dead_letters.listing(connection):
        assert dead_letters.raw_page(connection, letter.page_id)
    assert dead_letters.listing(connection)


def test_a_day_is_dropped_whole(connection: Connection) -> None:
    """Nothing is left of a day's table, not even empty space, and today's cannot be dropped."""
    fill(connection)
    age(connection)
    size = b"""
        select sum(pg_total_relation_size(inhrelid)) from pg_inherits
        where inhparent = 'rasid.captures'::regclass
    """
    (before,) = all_of(connection, size)
    run(connection, "captures")
    (after,) = all_of(connection, size)
    assert after < before
    with pytest.raises(psycopg.Error, match="are not over"):
        captures.drop(connection, datetime.now(UTC).date())


def test_days_come_ahead(connection: Connection) -> None:
    """A body that comes before its day has a partition is kept, found, and moved there later."""
    item = stored("https://a.example/1", "one")
    late = datetime.now(UTC).date() + timedelta(days=30)
    connection.execute(
        b"insert into rasid.captures (captured_on, sha256, body) values (%s, %s, %s)",
        [late, item.capture_sha256, item.compressed],
    )
    for _ in range(2):
        assert captures.body(connection, item.capture_sha256, late) == item.page.body
        assert captures.body(connection, item.capture_sha256) == item.page.body
        partitions.roll(connection, "captures")
    assert all_of(connection, b"select count(*) from rasid.captures_default") == [0]
    assert captures.body(connection, b"none", late) is None


def test_articles_and_what_made_them_stay(connection: Connection) -> None:
    """Of the results only those go that are in no article; articles and versions are untouched."""
    fill(connection)
    age(connection)
    kept = b"select to_jsonb(v) from media.article_versions as v order by version"
    before = all_of(connection, kept)

    assert run(connection, "pages") == 2
    assert run(connection, "captures") == 5
    assert sorted(all_of(connection, b"select outcome from rasid.raw_pages")) == [
        "created",
        "dead_letter",
        "unchanged",
        "updated",
    ]
    assert all_of(connection, kept) == before


def test_the_page_an_article_was_last_seen_on_stays(connection: Connection) -> None:
    """Without it the article could never be read again; of those before it nothing is needed."""
    url = "https://a.example/1"
    results.save(connection, [stored(url, "one")], 1)
    seen = [
        processed(page(f"v{hour}", requested_url=url, fetched_at=at(hour)), article(url, "one"))
        for hour in (2, 3)
    ]
    assert {found.status for found in results.save(connection, seen, 1)} == {"unchanged"}
    age(connection)

    assert prune.due(connection, "pages", BEFORE).rows == 1
    assert run(connection, "pages") == 1
    again = replace(seen[-1], result=article(url, "one, newly read"), replay_id=1)
    assert results.save(connection, [again], 2)[0].status == "updated"


def test_refused_copies(connection: Connection) -> None:
    """The result of a copy that was worse than the article goes too; the article stays."""
    text = " ".join(f"word{n}" for n in range(100))
    for hour, copy in enumerate((text, text[:200]), 1):
        results.save(connection, [stored("https://a.example/1", copy, hour=hour)], 1)
    outcomes = b"select outcome from rasid.raw_pages order by 1"
    assert all_of(connection, outcomes) == ["created", "worse"]
    age(connection)

    assert prune.due(connection, "pages", BEFORE).rows == 1
    assert run(connection, "pages") == 1
    assert all_of(connection, outcomes) == ["created"]


def test_a_body_that_comes_again_is_kept_again(connection: Connection) -> None:
    """The time of a capture begins anew when a page brings the same bytes."""
    item = stored("https://a.example/1", "one")
    results.save(connection, [item], 1)
    age(connection)
    again = stored("https://a.example/1", "one")
    assert again.capture_sha256 == item.capture_sha256
    days = {datetime.now(UTC).date()}
    results.save(connection, [again], 1)
    days.add(datetime.now(UTC).date())

    assert run(connection, "captures") == 1
    found = raw_pages.newest(connection, ["https://a.example/1"], None)
    assert found
    assert found.body == item.page.body
    (captured_on,) = all_of(connection, b"select captured_on from rasid.raw_pages")
    assert captured_on in days


def test_other_bytes_under_a_page_s_id(connection: Connection) -> None:
    """A message that nobody can read does not take the page's day away from its body."""
    item = stored("https://a.example/1", "one")
    results.save(connection, [item], 1)
    age(connection)
    bad = processed(page("no page"), DeadLetter(reason="invalid_message"))
    results.save(connection, [replace(bad, page_id=item.page_id)], 1)
    days = all_of(connection, b"select captured_on from rasid.raw_pages")
    assert captures.body(connection, item.capture_sha256, days[0]) == item.page.body
    assert days == [OLD.date()]


def test_a_writer_keeps_its_capture(connection: Connection, database_url: str) -> None:
    """A page that is being stored while the day of its old capture is dropped has it afterwards."""
    item = stored("https://a.example/1", "one")
    results.save(connection, [item], 1)
    age(connection)
    sha256s = b"select sha256 from rasid.captures"

    # The writer first: who drops the day waits for him.
    with ThreadPoolExecutor(1) as pool, connect(database_url) as writer:
        with writer.transaction():
            results.save(writer, [stored("https://a.example/1", "one")], 1)
            dropping = pool.submit(run, connection, "captures")
            with pytest.raises(TimeoutError):
                dropping.result(timeout=0.8)
        assert dropping.result(PATIENCE_S) == 1
    assert all_of(connection, sha256s) == [item.capture_sha256]

    # Who drops it first: the writer waits, and stores it anew.
    age(connection)
    with ThreadPoolExecutor(1) as pool, connect(database_url) as writer:
        with connection.transaction():
            assert run(connection, "captures") == 1
            saving = pool.submit(results.save, writer, [stored("https://b.example/1", "one")], 1)
            with pytest.raises(TimeoutError):
                saving.result(timeout=0.3)
        saving.result(PATIENCE_S)
    assert all_of(connection, sha256s) == [item.capture_sha256]


def test_in_batches(connection: Connection, database_url: str) -> None:
    """Each batch is small and committed; stopped in between, the next run does the rest."""
    connection.execute(MANY)
    due = prune.due(connection, "pages", BEFORE).rows
    assert due == 4900
    batches = prune.prune(connection, "pages", BEFORE)
    first = next(batches)
    batches.close()  # type: ignore[attr-defined]

    with connect(database_url) as other:
        assert 0 < first < due
        assert prune.due(other, "pages", BEFORE).rows == due - first
        removed = list(prune.prune(other, "pages", BEFORE))
        assert sum(removed) == due - first
        assert max(removed) < 2000
        assert prune.due(other, "pages", BEFORE) == Due(0, 10_000 - due, 0)


def test_a_table_is_walked_once(connection: Connection) -> None:
    """A batch reads its own blocks and no other, whatever the table's size."""
    query = b"explain " + queries("prune").prune_pages
    plan = all_of(
        connection,
        psycopg.ClientCursor(connection)
        .mogrify(query.decode(), {"before": BEFORE, "first": 64, "last": 128})
        .encode(),
    )
    assert any("Tid Range Scan" in line for line in plan), plan
    assert not any("Seq Scan" in line for line in plan), plan


def test_changes(connection: Connection) -> None:
    """Old changes go, the newest stays, and a cursor before what is kept is refused."""
    connection.execute(CHANGES)
    found = prune.due(connection, "changes", BEFORE)
    assert run(connection, "changes") == found.rows == 13_000 - 50 * 24 - 1
    assert len(connection.execute(b"select * from media.changes(%s)", [found.rows]).fetchall()) > 0
    with pytest.raises(psycopg.Error, match="older than the change feed") as refused:
        connection.execute(b"select * from media.changes(0)")
    assert refused.value.sqlstate == "RC002"

    run(connection, "changes", NOW + timedelta(days=1))
    assert all_of(connection, b"select position from rasid.changes") == [13_000]


def test_one_at_a_time(connection: Connection, database_url: str) -> None:
    """A second pruner is told so; after the first it may."""
    with connect(database_url) as other:
        with (
            prune.alone(connection),
            pytest.raises(RasidError, match="another `rasid prune`"),
            prune.alone(other),
        ):
            pass
        with prune.alone(other):
            pass


def rasid(database_url: str, *arguments: str, **settings: str) -> str:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "services.cli", "prune", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "DATABASE_URL": database_url, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_only_with_yes(connection: Connection, database_url: str) -> None:
    """The command counts, and removes only when told so; 0 days are for ever."""
    fill(connection)
    age(connection)
    counted = rasid(database_url, "--json")
    due = {line["what"]: line["due"] for line in map(json.loads, counted.splitlines())}

    assert due == dict.fromkeys(KINDS, 0) | {"captures": 5}
    assert "Nothing was removed" in rasid(database_url)
    assert prune.due(connection, "captures", BEFORE).rows == 5
    forever = rasid(database_url, "--yes", RASID_KEEP_CAPTURES_DAYS="0")
    assert "ever" in forever
    assert prune.due(connection, "captures", BEFORE).rows == 5
    rasid(database_url, "--yes", "--only", "pages")
    assert prune.due(connection, "captures", BEFORE).rows == 5
    assert "--only is one of" in rasid(database_url, "--only", "articles")
    rasid(database_url, "--yes")
    assert prune.due(connection, "captures", BEFORE).rows == 0
