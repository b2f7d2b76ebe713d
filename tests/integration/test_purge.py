"""`rasid purge`: nothing of a purged article is left anywhere, and it never comes again."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from services.archiver import purge as archiver_purge
from services.archiver import reader, run
from services.archiver.run import Order
from services.cli.session import environment
from services.queue import Queue
from services.shared import urls
from services.shared.contracts import Article, DeadLetter, RawPage, Rejection
from services.shared.frontier import LinkOutcome, ListedLink
from services.shared.settings import Settings
from services.shared.sources import Feed, Source
from services.storage import (
    Connection,
    archives,
    captures,
    changes,
    connect,
    links,
    partitions,
    prune,
    purges,
    quotations,
    raw_pages,
    replays,
    results,
    sources,
    trace,
    watches,
)
from services.storage.rows import Processed
from tests import factories
from tests.factories import page, processed
from tests.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
URL = "https://a.example/gharib"
MARK = "غريبة"
DAY = date(2026, 3, 4)
AFTER = date(2026, 3, 5)
TABLES = b"""
    select c.relname from pg_class as c
    where c.relnamespace = 'rasid'::regnamespace and c.relkind in ('r', 'p') and not relispartition
"""


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as connection:
        yield connection


def stored(url: str, text: str, *, hour: int, title: str = "Title") -> Processed:
    """A page fetched at an hour, as the worker hands it over: under its normalized address."""
    item = factories.stored(url, text, hour=hour, title=title)
    assert isinstance(item.result, Article)
    return replace(item, result=replace(item.result, normalized_url=urls.key(url)))


def forget(connection: Connection, *addresses: str, copies: bool = False) -> purges.Plan:
    planned = purges.plan(connection, [], addresses, copies=copies)
    purges.forbid(connection, planned.keys, "test")
    purges.purge(connection, planned, "test")
    changes.publish(connection)
    return planned


def listed(connection: Connection) -> None:
    """A feed lists the article."""
    feed = Feed(url="https://a.example/rss")
    paper = Source(name="a", title="A", home_page="https://a.example/", feeds=(feed,))
    sources.save(connection, [paper])
    due = sources.take_due(connection, ["a.example"], ["a"], ("feed",), lease_s=60)
    links.add(connection, due[0].id, [ListedLink(url=URL, title=f"قصة {MARK}")])


def fill(connection: Connection) -> None:
    """The article in all the places it can be in, and others beside it."""
    text = f"نص القصة {MARK} " + " ".join(f"كلمة{n}" for n in range(60))
    watches.add(connection, "odd", MARK, language=None, source=None)
    for item in (
        stored(URL, text, hour=1, title=f"عنوان {MARK}"),
        stored(URL, text + " زيادة", hour=2, title=f"عنوان {MARK}"),
        stored("https://b.example/copy", text + " زيادة", hour=3),
        stored("https://c.example/reprint", text + " زيادة أخرى", hour=4),
        stored("https://d.example/other", "شيء آخر تماما", hour=5),
        processed(page(f"gone {MARK}", requested_url=URL), Rejection(reason="soft_404")),
        processed(page(f"bad {MARK}", requested_url=URL), DeadLetter(reason="error")),
    ):
        results.save(connection, [item], 1)
    changes.publish(connection)
    connection.execute(b"select rasid.link_article(4, 1, array[1]::bigint[], false)")
    connection.execute(b"insert into rasid.quotations default values")
    connection.execute(
        b"insert into rasid.quotation_articles values (1, 1, 2, 0, 5), (1, 4, 1, 0, 5)"
    )


def rows_with(connection: Connection, words: str) -> dict[str, int]:
    """Return how many rows of each table hold these words, as text or as a body."""
    found = {}
    for (table,) in connection.execute(TABLES).fetchall():
        query = f"select count(*) from rasid.{table} as t where to_jsonb(t)::text like %s"
        ((count,),) = connection.execute(query.encode(), [f"%{words}%"]).fetchall()
        if count:
            found[str(table)] = int(str(count))
    return found


def test_nothing_is_left(connection: Connection) -> None:
    """No table has a word of it or its address, but the frontier, which says that it is refused."""
    listed(connection)
    fill(connection)
    assert {"articles", "article_versions", "links"} <= set(rows_with(connection, MARK))
    planned = forget(connection, URL, copies=True)

    assert planned.article_ids == [1, 3]  # ids 2 were taken by the second page of the first
    rest = rows_with(connection, URL)
    assert rest == {"links": 1}
    connection.execute(b"delete from rasid.watches")
    assert set(rows_with(connection, MARK)) <= {"articles", "article_search"}
    for (url,) in connection.execute(b"select url from rasid.articles").fetchall():
        assert url in ("https://c.example/reprint", "https://d.example/other")
    (link,) = connection.execute(b"select state, reason, title from rasid.links").fetchall()
    assert link == ("refused", "purged", None)
    assert connection.execute(b"select * from media.quotations").fetchall() == []
    assert connection.execute(b"select * from rasid.quotations").fetchall() == []
    for raw in (page(f"gone {MARK}"), page(f"bad {MARK}")):
        assert captures.body(connection, raw.capture_sha256) is None
    kinds = connection.execute(
        b"select kind, article_id, detail from media.changes() where kind = 'purged' or"
        b" article_id = any(%s) order by position desc limit 2", [planned.article_ids]
    ).fetchall()  # fmt: skip
    assert kinds == [("purged", 3, {"reason": "test"}), ("purged", 1, {"reason": "test"})]


def test_copies_and_stories_go_on(connection: Connection) -> None:
    """A copy that stays had the text first from now on, and stories are told anew."""
    fill(connection)
    planned = forget(connection, URL)
    assert [copy.url for copy in planned.copies] == ["https://b.example/copy"]
    articles = connection.execute(
        b"select url, duplicate_of, story_id = id from media.articles order by id"
    ).fetchall()
    assert articles == [
        ("https://b.example/copy", None, True),
        ("https://c.example/reprint", None, True),
        ("https://d.example/other", None, True),
    ]
    distinct = connection.execute(b"select count(*) from media.distinct_articles").fetchall()
    assert distinct == [(3,)]
    orphans = b"""
        select id from rasid.stories where id not in (select story_id from rasid.story_articles)
    """
    assert connection.execute(orphans).fetchall() == []


def test_it_never_comes_again(connection: Connection) -> None:
    """Fetched, imported or read again, it is a counted rejection that holds nothing of it."""
    fill(connection)
    forget(connection, URL)
    for item in (
        stored(URL, f"جديد {MARK}", hour=9),
        stored(f"{URL}?utm_source=x", f"آخر {MARK}", hour=10),
        processed(page(MARK, requested_url="https://a.example/x", final_url=URL),
                  DeadLetter(reason="error")),
    ):  # fmt: skip
        (decision,) = results.save(
            connection, [item, stored("https://e.example/1", "x", hour=1)], 1
        )[:1]
        assert decision.status == "rejected"
    purged = connection.execute(
        b"select requested_url, final_url, outcome, reason from rasid.raw_pages"
        b" where reason = 'purged'"
    ).fetchall()
    assert purged == [(None, None, "rejected", "purged")] * 3
    assert rows_with(connection, URL) == {}
    listed(connection)
    (link,) = connection.execute(b"select state, reason, title from rasid.links").fetchall()
    assert link == ("refused", "purged", None)

    assert purges.lift(connection, [URL]) == 1
    (link,) = connection.execute(b"select state, reason from rasid.links").fetchall()
    assert link == ("due", None)
    (decision,) = results.save(connection, [stored(URL, "جديد", hour=11)], 1)
    assert decision.status == "created"


def test_what_is_being_fetched(connection: Connection) -> None:
    """A link that is purged while its page is fetched stays refused, and names no other address."""
    listed(connection)
    (taken,) = links.take_due(connection, ["a.example"], ["a"], per_host=1)
    forget(connection, URL)
    query = b"select to_jsonb(l) from rasid.links as l"
    ((before,),) = connection.execute(query).fetchall()
    outcome = LinkOutcome(
        link_id=taken.id,
        state="fetched",
        status=200,
        final_url=f"{URL}/{MARK}",
        page_id="p1",
        refetch_wait_s=0,
        etag=MARK,
    )
    links.end(connection, [outcome])
    links.give_back(connection, [taken.id])

    assert connection.execute(query).fetchall() == [(before,)]
    assert isinstance(before, dict)
    assert (before["state"], before["reason"]) == ("refused", "purged")


ADDRESSED = {
    "purges.pages": purges.SQL.pages,
    "trace.raw_pages": trace.SQL.raw_pages,
    "raw_pages.newest": raw_pages.SQL.newest,
    "replays.choose": replays.SQL.choose,
}


@pytest.mark.parametrize("query", ADDRESSED)
def test_pages_are_found_by_indexes(connection: Connection, query: str) -> None:
    """The pages of an address are never looked for in all there are."""
    names = ("sources", "since", "until", "reasons", "extractors", "older_than", "page_ids")
    values = dict.fromkeys(names) | {"ids": [1], "keys": [b"k"], "urls": [URL]}
    values |= {"dead_letters": False}
    connection.execute(b"set enable_seqscan = off")
    explained = connection.execute(b"explain (format json) " + ADDRESSED[query], values)
    ((plans,),) = explained.fetchall()
    scans = [node for node in nodes(plans[0]["Plan"]) if node.get("Relation Name") == "raw_pages"]  # type: ignore[index]

    assert len(scans) > 3
    for node in scans:
        assert {"Index Cond", "Recheck Cond"} & node.keys(), node


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a node of a plan and all below it."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def test_beside_a_worker(connection: Connection, database_url: str) -> None:
    """A worker that saves the article at the same time leaves nothing, whoever was first."""
    fill(connection)
    with ThreadPoolExecutor(1) as pool, connect(database_url) as worker:
        with worker.transaction():  # the worker first: the purge waits for his commit
            results.save(worker, [stored(URL, f"نسخة ثالثة {MARK}", hour=9)], 1)
            purging = pool.submit(forget, connection, URL)
            with pytest.raises(TimeoutError):
                purging.result(timeout=0.5)
        purging.result(PATIENCE_S)
        assert rows_with(connection, URL) == {}

        purges.lift(connection, [URL])
        results.save(connection, [stored(URL, f"نسخة {MARK}", hour=10)], 1)
        with connection.transaction():  # the purge first: the worker waits, and is refused
            forget_now = purges.plan(connection, [], [URL], copies=False)
            purges.forbid(connection, forget_now.keys, "test")
            late = stored(URL, f"نسخة رابعة {MARK}", hour=11)
            saving = pool.submit(results.save, worker, [late], 1)
            with pytest.raises(TimeoutError):
                saving.result(timeout=0.5)
            purges.purge(connection, forget_now, "test")
        assert saving.result(PATIENCE_S)[0].status == "rejected"
    assert rows_with(connection, URL) == {}


def test_a_body_that_another_saves_meanwhile_stays(
    connection: Connection, database_url: str
) -> None:
    """A page of another address with the same bytes, not committed yet, keeps its body."""
    mine, other = (page("same", requested_url=url) for url in (URL, "https://z.example/same"))
    results.save(connection, [processed(mine, Rejection(reason="soft_404"))], 1)
    planned = purges.plan(connection, [], [URL], copies=False)
    purges.forbid(connection, planned.keys, "test")
    with ThreadPoolExecutor(1) as pool, connect(database_url) as worker:
        with worker.transaction():
            results.save(worker, [processed(other, Rejection(reason="soft_404"))], 1)
            purging = pool.submit(purges.purge, connection, planned, "test")
            with pytest.raises(TimeoutError):
                purging.result(timeout=0.5)
        purging.result(PATIENCE_S)
    assert captures.body(connection, other.capture_sha256) == other.body


def test_the_archive_is_written_anew(
    connection: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its record goes from the file and the index; all others are found, also meanwhile."""
    fetched: dict[str, object] = {"status": 200, "fetched_at": datetime(2026, 3, 4, tzinfo=UTC)}
    pages = [
        page(f"<p>{n}</p>", requested_url=f"https://a.example/{n}", **fetched) for n in range(20)
    ]
    shared = [page(MARK, requested_url=url, **fetched) for url in (URL, "https://z.example/same")]
    alone = page(f"alone {MARK}", requested_url=URL, **fetched)
    for raw in (*pages, *shared, alone):
        results.save(connection, [processed(raw, Rejection(reason="soft_404"))], 1)
    for table in (b"captures", b"raw_pages"):
        connection.execute(b"update rasid." + table + b" set captured_on = %s", [DAY])
    partitions.roll(connection, "captures")
    work = tmp_path / "work"
    order = Order(address=str(tmp_path / "files"), before=AFTER, work=work)
    list(run.run(connection, order, lambda _done: None))

    planned = purges.plan(connection, [], [URL], copies=False)
    assert len(planned.pages) == 2
    purges.forbid(connection, planned.keys, "test")
    written: list[int] = []
    places = archives.places

    def meanwhile(*asked: Any) -> Sequence[archives.Place]:
        found = places(*asked)
        written.append(archiver_purge.rewrite(connection, planned.pages, work, print))
        return found

    monkeypatch.setattr(archives, "places", meanwhile)
    assert reader.archived(connection, pages[0].capture_sha256, DAY) == pages[0].body
    monkeypatch.undo()
    assert written == [1, 0]
    purges.purge(connection, planned, "test")

    (file,) = archives.files(connection)
    assert (file.captures_count, file.pages_count, file.revisits_count) == (21, 21, 0)
    name = f"rasid-2026-03-04-00001-{archives.mark(connection)}-r1"
    assert sorted(path.name for path in (tmp_path / "files").iterdir()) == [
        f"{name}.cdxj",
        f"{name}.warc.gz",
    ]
    index = (tmp_path / "files" / f"{name}.cdxj").read_text()
    assert URL not in index
    for raw in (*pages, shared[1]):
        assert reader.body(connection, raw.capture_sha256, DAY) == raw.body
    assert reader.body(connection, alone.capture_sha256) is None


def test_a_page_that_came_again_goes_from_all_days(connection: Connection, tmp_path: Path) -> None:
    """The archive has it of the day it first came, and the database of the day it came again."""
    raw = page(MARK, requested_url=URL, status=200, fetched_at=datetime(2026, 3, 4, tzinfo=UTC))
    other = page("other", requested_url="https://z.example/1")
    items = [processed(one, Rejection(reason="soft_404")) for one in (raw, other)]
    results.save(connection, items, 1)
    for table in (b"captures", b"raw_pages"):
        connection.execute(b"update rasid." + table + b" set captured_on = %s", [DAY])
    partitions.roll(connection, "captures")
    order = Order(address=str(tmp_path / "files"), before=AFTER, work=tmp_path / "work")
    list(run.run(connection, order, lambda _done: None))
    results.save(connection, items[:1], 1)
    assert captures.body(connection, raw.capture_sha256) == raw.body

    planned = purges.plan(connection, [], [URL], copies=False)
    purges.forbid(connection, planned.keys, "test")
    assert archiver_purge.rewrite(connection, planned.pages, tmp_path / "work", print) == 1
    purges.purge(connection, planned, "test")
    assert reader.body(connection, raw.capture_sha256) is None
    assert reader.body(connection, other.capture_sha256, DAY) == other.body
    for path in (tmp_path / "files").glob("*.cdxj"):
        assert URL not in path.read_text()


def test_the_command(connection: Connection, settings: Settings, tmp_path: Path) -> None:
    """It shows what would go, goes with --yes, and takes what waits on the queue along."""
    fill(connection)
    known = RawPage(body=f"gone {MARK}".encode(), origin="test", requested_url=URL)
    queue = Queue(settings)
    queue.publish([known], "live")

    def rasid(*arguments: str) -> str:
        addresses = {
            **environment(settings),
            "RASID_STATE": str(tmp_path),
        }
        done = subprocess.run(
            [sys.executable, "-P", "-m", "services.cli", "purge", *arguments],
            cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), **addresses},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.stdout + done.stderr

    told = json.loads(rasid(URL, "--json"))
    assert (told["purged"], told["pages"], told["dead_letters"], told["versions"]) == (
        False, 4, 1, 1,
    )  # fmt: skip
    assert [one["url"] for one in told["copies"]] == ["https://b.example/copy"]
    assert rows_with(connection, URL)
    assert "neither an address" in rasid("nonsense")
    left = tmp_path / "archive" / archives.mark(connection) / "rasid-2026-03-04-00001.warc.gz"
    left.parent.mkdir(parents=True)
    left.write_text(MARK)
    with prune.alone(connection):
        assert "in a moment" in rasid(URL, "--yes")
    assert rows_with(connection, URL)
    connection.execute(
        b"insert into rasid.archive_files (captured_on, folder, name, first_sha256, last_sha256,"
        b" captures_count, pages_count, revisits_count, left_count, size_bytes, file_sha256,"
        b" index_sha256) select captured_on, '/nowhere', 'x.warc.gz', '', %s, 1, 1, 0, 0, 1, '', ''"
        b" from rasid.raw_pages limit 1",
        [b"\xff" * 33],
    )
    assert "nothing was removed from the database: run it again" in rasid(URL, "--yes")
    assert rows_with(connection, URL)
    connection.execute(b"delete from rasid.archive_files")
    assert "Removed" in rasid(URL, "--reason", "order 7", "--yes")
    assert "It was purged before" in rasid(URL)
    assert not left.exists(), "what a killed archive has left"
    assert rows_with(connection, URL) == {}
    assert sum(queue.depth().pages.values()) == 0
    assert quotations.of_article(connection, 1) == []
