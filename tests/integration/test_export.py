"""`rasid export`: whole files of one moment, whatever interrupts them."""

import fcntl
import gzip
import io
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from services.exporter import run as exporter
from services.exporter.progress import Progress
from services.exporter.run import Order, run
from services.exporter.target import target_of
from services.shared import compression
from services.shared.errors import NotMigrated, RasidError
from services.storage import Connection, articles, connect, queries
from services.storage.export import Selection, open_for_reading
from tests.factories import at, stored

ROOT = Path(__file__).resolve().parents[2]
FILL = """
    insert into rasid.articles (
        normalized_url_sha256, normalized_url, url, source, title, text, authors, language,
        published_at, tags, labels, captions, comments, witnesses, text_sha256, content_sha256,
        extractor_version, page_id, capture_sha256, origin, observed_at, created_at
    )
    select
        sha256(n::text::bytea), 'a.example/' || n, 'https://a.example/' || n,
        null, 'خبر "' || n || E'"\\n\\\\', repeat('نص ' || n || ' ', 40), array['كاتب', 'b,c'],
        case when n %% 2 = 0 then 'ar' else 'en' end,
        timestamptz '2026-01-01' + n * interval '1 minute' + interval '123456 microseconds',
        '{}', '{}', '{}', '[{"text": "x", "author": null}]', '{"title": "meta"}',
        sha256(n::text::bytea), sha256(n::text::bytea), 1, 'p' || n, '', 'test', now(), now()
    from generate_series(1, %s) as n
"""
CHANGE = b"""
    insert into rasid.changes (position, kind, article_id, occurred_at)
    values (%s, 'created', 1, now())
"""
FORMS = ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "a.parquet", "a/"]
#: Exports until so many articles were read, then is killed as the machine would.
KILLED = """
import os, signal, sys
from services.exporter import run as exporter
from services.exporter.target import target_of
from services.storage import connect
from services.storage.export import Selection

url, path, until = sys.argv[1], sys.argv[2], int(sys.argv[3])
exporter.CHUNK_ROWS = 700

def report(progress):
    if progress.articles >= until:
        os.kill(os.getpid(), signal.SIGKILL)

if len(sys.argv) > 4:  # at its very end
    report = lambda progress: None
    setattr(*{
        "before": (exporter, "_publish", lambda *_: os.kill(os.getpid(), signal.SIGKILL)),
        "amidst": (exporter, "_leave", lambda *_: os.kill(os.getpid(), signal.SIGKILL)),
    }[sys.argv[4]])
order = exporter.Order(
    target=target_of(path), selection=Selection(), part_rows=900,
    resume=os.path.exists(path + ".part"),
)
exporter.run(connect(url), order, stdout=sys.stdout.buffer, report=report)
"""


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as connection:
        yield connection


def fill(connection: Connection, count: int) -> None:
    connection.execute(FILL.encode(), (count,))


def export(
    connection: Connection,
    path: Path | str,
    *,
    report: Callable[[Progress], None] = lambda _: None,
    stdout: io.BytesIO | None = None,
    **options: Any,
) -> Progress:
    """Export to a path; `options` are those of Order and Selection."""
    mine = {key: options.pop(key) for key in ("resume", "force", "part_rows") if key in options}
    target = target_of(str(path), options.pop("form", None))
    order = Order(target=target, selection=Selection(**options), **mine)
    return run(connection, order, stdout=stdout or io.BytesIO(), report=report)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def content(path: Path) -> bytes | list[tuple[Any, ...]]:
    """Return what must not change: bytes of JSON lines, rows of Parquet."""
    if path.suffix == ".parquet" or path.is_dir():
        where = f"{path}/*.parquet" if path.is_dir() else str(path)
        with duckdb.connect() as duck:
            return duck.execute(f"select * from read_parquet('{where}')").fetchall()
    return path.read_bytes()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_line_is_a_row_of_the_view(connection: Connection, tmp_path: Path) -> None:
    """Each line has the columns of media.articles in their order; lines come by id."""
    fill(connection, 1200)
    summary = export(connection, tmp_path / "a.jsonl")
    exported = lines(tmp_path / "a.jsonl")

    assert summary.articles == 1200
    assert exported == sorted(articles.listing(connection), key=lambda row: int(str(row["id"])))
    assert list(exported[0])[:4] == ["id", "url", "normalized_url", "source"]
    assert not (tmp_path / "a.jsonl.part").exists()


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst"])
def test_compressed_by_name(
    connection: Connection, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ending decides; programs read the chunks of a file as one."""
    monkeypatch.setattr(exporter, "CHUNK_ROWS", 500)
    fill(connection, 1200)
    export(connection, tmp_path / "a.jsonl")
    export(connection, tmp_path / name)
    plain = (tmp_path / "a.jsonl").read_bytes()

    if name.endswith("gz"):
        assert gzip.decompress((tmp_path / name).read_bytes()) == plain
    else:
        assert compression.decompress((tmp_path / name).read_bytes()) == plain
    with duckdb.connect() as duck:
        counted = duck.execute(f"select count(*) from '{tmp_path / name}'").fetchone()
    assert counted == (1200,)


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("step", ["_check", "flock"])
def test_another_is_quicker(
    connection: Connection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    *,
    resume: bool,
) -> None:
    """Who looked before another export ended neither replaces what it wrote nor goes on."""
    fill(connection, 3)
    path = tmp_path / "a.jsonl"
    if resume:
        (tmp_path / "a.jsonl.part").mkdir()
    where = exporter if step == "_check" else fcntl
    real = getattr(where, step)

    def overtaken(*arguments: Any) -> None:
        monkeypatch.setattr(where, step, real)
        if step == "_check":
            real(*arguments)
        export(connection, path, language="ar", force=True)
        if step == "flock":
            real(*arguments)

    monkeypatch.setattr(where, step, overtaken)
    with pytest.raises(RasidError, match=r"there already|nothing to resume|another export"):
        export(connection, path, resume=resume)

    assert {line["language"] for line in lines(path)} == {"ar"}
    assert names(tmp_path) == ["a.jsonl"]


def test_types_of_parquet(connection: Connection, tmp_path: Path) -> None:
    """Numbers, times in UTC, lists and JSON have types of their own, and lose nothing."""
    fill(connection, 3)
    connection.execute(CHANGE, (42,))
    export(connection, tmp_path / "a.parquet")
    export(connection, tmp_path / "a.jsonl")
    with duckdb.connect() as duck:
        duck.execute("set timezone = 'UTC'")
        query = f"from '{tmp_path / 'a.parquet'}'"
        kinds = {name: kind for name, kind, *_ in duck.execute(f"describe {query}").fetchall()}
        ((one, text, authors, witness),) = duck.execute(
            "select published_at, epoch_us(published_at), authors, witnesses ->> 'title' "
            f"{query} where id = 2"
        ).fetchall()
        text_of = dict(duck.execute(f"select id, title {query}").fetchall())
        told = dict(
            duck.execute(
                f"select key, value from parquet_kv_metadata('{tmp_path / 'a.parquet'}')"
            ).fetchall()
        )

    assert {kinds[name] for name in ("published_at", "created_at")} == {"TIMESTAMP WITH TIME ZONE"}
    assert (kinds["id"], kinds["version"], kinds["authors"]) == ("BIGINT", "INTEGER", "VARCHAR[]")
    assert (kinds["witnesses"], kinds["comments"]) == ("JSON", "JSON")
    assert one == datetime(2026, 1, 1, 0, 2, 0, 123456, tzinfo=UTC)
    assert text == int(datetime(2026, 1, 1, 0, 2, tzinfo=UTC).timestamp()) * 1_000_000 + 123456
    assert (authors, witness) == (["كاتب", "b,c"], "meta")
    assert text_of == {row["id"]: row["title"] for row in lines(tmp_path / "a.jsonl")}
    assert told[b"rasid_feed_position"] == b"42"


@pytest.mark.parametrize("name", FORMS)
def test_nothing_to_export(connection: Connection, tmp_path: Path, name: str) -> None:
    """An empty store gives an empty file that readers take."""
    export(connection, f"{tmp_path}/{name}")
    path = tmp_path / name
    found = content(path)
    ways: dict[str, Callable[[bytes], bytes]] = {
        ".gz": gzip.decompress,
        ".zst": compression.decompress,
    }
    unpack = ways.get(path.suffix, bytes)

    assert (unpack(found) if isinstance(found, bytes) else bytes(len(found))) == b""
    if isinstance(found, list):
        file = path / "part-000001.parquet" if path.is_dir() else path
        with duckdb.connect() as duck:
            assert len(duck.execute(f"describe from '{file}'").fetchall()) > 20


def test_filters(connection: Connection) -> None:
    """Source, language, time and distinct each leave out what they say, together too."""
    from services.storage import results

    first = stored("https://a.example/1", "one", language="ar", published_at=at(3))
    copy = stored("https://a.example/2", "one", hour=2, language="ar", published_at=at(5))
    undated = stored("https://a.example/3", "three", hour=3, language="en")
    for item in (first, copy, undated):
        results.save(connection, [item], 1)

    def ids(**options: Any) -> list[int]:
        out = io.BytesIO()
        export(connection, "-", stdout=out, columns=("id",), **options)
        return [json.loads(line)["id"] for line in out.getvalue().splitlines()]

    assert ids() == [1, 2, 3]
    assert ids(language="ar") == [1, 2]
    assert ids(distinct=True) == [1, 3]
    assert ids(since=at(3)) == [1, 2]
    assert ids(before=at(5)) == [1]
    assert ids(since=at(3), before=at(3)) == []
    assert ids(since=at(0), time="created_at") == [1, 2, 3]
    assert ids(language="ar", distinct=True, since=at(4)) == []
    assert ids(source="nobody") == []
    assert ids(query="one") == [1, 2]
    assert ids(query="three -one") == [3]
    assert ids(query="one", distinct=True, language="ar") == [1]
    assert ids(query="three", language="ar") == []
    assert ids(query="") == []


def test_a_query_uses_the_index(connection: Connection) -> None:
    """What a query finds is looked up by id; the store is not read from end to end."""
    fill(connection, 5000)
    connection.execute(b"select rasid.index_articles(array_agg(id)) from rasid.articles")
    connection.execute(b"analyze rasid.articles, rasid.article_search")
    statement = (
        b"explain select * from media.articles as a where a.id > 0 and a.id <= 9999 and "
        + queries("export").that_match
        + b" order by a.id"
    )
    asked = psycopg.ClientCursor(connection).mogrify(statement.decode(), {"asked": "'4321'"})
    plans = [line for (line,) in connection.execute(asked.encode())]
    assert any("Index Scan using articles_pkey" in str(line) for line in plans), plans
    assert any("article_search_words" in str(line) for line in plans), plans


def test_chosen_columns(connection: Connection, tmp_path: Path) -> None:
    """Columns come in the order asked for; one that is not there is named."""
    fill(connection, 1)
    export(connection, tmp_path / "a.jsonl", columns=("title", "id"))
    assert (tmp_path / "a.jsonl").read_text("utf-8").startswith('{"title":')
    assert set(lines(tmp_path / "a.jsonl")[0]) == {"title", "id"}
    with pytest.raises(RasidError, match=r"no column 'titel'.* title,"):
        export(connection, tmp_path / "b.jsonl", columns=("titel",))
    assert not (tmp_path / "b.jsonl.part").exists()


def test_one_moment(connection: Connection, database_url: str, tmp_path: Path) -> None:
    """What is written while an export runs is not in it."""
    fill(connection, 2000)
    connection.execute(CHANGE, (5,))

    def write(progress: Progress) -> None:
        if progress.articles == 500:
            with connect(database_url) as other:
                other.execute(b"update rasid.articles set title = 'new'")
                other.execute(CHANGE, (6,))
                other.execute(b"delete from rasid.articles where id = 1999")

    summary = export(connection, tmp_path / "a.jsonl", report=write)
    exported = lines(tmp_path / "a.jsonl")

    assert summary.feed_position == 5
    assert len(exported) == 2000
    assert "new" not in {row["title"] for row in exported}


@pytest.mark.parametrize("name", FORMS)
def test_killed_and_resumed(
    connection: Connection, database_url: str, tmp_path: Path, name: str
) -> None:
    """After kills at any point the finished export is the one of an uninterrupted run."""
    fill(connection, 3000)
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    program = [sys.executable, "-c", KILLED, database_url]

    def start(where: str, *arguments: str) -> int:
        command = [*program, str(tmp_path / where / name), *arguments]
        return subprocess.run(command, check=False, cwd=ROOT).returncode

    assert start("whole", "1000000") == 0
    for until in ("500", "1500", "2000", "2500"):
        assert start("killed", until) == -signal.SIGKILL
        assert not (tmp_path / "killed" / name).exists()
    assert start("killed", "0", "before") == -signal.SIGKILL
    if not name.endswith("/"):
        assert start("killed", "0", "amidst") == -signal.SIGKILL
    assert start("killed", "1000000") == 0

    assert content(tmp_path / "killed" / name) == content(tmp_path / "whole" / name)
    assert names(tmp_path / "killed") == [name.strip("/")]
    if name.endswith("/"):
        manifest = json.loads((tmp_path / "killed/a/export.json").read_text("utf-8"))
        assert manifest["articles"] == 3000
        assert len(manifest["parts"]) == 4
        assert names(tmp_path / "killed/a") == ["export.json", *manifest["parts"]]


def test_what_is_there_stays(connection: Connection, tmp_path: Path) -> None:
    """An output is replaced only with --force, and what is unfinished only where one says so."""
    fill(connection, 1500)

    def stop(_: Progress) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "a.jsonl"
    path.write_text("mine")
    with pytest.raises(RasidError, match="--force replaces it"):
        export(connection, path)
    with pytest.raises(RasidError, match="nothing to resume"):
        export(connection, path, resume=True)
    with pytest.raises(KeyboardInterrupt):
        export(connection, path, force=True, report=stop)
    assert path.read_text() == "mine"
    path.unlink()
    with pytest.raises(RasidError, match="--resume goes on with it"):
        export(connection, path)
    with pytest.raises(RasidError, match="begun with other options"):
        export(connection, path, resume=True, language="ar")
    with pytest.raises(RasidError, match="only one"):
        export(connection, path, resume=True, force=True)
    export(connection, path, resume=True)
    assert len(lines(path)) == 1500


def stopped(connection: Connection, path: Path) -> Path:
    """An export that was stopped after its first chunk; return its working folder."""

    def stop(progress: Progress) -> None:
        if progress.articles >= 11_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(connection, path, report=stop)
    return path.with_name(f"{path.name}.part")


def test_what_was_written_is_gone(connection: Connection, tmp_path: Path) -> None:
    """Where a part of what is to be gone on with was lost, the export says so."""
    fill(connection, 12_000)
    working = stopped(connection, tmp_path / "a.jsonl")
    os.truncate(working / "data", 1000)

    with pytest.raises(RasidError, match="--force"):
        export(connection, tmp_path / "a.jsonl", resume=True)


def test_resumed_on_another_database(connection: Connection, tmp_path: Path) -> None:
    """Articles of an older backup are not put behind those of what it replaced."""
    fill(connection, 12_000)
    connection.execute(CHANGE, (7,))
    stopped(connection, tmp_path / "a.jsonl")
    connection.execute(b"delete from rasid.changes")

    with pytest.raises(RasidError, match="--force"):
        export(connection, tmp_path / "a.jsonl", resume=True)


def test_a_reader_may_export(connection: Connection, database_url: str, tmp_path: Path) -> None:
    """Role rasid_reader is enough; for a query, which it is not, the message says so."""
    fill(connection, 3)
    with open_for_reading(database_url) as reader:
        reader.execute(b"set role rasid_reader")
        assert export(reader, tmp_path / "a.parquet", distinct=True, time="created_at").parts
        assert export(reader, tmp_path / "a.jsonl").articles == 3
        with pytest.raises(RasidError, match="needs the role that owns"):
            export(reader, tmp_path / "b.jsonl", query="one")


def test_a_database_that_cannot_be_read(
    connection: Connection, database_url: str, empty_database_url: str
) -> None:
    """No schema media, another version of it, or no right to it: the message says what to do."""
    with pytest.raises(NotMigrated, match="rasid migrate"):
        open_for_reading(empty_database_url)
    connection.execute(
        b"create or replace function media.schema_version() returns text language sql return '2.0'"
    )
    with pytest.raises(NotMigrated, match=r"version 2\.0"):
        open_for_reading(database_url)
    connection.execute(b"create role nobody_here login")
    nobody = database_url.replace("//rasid@", "//nobody_here@")
    try:
        with pytest.raises(RasidError, match="grant rasid_reader"):
            open_for_reading(nobody)
    finally:
        connection.execute(b"drop role nobody_here")


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
def test_a_full_disk(connection: Connection, database_url: str, tmp_path: Path, name: str) -> None:
    """What cannot be written ends in one line that says how to go on, and going on works."""
    fill(connection, 600)
    rasid = f"{sys.executable} -P -m services.cli export {tmp_path}/{name}"

    def shell(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", command],
            env={**os.environ, "PYTHONPATH": str(ROOT), "DATABASE_URL": database_url},
            capture_output=True,
            text=True,
            check=False,
        )

    failed = shell(f"ulimit -f 100; {rasid}")
    assert failed.returncode == 1
    assert failed.stderr.startswith("rasid: cannot write: File too large")
    assert "--resume goes on" in failed.stderr
    finished = shell(f"{rasid} --resume")
    assert finished.returncode == 0, finished.stderr
    assert "600 articles exported" in finished.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_is_cut_off(
    connection: Connection, database_url: str, tmp_path: Path, unbuffered: str
) -> None:
    """A stream that could not be written to its last byte ends with an error."""
    fill(connection, 10)
    out = tmp_path / "out.jsonl"
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": unbuffered}

    def stream(most_bytes: int) -> int:
        with out.open("wb") as file:
            return subprocess.run(
                [sys.executable, "-P", "-m", "services.cli", "export", "-"],
                env={**env, "DATABASE_URL": database_url},
                stdout=file,
                check=False,
                preexec_fn=lambda: resource.setrlimit(
                    resource.RLIMIT_FSIZE, (most_bytes, most_bytes)
                ),
            ).returncode

    assert stream(2**30) == 0
    whole = out.read_bytes()
    assert stream(len(whole) - 10) == 1
    assert whole.startswith(out.read_bytes())


def test_two_at_once(connection: Connection, database_url: str, tmp_path: Path) -> None:
    """A second export to the same path is refused while the first one runs."""
    fill(connection, 600)

    def second(_: Progress) -> None:
        with connect(database_url) as other, pytest.raises(RasidError, match="another export"):
            export(other, tmp_path / "a.jsonl", force=True)

    export(connection, tmp_path / "a.jsonl", report=second)
    assert len(lines(tmp_path / "a.jsonl")) == 600


def test_paths_that_cannot_be(connection: Connection, tmp_path: Path) -> None:
    """A name without a known format, a folder that is not there: said before anything is read."""
    for path, words in (
        (tmp_path / "a.csv", "name it .jsonl"),
        (tmp_path / "no" / "a.jsonl", "there is no folder"),
    ):
        with pytest.raises(RasidError, match=words):
            export(connection, path)
    (tmp_path / "b.jsonl.part").write_text("mine")
    with pytest.raises(RasidError, match="is in the way"):
        export(connection, tmp_path / "b.jsonl", force=True)
    with pytest.raises(RasidError, match="--format is one of"):
        export(connection, f"{tmp_path}/a/", form="csv")
    with pytest.raises(RasidError, match="cannot be resumed"):
        export(connection, "-", resume=True)
