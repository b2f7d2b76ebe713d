"""Raw pages that were taken from the queue: which are known, and what became of them."""

from collections.abc import Sequence

from services.storage import Connection, queries, transient_errors

SQL = queries("raw_pages")


def known(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Return those of the page ids that have a result already.

    Raises:
        TransientError: Postgres is away.
    """
    with transient_errors():
        rows = connection.execute(SQL.known, {"ids": list(ids)}).fetchall()
    return {str(page_id) for (page_id,) in rows}
