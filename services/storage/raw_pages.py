"""Raw pages that were taken from the queue: which are known, and what the newest of them was."""

from collections.abc import Sequence
from typing import Any

from psycopg.rows import dict_row

from services.shared.contracts import RawPage
from services.shared.urls import key_sha256
from services.storage import Connection, captures, queries, transient_errors

SQL = queries("raw_pages")


def known(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Return those of the page ids that have a result already.

    Raises:
        TransientError: Postgres is away.
    """
    with transient_errors():
        rows = connection.execute(SQL.known, {"ids": list(ids)}).fetchall()
    return {str(page_id) for (page_id,) in rows}


def newest(
    connection: Connection,
    urls: Sequence[str],
    normalized_url: str | None,
    body: captures.Reader = captures.body,
) -> RawPage | None:
    """Return the page received last under an address in any of its forms, or under a file's name.

    Of those that still have a body, which `body` looks up by its hash and day. What its source says
    of it (time zone, rules) is not stored with it.

    Raises:
        TransientError: Postgres is away.
    """
    keys = [key_sha256(normalized_url)] if normalized_url else []
    with transient_errors(), connection.cursor(row_factory=dict_row) as cursor:
        found: list[dict[str, Any]] = cursor.execute(
            SQL.newest, {"urls": list(urls), "keys": keys}
        ).fetchall()
    for page in found:
        received = body(connection, page.pop("capture_sha256"), page.pop("captured_on"))
        if received is not None:
            return RawPage(**page, body=received)
    return None
