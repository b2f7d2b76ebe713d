"""The `rasid` command as a person or a program uses it, on servers given by address."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.cli.session import environment
from tests.acceptance.conftest import Product
from tests.factories import page
from tests.patience import PATIENCE_S
from tests.roles import as_command

ROOT = Path(__file__).resolve().parents[2]
SEEDS = sorted((ROOT / "seeds").glob("*.txt"))
EXPECTED = json.loads((ROOT / "seeds" / "expected.json").read_text("utf-8"))

SENTENCES = "".join(
    f"<p>The council of the harbour town met for the {nth} time on the new bridge today.</p>"
    for nth in ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "last")
)


def rasid(
    *arguments: str, env: dict[str, str], stdin: bytes | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run the command with no environment but this, and with no rights but its own."""
    if arguments and env.get("DATABASE_URL", "").startswith("postgresql://rasid@/"):
        env = {**env, "DATABASE_URL": as_command(env["DATABASE_URL"], arguments[0])}
    keep = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-P", "-m", "services.cli", *arguments],
        env={**keep, "PYTHONPATH": str(ROOT), **env},
        input=stdin,
        capture_output=True,
        check=False,
    )


def lines(output: bytes) -> list[dict[str, object]]:
    """The JSON objects in the output, one a line."""
    return [json.loads(line) for line in output.splitlines()]


def test_seeds_through_the_whole_pipeline(product: Product) -> None:
    """Import, worker and store give each seed's title, language and date, and invent none."""
    env = environment(product.settings)
    product.spawn("worker", "-m", "services.cli", "worker")
    imported = rasid("import", *map(str, SEEDS), "--wait", env=env)
    assert imported.returncode == 0, imported.stderr

    found = {str(row["origin"]): row for row in lines(rasid("articles", "--json", env=env).stdout)}

    assert set(found) == {path.name for path in SEEDS}
    for name, expected in EXPECTED.items():
        if name.startswith("_"):
            continue
        row = found[name]
        assert row["title"] == expected["title"]
        assert row["language"] == "ar"
        assert row["published_at"] == (
            "2022-12-03T08:14:00+00:00" if expected["published_at"] else None
        )
        text = (ROOT / "seeds" / name).read_text("utf-8").splitlines()
        first, last = expected["body_lines"]
        body = [" ".join(line.split()) for line in text[first : last + 1] if line.strip()]
        stored = [" ".join(line.lstrip("# ").split()) for line in str(row["text"]).splitlines()]
        assert [line for line in stored if line] == body
    (quotation,) = lines(rasid("quotations", "--json", env=env).stdout)
    assert str(quotation["text"]).startswith("نحن ملتزمون")
    assert "نحن ملتزمون" in rasid("quotations", env=env).stdout.decode()
    of_article = "quotations", str(quotation["first_article_id"])
    carriers = lines(rasid(*of_article, "--json", env=env).stdout)
    assert [carrier["is_first"] for carrier in carriers] == [True, False]
    assert {carrier["article_id"] for carrier in carriers} == {
        found[SEEDS[number].name]["id"] for number in (0, 3)
    }
    assert rasid(*of_article, env=env).stdout.decode().count("article ") == 2
    assert b"no article 9999" in rasid("quotations", "9999", env=env).stderr
    search = rasid("search", "القوات", '"شرق', 'سوريا"', "--limit", "3", env=env)
    assert "[سوريا]" in search.stdout.decode()
    hits = lines(rasid("search", "القوّات الأميركيّة", "--json", env=env).stdout)
    assert {hit["url"] for hit in hits} <= {row["url"] for row in found.values()}
    assert hits[0]["matches"] == len(hits) >= 2
    assert "no article matches" in rasid("search", "--", '-"', env=env).stderr.decode()
    added = rasid("watch", "add", "w", "أميركا", "--since", "1900-01-01", env=env)
    assert added.returncode == 0, added.stderr
    matches = lines(rasid("watch", "matches", "w", "--json", env=env).stdout)
    once = lines(rasid("search", "امريكا", "--json", env=env).stdout)
    assert {m["article_id"] for m in matches} == {hit["article_id"] for hit in once} != set()
    assert lines(rasid("watch", "list", "--json", env=env).stdout)[0]["matches"] == len(matches)
    assert "would be removed" in rasid("watch", "remove", "w", env=env).stdout.decode()
    assert "are removed" in rasid("watch", "remove", "w", "--yes", env=env).stdout.decode()
    missing = rasid("watch", "matches", "w", env=env)
    assert (missing.returncode, b"no watch" in missing.stderr) == (1, True)
    trace = rasid("trace", SEEDS[0].name, env=env).stdout.decode()
    assert "created" in trace
    again = rasid("import", *map(str, SEEDS), "--wait", "--json", env=env)
    assert (lines(again.stdout)[0]["published"], lines(again.stdout)[0]["known"]) == (0, 5)
    status = rasid("status", "--json", env=env)
    assert (status.returncode, lines(status.stdout)[0]["well"]) == (0, True)


def test_dead_letters(product: Product) -> None:
    """A dead letter is listed, shown with its body, and replayed; the replay makes an article."""
    env = environment(product.settings)
    worker = ROOT / "tests" / "acceptance" / "worker_program.py"
    product.spawn("worker", str(worker))
    bad = page(f"<h1>RAISE</h1><article>{SENTENCES}", requested_url="https://example.org/1")
    product.publish([bad])
    product.wait_until_done()

    (letter,) = lines(rasid("dead-letters", "list", "--json", env=env).stdout)
    assert (letter["page_id"], letter["reason"]) == (bad.id, "error")
    assert rasid("status", env=env).returncode == 1
    assert rasid("dead-letters", "show", bad.id, "--body", env=env).stdout == bad.body
    assert b"1 pages" in rasid("dead-letters", "replay", "--dry-run", env=env).stdout
    assert b"1 would be discarded" in rasid("dead-letters", "discard", env=env).stdout
    product.stack.stop_process("worker")
    product.spawn("mended", "-m", "services.cli", "worker")
    assert b"1 of 1" in rasid("dead-letters", "replay", "--reason", "error", env=env).stdout
    unknown = rasid("dead-letters", "replay", "0" * 32, env=env)
    assert (unknown.returncode, b"no dead letter 000" in unknown.stderr) == (1, True)
    product.wait_until_done()

    assert rasid("dead-letters", "list", "--json", env=env).stdout == b""
    assert product.outcomes() == {bad.id: ("created", "")}


def test_extract_needs_no_servers() -> None:
    """JSON lines in, as many out in the same order; a broken line costs itself alone."""
    good = {
        "id": 7,
        "url": "https://example.org/a",
        "html_base64": base64.b64encode(
            b"<title>The bridge is open</title><h1>The bridge is open</h1><article>"
            + SENTENCES.encode()
        ).decode(),
    }
    stdin = b"".join(
        line + b"\n"
        for line in (
            json.dumps(good).encode(),
            b"{broken",
            b'{"id": 8, "html_base64": ' + b"[" * 200_000,
            json.dumps({**good, "id": "empty", "html_base64": ""}).encode(),
            json.dumps({**good, "id": 9}).encode(),
        )
    )

    done = rasid("extract", env={}, stdin=stdin)

    assert done.returncode == 0, done.stderr
    found = lines(done.stdout)
    assert [line["id"] for line in found] == [7, None, None, "empty", 9]
    assert [line["rejection"] for line in found] == [
        None,
        "invalid_line",
        "invalid_line",
        "empty_body",
        None,
    ]
    assert found[0]["title"] == "The bridge is open"
    keys = {"id", "title", "text", "authors", "published_at", "language", "rejection"}
    assert all(keys <= line.keys() for line in found)


def test_extract_of_files(tmp_path: Path) -> None:
    """Seeds are read as the importer reads them; a missing file is a line that says so."""
    done = rasid("extract", str(SEEDS[0]), str(tmp_path / "none.html"), env={})

    first, second = lines(done.stdout)
    assert first["title"] == EXPECTED[SEEDS[0].name]["title"]
    assert second["rejection"] == "missing"


@pytest.mark.parametrize(
    ("arguments", "env", "says"),
    [
        (["articles"], {"REDIS_URL": "redis://127.0.0.1:1/0"}, "DATABASE_URL is not set"),
        (["import", "x"], {"DATABASE_URL": "postgresql://127.0.0.1:1/x"}, "REDIS_URL is not set"),
        (["articles"], {"DATABASE_URL": "postgresql://127.0.0.1:1/x"}, "Postgres:"),
        (["crawl", "--check"], {"RASID_SOURCES": "/nowhere.yaml"}, "cannot read /nowhere.yaml"),
        (["migrate"], {"RASID_CONCURRENCY": "many"}, "RASID_CONCURRENCY"),
        (["articles"], {"DATABASE_URL": "secret"}, "DATABASE_URL is not an address"),
        (
            ["import", "x"],
            {"DATABASE_URL": "postgresql://127.0.0.1:1/x", "REDIS_URL": "redis://h:secret/0"},
            "REDIS_URL is not an address",
        ),
    ],
)
def test_errors_say_what_to_do(arguments: list[str], env: dict[str, str], says: str) -> None:
    """A mistake is one line that names it, exit status 1, and no traceback."""
    done = rasid(*arguments, env=env)

    message = done.stderr.decode()
    assert (done.returncode, message.count("\n")) == (1, 1), message
    assert says in message
    assert "secret" not in message


@pytest.mark.parametrize("read", [0, 1])
def test_reader_that_goes_away(read: int) -> None:
    """Output that nobody reads to its end (`rasid extract | head -1`) is no error."""
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "services.cli", "extract", *map(str, SEEDS * (1 + 9 * read))],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for _ in range(read):
            process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(PATIENCE_S) == 0


def test_pages_an_earlier_command_left(tmp_path: Path) -> None:
    """What is on the queue of the embedded servers is worked off by the next import, at once."""
    env = {"RASID_STATE": str(tmp_path / "state")}
    rasid("import", str(SEEDS[0]), "--no-wait", env=env)

    again = rasid("import", str(SEEDS[0]), env=env)

    assert again.returncode == 0, again.stderr
    assert len(lines(rasid("articles", "--json", env=env).stdout)) == 1


def test_odd_names(tmp_path: Path) -> None:
    """Names of files are shown and traced as they are, whatever they are, in a bare locale."""
    env = {"RASID_STATE": str(tmp_path / "حالة 1"), "LC_ALL": "C"}
    odd = [tmp_path / ":smile:.html", tmp_path / os.fsdecode(b"caf\xe9.html")]
    for number, path in enumerate(odd):
        path.write_text(f"<h1>Ratio :100: to {number}</h1><article>{SENTENCES}", "utf-8")
    done = rasid("import", *map(str, odd), env=env)
    assert done.returncode == 0, done.stderr

    traced = [rasid("trace", path.name, env=env) for path in odd]

    assert [trace.returncode for trace in traced] == [0, 0], traced[1].stderr
    assert b"from :smile:.html," in traced[0].stdout
    assert b"Ratio :100: to 0" in traced[0].stdout
    assert b"from caf\\xe9.html," in traced[1].stdout


@pytest.mark.parametrize(
    "arguments", [("articles", "--source"), ("articles", "--language"), ("dead-letters", "show")]
)
def test_words_no_database_holds(product: Product, arguments: tuple[str, str]) -> None:
    """Arguments that are not UTF-8 match nothing, and end in no traceback."""
    done = rasid(*arguments, os.fsdecode(b"caf\xe9"), env=environment(product.settings))

    assert b"Traceback" not in done.stderr


def test_not_migrated(product: Product, empty: str) -> None:
    """On a database without our schema the error names the command that mends it."""
    env = {**environment(product.settings), "DATABASE_URL": empty}

    assert b"run `rasid migrate`" in rasid("articles", env=env).stderr
    assert rasid("migrate", env=env).returncode == 0
    assert rasid("articles", "--json", env=env).returncode == 0


@pytest.fixture
def empty(product: Product) -> str:
    """The address of a database on the product's server that holds nothing."""
    import psycopg

    with psycopg.connect(product.stack.database_url, autocommit=True) as connection:
        connection.execute("create database nothing")
    return product.stack.database_url.replace("/rasid?", "/nothing?")
