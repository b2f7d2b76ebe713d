"""What docs/consumers.md says of schema media is what the database has."""

import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from services.local import binaries
from services.storage import connect, results
from tests.factories import stored

PAGE = Path(__file__).resolve().parents[2] / "docs" / "consumers.md"
SECTION = re.compile(r"^### `media\.(\w+)[^`\n]*`\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
#: Columns of views; arguments and columns of functions.
NAMES = """
    select c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
    from pg_class as c
    join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relnamespace = 'media'::regnamespace
    union all
    select p.proname, name, format_type(kind, null)
    from pg_proc as p,
        unnest(p.proargnames, coalesce(p.proallargtypes, p.proargtypes::oid[])) as n (name, kind)
    where p.pronamespace = 'media'::regnamespace
"""
THINGS = """
    select relname from pg_class where relnamespace = 'media'::regnamespace
    union select proname from pg_proc where pronamespace = 'media'::regnamespace
"""
SHORT = {"timestamptz": "timestamp with time zone"}
QUERY = re.compile(r"^```sql\n(.*?)^```", re.MULTILINE | re.DOTALL)
PROGRAM = re.compile(r"^```(python|sh)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def sections() -> dict[str, str]:
    """Return the reference of each view and function by its name."""
    return dict(SECTION.findall(PAGE.read_text("utf-8")))


def rows(section: str) -> list[tuple[list[str], list[str]]]:
    """Return of each row of a section's tables the names it tells and their types."""
    found = re.findall(r"^\|([^|\n]*)\|([^|\n]*)\|", section, re.MULTILINE)
    return [
        (re.findall(r"`(\w+)`", names), [kind.strip() for kind in kinds.split(",")])
        for names, kinds in found
    ]


def told() -> dict[tuple[str, str], str]:
    """Return the type that the page gives each column and argument; empty where it gives none."""
    found = {}
    for thing, section in sections().items():
        for names, kinds in rows(section):
            for name, kind in zip(
                names, kinds if len(kinds) == len(names) else kinds * len(names), strict=False
            ):
                found[thing, name] = SHORT.get(kind, kind)
    # "The same columns".
    for (thing, name), kind in list(found.items()):
        if thing == "articles":
            found["distinct_articles", name] = kind
    return found


def test_every_view_and_function_is_described(database_url: str) -> None:
    """Each view, function, column and argument of schema media stands in the page, and no other."""
    with psycopg.connect(database_url) as connection:
        things = {str(name) for (name,) in connection.execute(THINGS)}
        names = {(thing, name) for thing, name, _ in connection.execute(NAMES)}

    assert sections().keys() == things
    assert told().keys() == names


def test_types_are_right(database_url: str) -> None:
    """Each column and argument has the type the page says."""
    with psycopg.connect(database_url) as connection:
        there = {(thing, name): kind for thing, name, kind in connection.execute(NAMES)}
    said = {names: kind for names, kind in told().items() if kind}

    assert len(said) > 40
    assert {
        names: (kind, there[names]) for names, kind in said.items() if kind != there[names]
    } == {}


def test_queries_run(database_url: str) -> None:
    """Every query of the page is one that Postgres takes."""
    queries = QUERY.findall(PAGE.read_text("utf-8"))
    assert len(queries) >= 4
    with psycopg.connect(database_url) as connection:
        for query in queries:
            connection.execute(query)


@pytest.fixture
def filled(database_url: str) -> str:
    """A database with a few articles."""
    with connect(database_url) as connection:
        chunk = [
            stored(f"https://herald.example/{n}", f"نص رقم {n}", title=f"خبر {n}", language="ar")
            for n in range(3)
        ]
        results.save(connection, chunk, 1)
    return database_url


@pytest.mark.parametrize(("language", "program"), PROGRAM.findall(PAGE.read_text("utf-8")))
def test_examples_run(filled: str, tmp_path: Path, language: str, program: str) -> None:
    """Every program of the page runs to its end on a database with articles."""
    rasid = tmp_path / "bin" / "rasid"
    rasid.parent.mkdir()
    rasid.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m services.cli "$@"\n')
    rasid.chmod(0o755)
    path = [str(rasid.parent), str(binaries.postgres_bin()), os.environ["PATH"]]
    done = subprocess.run(
        [sys.executable, "-c", program] if language == "python" else ["sh", "-ec", program],
        cwd=tmp_path,
        env={
            **os.environ,
            "DATABASE_URL": filled,
            "PATH": os.pathsep.join(path),
            "PYTHONPATH": str(PAGE.parents[1]),
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
