"""JSON lines go in, Parquet files come out: parts of bounded size, and one file made of them.

DuckDB does both, with a bound on its memory and without ever reaching for the network.
"""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from services.exporter.lines import UNFINISHED, LinesFile, part_name
from services.exporter.progress import Progress, sync_file

#: Rows of one row group: what a reader, and this writer, holds in memory at once.
ROW_GROUP = 8192
MEMORY = "512MB"
#: Of Postgres, and what each is in the file. Other types are written as text.
TYPES = {
    "bigint": "BIGINT",
    "integer": "INTEGER",
    "smallint": "SMALLINT",
    "double precision": "DOUBLE",
    "real": "FLOAT",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp with time zone": "TIMESTAMPTZ",
    "text[]": "VARCHAR[]",
    "bigint[]": "BIGINT[]",
    "integer[]": "INTEGER[]",
    "jsonb": "JSON",
}


class ParquetParts:
    """A folder of Parquet files, one for each chunk; a part has its name only when it is whole."""

    def __init__(self, folder: Path, columns: Mapping[str, str]) -> None:
        """Take the columns' names and Postgres types, in order."""
        self._folder, self._columns = folder, columns
        self._lines = folder / "lines.new"
        self._spool: LinesFile | None = None
        self._longest = 0

    def write(self, line: bytes) -> None:
        """Add a line to the chunk."""
        if self._spool is None:
            self._spool, self._longest = LinesFile(self._lines, "jsonl"), 0
        self._spool.write(line)
        self._longest = max(self._longest, len(line))

    def end_chunk(self, progress: Progress) -> None:
        """Turn the chunk's lines, of which there may be none, into a part."""
        self.close()
        self._lines.touch()
        unfinished = self._folder / UNFINISHED
        fields = ", ".join(
            f"{_quoted(name)}: {_quoted(TYPES.get(kind, 'VARCHAR'))}"
            for name, kind in self._columns.items()
        )
        with _Duck(self._folder) as duck:
            duck.copy(
                f"select * from read_json({_quoted(str(self._lines))}, columns = {{{fields}}}, "  # noqa: S608
                "format = 'newline_delimited', "
                f"maximum_object_size = {max(2**24, 2 * self._longest)})",
                unfinished,
                progress,
            )
        self._lines.unlink()
        name = part_name(progress, "parquet")
        sync_file(unfinished)
        progress.bytes += unfinished.stat().st_size
        unfinished.replace(self._folder / name)
        progress.parts.append(name)

    def close(self) -> None:
        """Close the file of lines."""
        if self._spool:
            self._spool.close()
            self._spool = None


def merge(folder: Path, progress: Progress, into: Path) -> None:
    """Make one file of all parts, in their order."""
    parts = ", ".join(_quoted(str(folder / name)) for name in progress.parts)
    with _Duck(folder) as duck:
        duck.copy(f"select * from read_parquet([{parts}])", into, progress)  # noqa: S608


class _Duck:
    """A DuckDB in memory that writes Parquet."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> Self:
        import duckdb  # noqa: PLC0415 - takes long to import, and most exports need none

        self._connection = duckdb.connect(
            config={
                "threads": 1,
                "memory_limit": MEMORY,
                "temp_directory": str(self._folder / "duckdb.tmp"),
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
            }
        )
        self._connection.execute("set timezone = 'UTC'")
        self._errors = (duckdb.IOException, duckdb.OutOfMemoryException)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._connection.close()

    def copy(self, query: str, path: Path, progress: Progress) -> None:
        """Write the rows of a query; the file says where a follower of changes continues.

        Raises:
            OSError: the file cannot be written.
        """
        told = {
            "rasid_feed_position": str(progress.feed_position),
            "rasid_schema_version": progress.schema_version,
        }
        metadata = ", ".join(f"{key}: {_quoted(value)}" for key, value in told.items())
        try:
            self._connection.execute(
                f"copy ({query}) to {_quoted(str(path))} (format parquet, compression zstd, "
                f"row_group_size {ROW_GROUP}, kv_metadata {{{metadata}}})"
            )
        except self._errors as error:
            raise OSError(0, str(error).splitlines()[0]) from error


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
