"""Tables with a part for each stretch of time: those to come are made, old ones dropped."""

from services.storage import Connection, queries, transient_errors

SQL = queries("partitions")
TABLES = "bands", "passages", "captures"


def roll(connection: Connection, *tables: str) -> None:
    """Make the parts of the next time, of these tables or of all, each in its own transaction.

    Bands and passages that nobody looks into any more go; captures stay for who archives them.

    Raises:
        TransientError: Postgres is away, or a long transaction is in the way; what was done stays.
    """
    for table in tables or TABLES:
        with transient_errors(), connection.transaction():
            connection.execute(SQL.wait_briefly)
            connection.execute(getattr(SQL, f"roll_{table}"))
