"""The change feed from the writers' side: events into the outbox, and positions for them."""

import json
from collections.abc import Sequence

from services.shared.contracts import Event
from services.storage import Connection, queries, transient_errors
from services.storage.text import storable

SQL = queries("changes")
#: Events that one publication takes; it holds the lock for well below a second.
MOST_EVENTS = 10_000


def emit(tx: Connection, events: Sequence[Event]) -> None:
    """Write events, in the transaction that makes the change; publish them after its commit.

    The caller holds the lock on the row of each article (it has inserted, updated or locked it
    `for no key update` in this transaction), which is what keeps the events of an article in order.
    """
    if not events:
        return
    tx.execute(
        SQL.emit,
        {
            "kinds": [event.kind for event in events],
            "article_ids": [event.article_id for event in events],
            "versions": [event.version for event in events],
            "story_ids": [event.story_id for event in events],
            "details": [
                None
                if event.detail is None
                else json.dumps(storable(dict(event.detail)), ensure_ascii=False, default=str)
                for event in events
            ],
        },
    )


def publish(connection: Connection) -> int:
    """Give a position to each event that is committed, and return how many there were.

    To be called after the commit, outside of any transaction. Cheap where there is nothing to do,
    and where another publishes already. What is not published now, because the caller is killed or
    Postgres goes away, the next call of anyone publishes.

    Raises:
        TransientError: Postgres is away.
    """
    total = 0
    with transient_errors():
        while True:
            row = connection.execute(SQL.publish, {"max_events": MOST_EVENTS}).fetchone()
            published = int(str(row[0])) if row else 0
            total += published
            if published < MOST_EVENTS:
                return total
