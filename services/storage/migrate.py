"""Apply the numbered migrations: append-only SQL files, one transaction each, in order."""

import hashlib
import re
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from services.shared.errors import RasidError
from services.shared.observability import get_logger
from services.storage import (
    Connection,
    check_version,
    open_connection,
    queries,
    roles,
    transient_errors,
)

FILE_NAME = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")
SQL = queries("migrate")
#: The schema versions that brought partitions, which are made ahead.
BANDS_SINCE = 4
CAPTURES_SINCE = 13
#: Seconds in which a database that was just made is migrated, and between two looks at that.
BEGUN_WITHIN_S = 30.0
LOOK_AGAIN_S = 0.1

log = get_logger()


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its number, name, text, and the hash by which a later edit is noticed."""

    version: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """Return the hash of the text, 64 hex digits."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


@cache
def migrations() -> tuple[Migration, ...]:
    """Return all migrations this code has, in order."""
    folder = Path(__file__).parent / "migrations"
    files = sorted(path for path in folder.iterdir() if FILE_NAME.match(path.name))
    return tuple(
        Migration(int(path.name[:4]), path.stem, path.read_text("utf-8")) for path in files
    )


def latest() -> int:
    """Return the schema version this code needs."""
    return migrations()[-1].version


def version(connection: Connection) -> int:
    """Return the schema version of the database; 0 where there is none."""
    row = connection.execute(SQL.exists).fetchone()
    if row is None or not row[0]:
        return 0
    found = connection.execute(SQL.version).fetchone()
    return int(str(found[0])) if found else 0


def migrate(database_url: str) -> list[str]:
    """Bring the database to the newest schema and return the names applied, oldest first.

    Safe to run by several at once: an advisory lock lets one do the work.

    Raises:
        TransientError: the server cannot be reached.
        NotMigrated: the schema is newer than this code.
        RasidError: a migration that was applied has been edited since.
    """
    with open_connection(database_url) as connection, transient_errors():
        connection.execute(SQL.wait_for_locks)
        connection.execute(SQL.lock)
        connection.execute(SQL.create_table)
        done = {int(str(v)): str(sha) for v, sha in connection.execute(SQL.applied)}
        check_version(max([latest(), *done]), latest())
        applied = []
        for migration in migrations():
            if migration.version in done:
                _check(migration, done[migration.version])
                continue
            with connection.transaction():
                connection.execute(migration.sql.encode())
                connection.execute(
                    SQL.record, (migration.version, migration.name, migration.sha256)
                )
            applied.append(migration.name)
        if latest() >= BANDS_SINCE:
            connection.execute(SQL.roll)
        if latest() >= CAPTURES_SINCE:
            connection.execute(SQL.roll_captures)
        if missing := roles.apply(connection):
            log.warning(
                "roles not made, which an administrator can do: docs/security.md", roles=missing
            )
        connection.execute(SQL.unlock)
        return applied


def wait(database_url: str) -> None:
    """Return when nobody brings the schema up to date; whoever made the database is about to.

    Raises:
        TransientError: the server cannot be reached.
    """
    until = time.monotonic() + BEGUN_WITHIN_S
    with open_connection(database_url) as connection, transient_errors():
        while (there := version(connection)) < latest():
            is_free = connection.execute(SQL.is_free).fetchone() == (True,)
            if is_free and (there or time.monotonic() > until):
                return
            time.sleep(LOOK_AGAIN_S)


def _check(migration: Migration, sha256: str) -> None:
    if migration.sha256 != sha256:
        raise RasidError(
            f"migration {migration.name} was edited after it had been applied to this database; "
            "migrations are append-only: put the change into a new file"
        )
