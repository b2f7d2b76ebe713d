"""`rasid archive`: old bodies move into WARC files that any tool reads, and none is lost."""

import gzip
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import s3fs
from fastwarc.warc import ArchiveIterator, WarcRecordType

from services.archiver import index, places, purge, reader, records, run
from services.archiver.run import Order
from services.importer import files as importer_files
from services.importer.read import read
from services.shared import compression
from services.shared.contracts import DeadLetter, RawPage, Rejection
from services.shared.errors import RasidError
from services.storage import (
    Connection,
    archives,
    captures,
    connect,
    dead_letters,
    partitions,
    purges,
    replay_pages,
    replays,
    results,
)
from services.storage.migrate import migrate
from tests.factories import page, processed
from tests.kills import killed_at
from tests.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
DAY = date(2026, 3, 4)
LATER = date(2026, 3, 5)
AFTER = date(2026, 3, 6)
#: Serves a store of objects on a port that is free, and prints it once it does.
STORE = """
import time
from moto.server import ThreadedMotoServer
store = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
store.start()
print(store.get_host_and_port()[1], flush=True)
time.sleep(3600)
"""
HTML = "<html><body><p>نص الخبر رقم {}</p></body></html>"


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as connection:
        yield connection


def web(url: str, body: str, **fields: object) -> RawPage:
    values: dict[str, object] = {
        "requested_url": url,
        "final_url": url,
        "fetched_at": datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
        "status": 200,
        "headers": {"content-type": "text/html; charset=utf-8", "content-encoding": "gzip"},
        **fields,
    }
    return page(body, **values)


def save(connection: Connection, *pages: RawPage) -> None:
    items = [processed(raw, Rejection(reason="soft_404")) for raw in pages]
    results.save(connection, items, 1)


def move(connection: Connection, day: date) -> None:
    """Have what came today have come on another day."""
    for table in ("captures", "raw_pages"):
        statement = f"update rasid.{table} set captured_on = %s where captured_on >= %s"
        connection.execute(statement.encode(), [day, AFTER])
    partitions.roll(connection, "captures")


def fill(connection: Connection, count: int = 40) -> list[RawPage]:
    """A day with pages of the web and of files, and with bodies that several of them share."""
    pages = [web(f"https://www.a.example/News/{n}?b=2&a=1", HTML.format(n)) for n in range(count)]
    pages += [
        web("https://b.example/same", HTML.format(0)),
        web("https://c.example/same\r\nX: y", HTML.format(0), headers={"server": "a\r\nb"}),
        page("plain text", requested_url=None, origin="seeds/000.txt"),
        web("https://d.example/gone", "gone", status=410, headers={}),
        web("https://d.example/empty", ""),
    ]
    for first in range(0, len(pages), 10):
        save(connection, *pages[first : first + 10])
    return pages


def archive(connection: Connection, to: Path | str, **options: object) -> list[run.Done]:
    with tempfile.TemporaryDirectory() as work:
        values: dict[str, object] = {"before": AFTER, "work": Path(work)}
        order = Order(address=str(to), **{**values, **options})  # type: ignore[arg-type]
        return list(run.run(connection, order, lambda _done: None))


def test_days_move_into_files(connection: Connection, tmp_path: Path) -> None:
    """Every body is found by its page after its day is dropped, and by its hash alone."""
    pages = fill(connection)
    move(connection, DAY)
    save(connection, web("https://a.example/today", "today"))
    (done,) = archive(connection, tmp_path, file_bytes=5_000)

    assert (done.captures, done.dropped, done.files > 2) == (43, True, True)
    assert captures.days(connection, AFTER) == []
    assert list(connection.execute(b"select count(*) from rasid.captures")) == [(1,)]
    for raw in pages:
        assert captures.body(connection, raw.capture_sha256, DAY) is None
        for day in (DAY, LATER, None):
            assert reader.body(connection, raw.capture_sha256, day) == raw.body
    assert reader.body(connection, b"no such hash") is None
    assert archive(connection, tmp_path) == []
    replay, _ = replays.begin(connection, replays.Choice(reasons=("soft_404",)))
    waiting = replay_pages.next_pages(connection, replay.id, after=0, limit=99, body=reader.body)
    again = [page.message.body for page in waiting if isinstance(page.message, RawPage)]
    assert sorted(again) == sorted([*(raw.body for raw in pages), b"today"])


def test_standard_tools_read_it(connection: Connection, tmp_path: Path) -> None:
    """Each record is a gzip member with right digests; the index is sorted and tells each place."""
    pages = fill(connection)
    move(connection, DAY)
    archive(connection, tmp_path)

    (warc,) = tmp_path.glob("*.warc.gz")
    assert warc.name == f"rasid-2026-03-04-00001-{archives.mark(connection)}.warc.gz"
    kinds, found = [], {}
    with warc.open("rb") as file:
        for record in ArchiveIterator(file, parse_http=False):
            kinds.append(record.headers["WARC-Type"])
            assert record.verify_block_digest()
            if record.is_http:
                record.parse_http()
            if record.record_type in (WarcRecordType.response, WarcRecordType.resource):
                assert record.verify_payload_digest() or not record.http_headers
                body = record.reader.read()
                found[record.headers["WARC-Target-URI"]] = (record.http_headers, body)
    assert Counter(kinds) == {"warcinfo": 1, "response": 42, "resource": 1, "revisit": 2}
    headers, body = found["https://www.a.example/News/7?b=2&a=1"]
    assert (headers.status_code, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert (headers.get("Content-Encoding"), body) == (None, pages[7].body)

    lines = (tmp_path / index.name_of(warc.name)).read_bytes().splitlines()
    assert lines == sorted(lines)
    assert len(lines) == len(pages)
    key, at, rest = lines[0].decode().split(" ", 2)
    assert (key, at) == ("com,example" if key == "" else key, "20260304050607")
    assert any(line.startswith(b"example,a)/news/7?a=1&b=2 20260304050607 {") for line in lines)
    for line in lines:
        entry = json.loads(line.split(b" ", 2)[2])
        member = warc.read_bytes()[int(entry["offset"]) :][: int(entry["length"])]
        assert f"WARC-Target-URI: {entry['url']}\r\n".encode() in gzip.decompress(member)
    assert b"\r\nX: y" not in gzip.decompress(warc.read_bytes())
    assert rest


def test_the_importer_reads_it(connection: Connection, tmp_path: Path) -> None:
    """A file of the archive can be imported, here or elsewhere: the same bytes, address, time."""
    pages = fill(connection)
    move(connection, DAY)
    archive(connection, tmp_path)
    (warc,) = importer_files.find(list(tmp_path.glob("*.warc.gz")))
    outcomes = [found.outcome for found in read(warc, max_body_bytes=1_000_000)]  # type: ignore[arg-type]
    again = {one.requested_url: one for one in outcomes if isinstance(one, RawPage)}

    for raw in pages[1:40]:
        read_back = again[raw.requested_url]
        assert (read_back.body, read_back.status) == (raw.body, 200)
        assert read_back.fetched_at == raw.fetched_at
        assert read_back.headers["content-type"] == "text/html; charset=utf-8"


def test_what_is_needed_stays(connection: Connection, tmp_path: Path) -> None:
    """Bodies of dead letters stay in the database; what came again later is not written twice."""
    letter = web("https://a.example/bad", "bad")
    results.save(connection, [processed(letter, DeadLetter(reason="error"))], 1)
    again = web("https://a.example/again", "again")
    save(connection, again, web("https://a.example/lost", "lost"))
    move(connection, DAY)
    save(connection, again)  # its page is of today now, and the body of both days
    connection.execute(b"delete from rasid.raw_pages where requested_url like '%lost'")
    archive(connection, tmp_path)

    (file,) = archives.files(connection)
    assert (file.captures_count, file.pages_count, file.left_count) == (2, 1, 1)
    assert dead_letters.raw_page(connection, letter.id) == letter
    assert captures.body(connection, again.capture_sha256) == again.body
    lost = web("https://a.example/lost", "lost")
    assert reader.body(connection, lost.capture_sha256) == b"lost"


def test_nothing_is_dropped_unless_it_is_there(connection: Connection, tmp_path: Path) -> None:
    """A file that is damaged, lacks a record or is gone keeps its day in the database."""
    fill(connection)
    move(connection, DAY)

    class Damaging(places.Folder):
        def put(self, file: Path, name: str) -> None:
            data = bytearray(file.read_bytes())
            if name.endswith(".warc.gz"):
                del data[-200:]
            file.write_bytes(data)
            super().put(file, name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "open_place", lambda address: Damaging(Path(address)))
        with pytest.raises((RasidError, OSError)):
            archive(connection, tmp_path)
    assert archives.files(connection) == []

    connection.execute(b"update rasid.captures set body = %s where sha256 in ("
                       b"select sha256 from rasid.captures limit 1)", [b"broken"])  # fmt: skip
    with pytest.raises(RasidError, match="is broken"):
        archive(connection, tmp_path)
    assert captures.days(connection, AFTER) == [DAY]


def test_what_is_stored_late_is_waited_for(
    connection: Connection, database_url: str, tmp_path: Path
) -> None:
    """A page of that day whose saver commits while the day is about to go is not lost."""
    save(connection, web("https://a.example/1", "one"))
    move(connection, DAY)
    late = web("https://a.example/late", "late")
    add = b"insert into rasid.captures (captured_on, sha256, body) values (%s, %s, %s)"
    values = [DAY, late.capture_sha256, compression.compress(late.body)]
    waits = b"select from pg_stat_activity where wait_event_type = 'Lock' and pid = %s"
    with (
        ThreadPoolExecutor(1) as pool,
        connect(database_url) as saver,
        connect(database_url) as other,
    ):
        with saver.transaction():
            saver.execute(add, values)
            archiving = pool.submit(archive, other, tmp_path)
            while not connection.execute(waits, [other.info.backend_pid]).fetchall():
                assert not archiving.done()
        with pytest.raises(RasidError, match="1 bodies and 0 pages are in no file"):
            archiving.result(PATIENCE_S)
    assert captures.body(connection, late.capture_sha256) == late.body
    (done,) = archive(connection, tmp_path, anew=True)
    assert done.dropped
    assert reader.body(connection, late.capture_sha256) == late.body


def test_a_folder_below_home(
    connection: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files are written to where they are read from, also where no shell has read the address."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    raw = web("https://a.example/1", "one")
    save(connection, raw)
    move(connection, DAY)
    archive(connection, "~/archive")
    assert (tmp_path / "home" / "archive").is_dir()
    assert reader.body(connection, raw.capture_sha256) == raw.body


def test_files_that_vanished_are_written_anew(connection: Connection, tmp_path: Path) -> None:
    """A file of a day that is still there is removed between two runs: it is written again."""
    pages = fill(connection)
    move(connection, DAY)

    def stop(_connection: Connection, _day: date) -> int:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archives, "drop", stop)
        with pytest.raises(KeyboardInterrupt):
            archive(connection, tmp_path, file_bytes=5_000)
    first = sorted(tmp_path.glob("*.warc.gz"))
    assert len(first) > 2
    first[1].unlink()
    archive(connection, tmp_path, file_bytes=5_000)
    for raw in pages:
        assert reader.body(connection, raw.capture_sha256, DAY) == raw.body


@pytest.fixture
def objects(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A store of objects with an empty bucket, and what its tools look for in the environment."""
    server = subprocess.Popen(
        [sys.executable, "-c", STORE], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert server.stdout
    port = int(server.stdout.readline())
    for name, value in {
        "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "archivist",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    try:
        s3fs.S3FileSystem.clear_instance_cache()
        s3fs.S3FileSystem().mkdir("news")
        yield
    finally:
        s3fs.S3FileSystem.clear_instance_cache()
        server.kill()
        server.communicate()


@pytest.mark.usefixtures("objects")
def test_a_store_of_objects(
    connection: Connection, database_url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """In a bucket files are written, verified, read and written anew as in a folder."""
    pages = fill(connection, 5)
    move(connection, DAY)
    (done,) = archive(connection, "s3://news/archive/", file_bytes=2_000)
    assert (done.dropped, done.captures) == (True, 8)
    for raw in pages:
        assert reader.body(connection, raw.capture_sha256, DAY) == raw.body
    names = [f"news/archive/{file.name}" for file in archives.files(connection)]
    names += [index.name_of(name) for name in names]
    assert sorted(s3fs.S3FileSystem().ls("s3://news/archive", refresh=True)) == sorted(names)

    planned = purges.plan(connection, [], [pages[1].requested_url or ""], copies=False)
    purges.forbid(connection, planned.keys, "asked")
    assert purge.rewrite(connection, planned.pages, tmp_path, lambda _: None) == 1
    purges.purge(connection, planned, "asked")
    assert reader.body(connection, pages[1].capture_sha256) is None
    assert reader.body(connection, pages[2].capture_sha256, DAY) == pages[2].body
    left = s3fs.S3FileSystem().ls("s3://news/archive", refresh=True)
    assert [name.count("-r1.") for name in sorted(left)].count(1) == 2

    s3fs.S3FileSystem().rm(left)
    with pytest.raises(RasidError, match="s3://news/archive: rasid-2026-03-04-"):
        reader.body(connection, pages[2].capture_sha256, DAY)
    told = subprocess.run(
        [sys.executable, "-P", "-m", "services.cli", "explain", pages[2].requested_url or ""],
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "DATABASE_URL": database_url},
        capture_output=True,
        text=True,
    )
    assert "rasid-2026-03-04-" in told.stderr
    assert "secret" not in told.stdout + told.stderr + "".join(capfd.readouterr())


def archive_all(address: str, order: Order) -> None:
    """Archive as the command does."""
    with connect(address) as connection:
        list(run.run(connection, order, lambda _done: None))


@pytest.mark.slow
def test_killed_anywhere(connection: Connection, database_url: str, tmp_path: Path) -> None:
    """Killed before any step: each body is there at once; run again, exactly once in the files."""
    number, pages_count, steps = 0, 0, 1
    while True:
        day = DAY + timedelta(days=number)
        pages = [web(f"https://{n}.example/{number}", f"{number} {n}") for n in range(4)]
        save(connection, *pages)
        before = day + timedelta(days=1)
        for table in (b"captures", b"raw_pages"):
            new = b" set captured_on = %s where captured_on >= current_date - 1"
            connection.execute(b"update rasid." + table + new, [day])
        partitions.roll(connection, "captures")
        pages_count += len(pages)
        # Two pages a file.
        order = Order(
            address=str(tmp_path / "files"), before=before, work=tmp_path / "work", file_bytes=1500
        )
        killed = killed_at(steps, tmp_path, connection, archive_all, database_url, order)

        where = f"killed at step {steps}"
        for raw in pages:
            assert reader.body(connection, raw.capture_sha256, day) == raw.body, where
        list(run.run(connection, order, lambda _done: None))
        assert captures.days(connection, before) == [], where
        held = [file for file in archives.files(connection) if file.captured_on == day]
        assert len(held) > 1
        assert sum(file.captures_count for file in held) == len(pages), where
        for raw in pages:
            assert reader.archived(connection, raw.capture_sha256, day) == raw.body, where
        assert not order.work.exists()
        number, steps = number + 1, steps + 3
        if not killed:
            break
    assert number > 20, "it was never killed in the middle"
    noted = {file.name for file in archives.files(connection)}
    assert {path.name for path in (tmp_path / "files").glob("*.warc.gz")} == noted


def test_the_command(connection: Connection, database_url: str, tmp_path: Path) -> None:
    """It tells what it would do, does it with --yes, and explain and trace read the archive."""
    fill(connection, 3)
    move(connection, DAY)

    def rasid(*arguments: str, **more: str) -> str:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "services.cli", *arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "DATABASE_URL": database_url,
                 "RASID_STATE": str(tmp_path / "state"), **more},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.stdout + done.stderr

    assert "Nothing was written" in rasid("archive")
    assert "Today's (UTC) are never archived" in rasid("archive", "--before", "2026-03-04")
    assert json.loads(rasid("archive", "--json"))["captures"] == 6
    assert "where to?" in rasid("archive", "--yes")
    with pytest.raises(RasidError, match="password"):
        places.open_place("ftp://me:secret@host/x")
    told = rasid("prune", RASID_ARCHIVE=str(tmp_path))
    assert "the archive" in told
    assert "verified and dropped" in rasid("archive", "--yes", "--to", str(tmp_path / "warc"))
    url = "https://www.a.example/News/1?b=2&a=1"
    assert "نص الخبر رقم 1" in rasid("explain", url, "--all")
    assert f"rasid-2026-03-04-00001-{archives.mark(connection)}.warc.gz" in rasid(
        "trace", url
    ).replace("\n", "")


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("https://www.Example.com/", "com,example)/"),
        ("http://example.com:8080/A/b?z=1&A=2", "com,example:8080)/a/b?a=2&z=1"),
        ("https://192.0.2.7//x/", "7,2,0,192)/x"),
        ("urn:sha256:00", "urn:sha256:00"),
    ],
)
def test_keys(url: str, key: str) -> None:
    """An address is indexed under the key that standard tools look it up by."""
    assert records.key_of(url) == key


def test_found_in_an_index(tmp_path: Path) -> None:
    """Each key of an index is found, however many lines have it, and no other is."""
    keys = [f"example,a)/{n:03}" for n in range(200) for _ in range(1 + n % 3)]
    lines = [f'{key} 20260101000000 {{"n": "{place}"}}\n' for place, key in enumerate(keys)]
    path = tmp_path / "a.cdxj"
    path.write_bytes(index.sort(lines))
    with path.open("rb") as file:
        for key in sorted(set(keys)):
            assert len(list(index.find(file, key))) == keys.count(key), key
        for key in ("example,a)/0005", "", "zzz", "example,a)/"):
            assert list(index.find(file, key)) == []


def test_import_brings_all_pages_back(connection: Connection, tmp_path: Path) -> None:
    """Those of files and those that share a body too; with ids, addresses, times, headers.

    Archived once more, they are what they were the first time.
    """
    fetched = datetime(2026, 3, 4, 5, 6, 7, 890_000, tzinfo=UTC)
    fill(connection)
    more = [
        web("https://e.example/خبر", "<p>خبر</p>", final_url="https://e.example/2?q=خبر",
            source="e", feed_url="https://e.example/rss", fetched_at=fetched),
        web("https://e.example/other", "<p>خبر</p>", final_url=None, fetched_at=fetched,
            headers={"content-type": "text/html", "x-robots-tag": "noarchive"}),
        page("plain text", requested_url=None, final_url=None, origin="seeds/001.txt"),
        page("plain text", requested_url="https://f.example/1", origin="lines.jsonl#4"),
    ]  # fmt: skip
    save(connection, *more)
    query = b"""
        select id, requested_url, final_url, coalesce(fetched_at, processed_at), status, source,
            feed_url, origin, headers - 'content-encoding', encode(capture_sha256, 'hex')
        from rasid.raw_pages order by id
    """
    was = connection.execute(query).fetchall()
    move(connection, DAY)
    archive(connection, tmp_path)

    (path,) = tmp_path.glob("*.warc.gz")
    (file,) = importer_files.find([path])
    assert isinstance(file, importer_files.File)
    outcomes = [found.outcome for found in read(file, max_body_bytes=10_000)]
    pages = [one for one in outcomes if isinstance(one, RawPage)]
    found = sorted(
        (raw.id, raw.requested_url, raw.final_url, raw.fetched_at or raw.received_at, raw.status,
         raw.source, raw.feed_url, raw.origin, raw.headers,
         raw.capture_sha256.hex())
        for raw in pages
    )  # fmt: skip
    odd = [row for row in was if "\r" in str(row[1])]  # no header line can hold that address
    assert len(odd) == 1
    same = [row for row in found if row in was]
    assert (len(same), len(found)) == (len(was) - 1, len(was))
    assert len(outcomes) == len(pages) + 1  # the record that opens the file
    # What was begun goes on in the middle, though the body was before it.
    late = [one.outcome for one in read(file, max_body_bytes=10_000, after=len(outcomes) // 2)]
    assert late == outcomes[len(outcomes) // 2 :]

    connection.execute(b"truncate rasid.raw_pages, rasid.captures, rasid.archive_files cascade")
    save(connection, *pages)
    move(connection, DAY)
    archive(connection, tmp_path / "again")
    (path,) = (tmp_path / "again").glob("*.warc.gz")
    (file,) = importer_files.find([path])
    assert isinstance(file, importer_files.File)
    again = [found.outcome for found in read(file, max_body_bytes=10_000)]
    kept = [one for one in again if isinstance(one, RawPage)]
    assert sorted(kept, key=lambda one: one.id) == sorted(pages, key=lambda one: one.id)


def test_two_databases_share_a_folder(
    connection: Connection, empty_database_url: str, tmp_path: Path
) -> None:
    """One that is archived from the same state directory to the same folder changes no file.

    Neither while the other's file is being made, nor after it was verified.
    """
    migrate(empty_database_url)
    order = Order(address=str(tmp_path / "files"), before=AFTER, work=tmp_path / "work")
    with connect(empty_database_url) as other:
        pages = {}
        for one, name in ((connection, "a"), (other, "b")):
            pages[name] = [web(f"https://{name}.example/{n}", f"{name}{n}" * 99) for n in range(9)]
            save(one, *pages[name])
            move(one, DAY)

        def meanwhile(_done: run.Done) -> None:
            if not archives.files(other):
                list(run.run(other, order, lambda _: None))

        frozen = replace(order, file_bytes=1000)
        list(run.run(connection, frozen, meanwhile))
        for one, name in ((connection, "a"), (other, "b")):
            for raw in pages[name]:
                assert reader.archived(one, raw.capture_sha256, DAY) == raw.body
    assert not order.work.exists()
