"""Paths a person gives in; files of a known kind out, and a reason for each that is not one."""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from services.importer.records import Omitted, Refusal

Kind = Literal["text", "html", "jsonl", "warc"]
KINDS: tuple[Kind, ...] = get_args(Kind)
#: Kinds of which one file holds many pages.
CONTAINERS: frozenset[Kind] = frozenset({"jsonl", "warc"})

SUFFIXES: dict[str, Kind] = {
    ".txt": "text",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".warc": "warc",
}
KNOWN = "known are .txt, .html, .jsonl and .warc, each also with .gz"


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file to read. `key` is its real path in characters every store can hold."""

    path: Path
    origin: str
    key: str
    kind: Kind
    compressed: bool  # by its name
    size_bytes: int
    modified_ns: int


def kind_of(name: str) -> tuple[Kind, bool] | None:
    """Return a file's kind by its name, and whether the name says it is compressed."""
    stem = name.lower()
    compressed = stem.endswith(".gz")
    kind = SUFFIXES.get(os.path.splitext(stem.removesuffix(".gz"))[1])  # noqa: PTH122 - a name, no path
    return (kind, compressed) if kind else None


def printable(path: str) -> str:
    """Return the path as one line of valid Unicode: other bytes and controls as escapes."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(
        c if c.isprintable() or c == "\u200c" else c.encode("unicode_escape").decode() for c in text
    )


def find(paths: Sequence[Path]) -> Iterator[File | Refusal | Omitted]:
    """Yield what each path holds, folders in the order of their names.

    Origins are relative to the parent of the path given: `seeds/a.txt` for the path `seeds`.
    """
    for path in paths:
        top = Path(os.path.abspath(path))  # noqa: PTH100 - keeps a symlink's own name
        yield from _visit(top, top.parent, ())


def _visit(
    path: Path, base: Path, above: tuple[tuple[int, int], ...]
) -> Iterator[File | Refusal | Omitted]:
    """Yield what one path holds; `above` are device and inode of the folders that lead here."""
    origin = printable(os.path.relpath(path, base))
    try:
        status = path.stat()
        if not stat.S_ISDIR(status.st_mode):
            yield _file(path, origin, status)
            return
        if (here := (status.st_dev, status.st_ino)) in above:
            yield Refusal(origin=origin, reason="symlink_loop", detail=f"leads to {_target(path)}")
            return
        names = sorted(os.listdir(path))  # noqa: PTH208 - names alone: a folder may hold millions
    except OSError as error:
        yield refused(origin, error)
        return
    for name in names:
        if name.startswith("."):
            yield Omitted(reason="hidden_file")
        else:
            yield from _visit(path / name, base, (*above, here))


def _file(path: Path, origin: str, status: os.stat_result) -> File | Refusal:
    if not stat.S_ISREG(status.st_mode):
        return Refusal(origin=origin, reason="not_a_file", detail="a socket, pipe or device")
    known = kind_of(path.name)
    if known is None:
        return Refusal(origin=origin, reason="unknown_kind", detail=KNOWN)
    return File(
        path=path,
        origin=origin,
        key=printable(os.path.realpath(path)),
        kind=known[0],
        compressed=known[1],
        size_bytes=status.st_size,
        modified_ns=status.st_mtime_ns,
    )


def _target(path: Path) -> str:
    return printable(os.path.realpath(path))


def refused(origin: str, error: OSError) -> Refusal:
    """Return the refusal of a file that the operating system will not give us."""
    if isinstance(error, FileNotFoundError):
        return Refusal(origin=origin, reason="missing", detail="no such file or folder")
    if error.errno == errno.ELOOP:
        return Refusal(origin=origin, reason="symlink_loop", detail="a link that leads to itself")
    return Refusal(origin=origin, reason="unreadable", detail=error.strerror or str(error))
