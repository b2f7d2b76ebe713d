"""What is archived: days that may be, their captures in order, and the files that hold them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from itertools import groupby

from psycopg.rows import class_row, dict_row

from services.shared.errors import RasidError
from services.storage import Connection, captures, partitions, queries, transient_errors

SQL = queries("archives")
BATCH = 100


@dataclass(frozen=True, slots=True)
class Day:
    """A day that is over: its captures, about how many bytes they take, how many are in files."""

    captured_on: date
    captures: int
    size_bytes: int
    written: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedPage:
    """A raw page as its record tells it."""

    id: str
    requested_url: str | None
    final_url: str | None
    origin: str
    source: str | None
    time_zone: str | None
    feed_url: str | None
    feed_title: str | None
    feed_published_at: datetime | None
    fetched_at: datetime | None
    received_at: datetime
    status: int | None
    headers: Mapping[str, str]

    @property
    def at(self) -> datetime:
        """Return when it was fetched, or else received."""
        return self.fetched_at or self.received_at


PAGE = tuple(ArchivedPage.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Capture:
    """A body, packed as it is stored, and the pages that brought it; it may be of none."""

    sha256: bytes
    compressed: bytes
    first_seen_at: datetime
    pages: tuple[ArchivedPage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A WARC file of the archive, whole and verified."""

    captured_on: date
    folder: str
    name: str
    first_sha256: bytes
    last_sha256: bytes
    captures_count: int
    pages_count: int
    revisits_count: int
    left_count: int
    size_bytes: int
    file_sha256: bytes
    index_sha256: bytes


@dataclass(frozen=True, slots=True)
class Place:
    """Where a body may lie: a file, and the address by which its index knows it, if any."""

    folder: str
    name: str
    url: str | None
    page_id: str | None


def days(connection: Connection, before: date) -> list[Day]:
    """Return the days before this one that have captures, the oldest first.

    Raises:
        TransientError: Postgres is away, or a long transaction is in the way.
    """
    partitions.roll(connection, "captures")
    values = {"days": captures.days(connection, before)}
    with transient_errors(), connection.cursor(row_factory=class_row(Day)) as cursor:
        return cursor.execute(SQL.days, values).fetchall()


def read(connection: Connection, day: date, after: bytes) -> Iterator[Capture]:
    """Yield the captures of a day with hashes above this one, in their order.

    Raises:
        TransientError: Postgres is away.
    """
    while True:
        values = {"day": day, "after": after, "limit": BATCH}
        with transient_errors(), connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(SQL.captures, values, prepare=False).fetchall()
        if not rows:
            return
        for sha256, group in groupby(rows, key=lambda row: _bytes(row["sha256"])):
            same = list(group)
            pages = tuple(
                ArchivedPage(**{name: row[name] for name in PAGE})
                for row in same
                if row["id"] is not None
            )
            yield Capture(sha256, same[0]["body"], same[0]["first_seen_at"], pages)
            after = sha256


def is_kept_later(connection: Connection, day: date, sha256: bytes) -> bool:
    """Return whether the same bytes came again on a later day."""
    with transient_errors():
        row = connection.execute(SQL.is_kept_later, {"day": day, "sha256": sha256}).fetchone()
    return bool(row and row[0])


def hashes(connection: Connection, day: date, after: bytes, last: bytes) -> list[bytes]:
    """Return the hashes of a day's captures in a range, `last` included."""
    values = {"day": day, "after": after, "last": last}
    with transient_errors():
        return [_bytes(sha256) for (sha256,) in connection.execute(SQL.hashes, values)]


def unfinished(connection: Connection, day: date) -> list[File]:
    """Return the files of a day that still has its table, in their order."""
    with transient_errors(), connection.cursor(row_factory=class_row(File)) as cursor:
        return cursor.execute(SQL.unfinished, {"day": day}).fetchall()


def files(connection: Connection) -> list[File]:
    """Return all files of the archive, the oldest day first."""
    with transient_errors(), connection.cursor(row_factory=class_row(File)) as cursor:
        return cursor.execute(SQL.files).fetchall()


def mark(connection: Connection) -> str:
    """Return the eight digits by which files of this database are known from those of others."""
    with transient_errors():
        ((found,),) = connection.execute(SQL.mark).fetchall()
    return str(found)


def names(connection: Connection, day: date, folder: str) -> set[str]:
    """Return the names of files of a day that are there already."""
    with transient_errors():
        rows = connection.execute(SQL.names, {"day": day, "folder": folder})
        return {str(name) for (name,) in rows}


def add(connection: Connection, file: File) -> None:
    """Note a file that is whole and verified."""
    with transient_errors():
        connection.execute(SQL.add, asdict(file))


def forget(connection: Connection, file: File) -> None:
    """Note that a file is not there any more; its day still has its table."""
    with transient_errors():
        connection.execute(SQL.forget, {"folder": file.folder, "name": file.name})


def drop(connection: Connection, day: date) -> int:
    """Drop a day whose captures are all in files, and note so, in one transaction.

    Raises:
        RasidError: some are in no file; nothing was dropped.
        TransientError: Postgres is away, or a long transaction, such as a dump, is in the way.
    """
    return captures.drop(connection, day, first=_note)


def _note(tx: Connection, day: date) -> None:
    ((bodies, pages),) = tx.execute(SQL.missing, {"day": day}).fetchall()
    if int(str(bodies)) > 0 or int(str(pages)) > 0:
        raise RasidError(
            f"{day}: {bodies} bodies and {pages} pages are in no file; nothing was dropped. "
            "They came while it was being archived: --anew writes the day once more"
        )
    tx.execute(SQL.dropped, {"day": day})


def places(connection: Connection, sha256: bytes, day: date | None) -> Sequence[Place]:
    """Return where the body with this hash may lie."""
    values = {"sha256": sha256, "day": day}
    with transient_errors(), connection.cursor(row_factory=class_row(Place)) as cursor:
        return cursor.execute(SQL.places, values).fetchall()


def holding(connection: Connection, hashes: Sequence[bytes]) -> list[File]:
    """Return the files that may hold bodies with these hashes, of whatever day."""
    values = {"hashes": list(hashes)}
    with transient_errors(), connection.cursor(row_factory=class_row(File)) as cursor:
        return cursor.execute(SQL.holding, values).fetchall()


def pages_of(
    connection: Connection, day: date, sha256: bytes, without: Sequence[str]
) -> tuple[ArchivedPage, ...]:
    """Return the pages of a body that are known, but these."""
    values = {"day": day, "sha256": sha256, "without": list(without)}
    with transient_errors(), connection.cursor(row_factory=class_row(ArchivedPage)) as cursor:
        return tuple(cursor.execute(SQL.pages_of, values).fetchall())


def rewritten(connection: Connection, former: File, file: File) -> None:
    """Note that a file has taken the place of another."""
    with transient_errors():
        connection.execute(SQL.rewritten, {**asdict(file), "former": former.name})


def _bytes(value: object) -> bytes:
    assert isinstance(value, bytes)  # noqa: S101 - for the type checker
    return value
