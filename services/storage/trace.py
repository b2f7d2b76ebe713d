"""The whole way of one address or imported file: feeds, links, raw pages and articles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg.rows import dict_row

from services.shared.urls import key_sha256
from services.storage import Connection, queries, transient_errors

SQL = queries("trace")
Rows = list[dict[str, object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Rows as dictionaries, by the columns named in sql/trace.sql."""

    feeds: Rows
    links: Rows
    raw_pages: Rows
    articles: Rows

    @property
    def found(self) -> bool:
        """Return whether anything at all is known."""
        return bool(self.feeds or self.links or self.raw_pages or self.articles)


def read(connection: Connection, urls: Sequence[str], normalized_url: str | None) -> Trace:
    """Return all that is known of an address in any of its written forms, or of a file's name.

    Raises:
        TransientError: Postgres is away.
    """
    keys = [key_sha256(normalized_url)] if normalized_url else []
    with transient_errors(), connection.transaction():
        feeds = _rows(connection, SQL.feeds, {"urls": list(urls)})
        links = _rows(connection, SQL.links, {"keys": keys})
        pages = _rows(connection, SQL.raw_pages, {"keys": keys, "urls": list(urls)})
        ids = [page["article_id"] for page in pages if page["article_id"]]
        articles = _rows(connection, SQL.articles, {"keys": keys, "ids": ids})
    return Trace(feeds=feeds, links=links, raw_pages=pages, articles=articles)


def _rows(connection: Connection, query: bytes, values: Mapping[str, object]) -> Rows:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, values).fetchall()
