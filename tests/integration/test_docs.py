"""What docs/consumers.md says of schema media is what the database has."""

import re
from pathlib import Path

import psycopg

PAGE = Path(__file__).resolve().parents[2] / "docs" / "consumers.md"
SECTION = re.compile(r"^## `media\.(\w+)`\n(.*?)(?=^## )", re.MULTILINE | re.DOTALL)
COLUMNS = """
    select table_name, column_name from information_schema.columns where table_schema = 'media'
"""
TYPES = """
    select column_name, format_type(a.atttypid, null)
    from information_schema.columns as c
    join pg_attribute as a on a.attname = c.column_name and a.attrelid = 'media.articles'::regclass
    where c.table_schema = 'media' and c.table_name = 'articles'
"""
QUERY = re.compile(r"^```sql\n(.*?)^```", re.MULTILINE | re.DOTALL)


def rows(section: str) -> list[tuple[list[str], str]]:
    """Return of each row of a section's table the columns it names and their type."""
    found = re.findall(r"^\|([^|\n]*)\|([^|\n]*)\|", section, re.MULTILINE)
    return [(re.findall(r"`(\w+)`", names), kind.strip()) for names, kind in found]


def test_every_view_and_column_is_described(database_url: str) -> None:
    """Views and columns of schema media stand in the page, and nothing else does."""
    sections = dict(SECTION.findall(PAGE.read_text("utf-8")))
    told = {
        (view, column)
        for view, section in sections.items()
        for columns, _ in rows(section)
        for column in columns
    }
    told |= {("distinct_articles", column) for view, column in told if view == "articles"}
    with psycopg.connect(database_url) as connection:
        there = set(connection.execute(COLUMNS))

    assert "distinct_articles" in sections
    assert told == there


def test_types_are_right(database_url: str) -> None:
    """Each column of media.articles has the type the page says."""
    section = dict(SECTION.findall(PAGE.read_text("utf-8")))["articles"]
    told = {
        column: {"timestamptz": "timestamp with time zone"}.get(kind, kind)
        for columns, kind in rows(section)
        for column in columns
    }
    with psycopg.connect(database_url) as connection:
        assert dict(connection.execute(TYPES)) == told


def test_queries_run(database_url: str) -> None:
    """Every query of the page is one that Postgres takes."""
    queries = QUERY.findall(PAGE.read_text("utf-8"))
    assert len(queries) >= 4
    with psycopg.connect(database_url) as connection:
        for query in queries:
            connection.execute(query)
