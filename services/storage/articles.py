"""Read articles as consumers see them: rows of the view media.articles, as plain dictionaries."""

from collections.abc import Iterator

from services.storage import Connection, queries, transient_errors
from services.storage.text import storable

SQL = queries("articles")

#: A row of media.articles: column name to JSON value, times as ISO 8601 in UTC.
ArticleRow = dict[str, object]


def listing(
    connection: Connection,
    *,
    source: str | None = None,
    language: str | None = None,
    distinct: bool = False,
    limit: int | None = None,
) -> Iterator[ArticleRow]:
    """Yield articles, the newest first, a few hundred at a time however many there are.

    Raises:
        TransientError: Postgres is away.
    """
    values: dict[str, object] = {
        "source": source,
        "language": language,
        "distinct": distinct,
        "limit": limit,
    }
    with (
        transient_errors(),
        connection.transaction(),
        connection.cursor("articles") as cursor,
    ):
        cursor.itersize = 200
        for (row,) in cursor.execute(SQL.list, storable(values)):
            yield row  # type: ignore[misc]


def one(connection: Connection, article_id: int) -> ArticleRow | None:
    """Return an article, or None.

    Raises:
        TransientError: Postgres is away.
    """
    with transient_errors():
        row = connection.execute(SQL.one, {"id": article_id}).fetchone()
    return row[0] if row else None  # type: ignore[return-value]
