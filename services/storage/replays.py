"""Replays: choose pages, and say what came of reading them again."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from services.shared import urls
from services.shared.contracts import EXTRACTOR_VERSION
from services.shared.errors import InvalidUrl
from services.storage import Connection, queries, transient_errors
from services.storage.text import storable

SQL = queries("replays")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which stored pages are to be read again; what is not given leaves none out.

    Times are of the fetch, or where that is unknown of when Rasid first had it; `until` itself is
    left out.
    `reasons` are reasons of rejections or dead letters, or outcomes. `older_than` is a version of
    the extractor. Dead letters are only chosen with `dead_letters`, and then nothing else is.
    """

    sources: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    reasons: tuple[str, ...] = ()
    extractors: tuple[int, ...] = ()
    older_than: int | None = None
    urls: tuple[str, ...] = ()
    page_ids: tuple[str, ...] = ()
    dead_letters: bool = False

    @property
    def text(self) -> str:
        """Return the choice as JSON, the same for the same choice."""
        given = {name: value for name, value in asdict(self).items() if value}
        return json.dumps(given, default=str, sort_keys=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What a choice comes to: pages, bytes of their bodies as stored, times, counts."""

    pages: int
    bytes: int
    without_body: int
    first_at: datetime | None
    last_at: datetime | None
    by_source: dict[str, int] = field(default_factory=dict)
    #: By (outcome, reason or "").
    by_outcome: dict[tuple[str, str], int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A replay as it stands; `summary` once it has ended."""

    id: int
    choice: str
    extractor_version: int
    pages_count: int
    bytes: int
    left_count: int
    summary: dict[str, Any] | None
    created_at: datetime
    ended_at: datetime | None


def choose(connection: Connection, choice: Choice) -> Chosen:
    """Count what would be read again; nothing is changed.

    Raises:
        TransientError: Postgres is away.
    """
    with transient_errors(), connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_of_chosen(SQL.count), _values(choice)).fetchall()
    (total,) = (row for row in rows if not row["is_source"] and not row["is_outcome"])
    names = ("pages", "bytes", "without_body", "first_at", "last_at")
    counted = [row for row in rows if row["pages"]]
    return Chosen(
        **{name: total[name] for name in names},
        by_source={row["source"] or "": row["pages"] for row in counted if row["is_source"]},
        by_outcome={
            (row["outcome"], row["reason"] or ""): row["pages"]
            for row in counted
            if row["is_outcome"]
        },
    )


def _of_chosen(query: bytes) -> bytes:
    return b"with chosen as materialized (" + SQL.choose.rstrip(b";") + b")\n" + query


def _values(choice: Choice) -> dict[str, object]:
    keys = []
    for url in choice.urls:
        try:
            keys.append(urls.key_sha256(urls.key(url)))
        except InvalidUrl:
            continue  # a file's name
    given = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(choice).items()}
    values: dict[str, object] = {name: None if v == [] else v for name, v in given.items()}
    return {**storable(values), "keys": keys}


def begin(connection: Connection, choice: Choice) -> tuple[Replay, bool]:
    """Return the replay of this choice that has not ended, or a new one, and whether it is new.

    Raises:
        TransientError: Postgres is away.
    """
    with transient_errors(), connection.transaction():
        values: dict[str, object] = {
            "choice": choice.text,
            "extractor_version": EXTRACTOR_VERSION,
        }
        connection.execute(SQL.lock, values)
        row = connection.execute(SQL.open, values).fetchone()
        is_new = row is None
        if is_new:
            row = connection.execute(SQL.begin, values).fetchone()
            found = _values(choice) | {"replay_id": row and row[0]}
            connection.execute(_of_chosen(SQL.add), found)
    assert row is not None  # noqa: S101 - it was there, or has been inserted
    (replay,) = listing(connection, replay_id=int(str(row[0])))
    return replay, is_new


def find_open(connection: Connection, choice: Choice) -> Replay | None:
    """Return the replay of this choice that has not ended, if there is one.

    Raises:
        TransientError: Postgres is away.
    """
    with transient_errors():
        row = connection.execute(SQL.open, {"choice": choice.text}).fetchone()
    return listing(connection, replay_id=int(str(row[0])))[0] if row else None


def listing(
    connection: Connection, *, replay_id: int | None = None, limit: int | None = None
) -> list[Replay]:
    """Return replays, the newest first.

    Raises:
        TransientError: Postgres is away.
    """
    with transient_errors(), connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(SQL.listing, {"id": replay_id, "limit": limit}).fetchall()
    return [Replay(**row) for row in rows]


def compare(connection: Connection, replay_id: int, *, examples: int = 3) -> dict[str, Any]:
    """Return what has come of a replay so far, with a few examples, as JSON.

    Raises:
        TransientError: Postgres is away.
    """
    values = {"replay_id": replay_id, "limit": examples}
    with (
        transient_errors(),
        connection.transaction(),
        connection.cursor(row_factory=dict_row) as cursor,
    ):
        counts = connection.execute(SQL.counts, values).fetchall()
        (changed,) = connection.execute(SQL.articles_changed, values).fetchone() or (0,)
        return {
            **_kinds(counts),
            "articles_changed": changed,
            "fields_changed": dict(connection.execute(SQL.fields, values).fetchall()),  # type: ignore[arg-type]
            "outcomes": [
                {
                    "before": " ".join(filter(None, map(str, (before, why)))),
                    "after": " ".join(filter(None, map(str, (after, reason)))),
                    "pages": count,
                }
                for before, why, after, reason, count in counts
            ],
            "examples": cursor.execute(SQL.examples, values).fetchall(),
            "pages": cursor.execute(SQL.odd_pages, values | {"limit": examples * 5}).fetchall(),
        }


def _kinds(counts: Sequence[tuple[Any, ...]]) -> dict[str, int]:
    """Sum up by what kind of result there was before, and is now."""
    kinds = dict.fromkeys(
        ("done", "became_articles", "now_rejected", "cured", "now_dead_letters", "no_body"), 0
    )
    without = {"rejected", "dead_letter", "no_body"}
    for before, _, after, _, count in counts:
        kinds["done"] += count
        kinds["no_body"] += count * (after == "no_body")
        kinds["cured"] += count * (before == "dead_letter" and after not in without - {"rejected"})
        kinds["now_dead_letters"] += count * (before != "dead_letter" and after == "dead_letter")
        kinds["became_articles"] += count * (before == "rejected" and after not in without)
        kinds["now_rejected"] += count * (before not in without and after == "rejected")
    return kinds


def end(connection: Connection, replay_id: int) -> dict[str, Any]:
    """Keep what came of the replay, and forget what is as it was. Repeatable.

    Raises:
        TransientError: Postgres is away.
    """
    with transient_errors(), connection.transaction():
        found = compare(connection, replay_id)
        # What articles say is kept in one place, from where it goes with them.
        shown = {name: found.pop(name) for name in ("examples", "pages")}
        values = {"replay_id": replay_id, "summary": Jsonb(found)}
        if connection.execute(SQL.end, values).rowcount:
            connection.execute(SQL.forget_same, values)
    return {**(listing(connection, replay_id=replay_id)[0].summary or found), **shown}


def stop(connection: Connection, replay_id: int) -> None:
    """End a replay that is not done: what is left of it is left as it is.

    Raises:
        TransientError: Postgres is away.
    """
    with transient_errors(), connection.transaction():
        connection.execute(SQL.stop, {"replay_id": replay_id})
        end(connection, replay_id)


def pace(connection: Connection) -> float | None:
    """Return the pages a second of the last replays, or None where there were none.

    Raises:
        TransientError: Postgres is away.
    """
    with transient_errors():
        row = connection.execute(SQL.pace).fetchone()
    return float(str(row[0])) if row and row[0] is not None else None
