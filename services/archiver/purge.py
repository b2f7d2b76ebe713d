"""Pages that must go; files of the archive without them take the place of those that have them."""

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

from services.archiver import index, members, records, verify
from services.archiver.places import Place, open_place
from services.shared.errors import RasidError
from services.storage import Connection, archives
from services.storage.archives import Capture, File
from services.storage.purges import Page

REVISION = re.compile(r"(?:-r(\d+))?\.warc\.gz$")


@dataclass(frozen=True, slots=True)
class _Member:
    """A record as it lies in a file, and its line of the index."""

    packed: bytes
    key: str
    at: str
    entry: dict[str, str]

    @property
    def digest(self) -> str:
        return self.entry["digest"]


def rewrite(
    connection: Connection, pages: Sequence[Page], work: Path, report: Callable[[str], None]
) -> int:
    """Write the files that hold these pages anew, without them; return how many.

    Repeatable: what is done is not done again, and what a killed run left behind goes.

    Raises:
        RasidError: a file is not what it should be; it stays as it is.
        OSError: a file cannot be read or written.
    """
    count = 0
    own = work / archives.mark(connection)
    for file, mine in holding(connection, pages):
        if _rewrite(connection, open_place(file.folder), file, mine, own):
            report(f"{file.name} written anew")
            count += 1
    return count


def holding(connection: Connection, pages: Sequence[Page]) -> Iterator[tuple[File, list[Page]]]:
    """Yield the files that may hold these pages, and which.

    Also those of days before a page came again, which its row does not name any more: their
    indexes are asked.

    Raises:
        OSError: a file cannot be read.
    """
    for file in archives.holding(connection, [page.capture_sha256 for page in pages]):
        mine = [page for page in pages if page.captured_on == file.captured_on]
        others = [page for page in pages if page.captured_on > file.captured_on]
        if others:
            with open_place(file.folder).open(index.name_of(file.name)) as stored:
                mine += [page for page in others if _is_listed(stored, page)]
        if mine:
            yield file, mine


def _is_listed(stored: BinaryIO, page: Page) -> bool:
    digest = records.digest_of(page.capture_sha256)
    targets = (
        records.target_of(page.final_url or page.requested_url, page.id),
        records.target_of_body(page.capture_sha256),
    )
    return any(
        entry["digest"] == digest
        for target in targets
        for entry in index.find(stored, records.key_of(target))
    )


def _rewrite(
    connection: Connection, place: Place, file: File, pages: Sequence[Page], work: Path
) -> bool:
    ids = [page.id for page in pages]
    digests = {records.digest_of(page.capture_sha256): page.capture_sha256 for page in pages}
    name = _next_name(file.name)
    lines: list[str] = []
    work.mkdir(parents=True, exist_ok=True)
    path, taken = work / name, 0
    with path.open("wb") as out:
        size = out.write(records.info(name, file.captured_on))
        for digest, group in groupby(_members(place, file), key=lambda member: member.digest):
            same = list(group)
            made = None
            if digest in digests:
                sha256 = digests[digest]
                kept = archives.pages_of(connection, file.captured_on, sha256, ids)
                if _names_any(same, ids) or not kept:
                    made = _without(same, sha256, kept, file)
                    taken += 1
            for member in same if made is None else made:
                offset, size = size, size + out.write(member.packed)
                where = {"length": str(len(member.packed)), "offset": str(offset), "filename": name}
                entry = json.dumps({**member.entry, **where}, ensure_ascii=False)
                lines.append(f"{member.key} {member.at} {entry}\n")
    if taken:
        _take_place(connection, place, file, path, lines)
    else:
        path.unlink()
    # Also what a killed run has left.
    former, number = REVISION.sub("", file.name), _revision(file.name) + (1 if taken else 0)
    for old in range(number):
        older = f"{former}{f'-r{old}' if old else ''}.warc.gz"
        place.remove(older)
        place.remove(index.name_of(older))
    return bool(taken)


def _take_place(
    connection: Connection, place: Place, file: File, path: Path, lines: Sequence[str]
) -> None:
    held = verify.put(place, path, lines)
    noted = replace(
        file,
        name=path.name,
        captures_count=len(held.bodies),
        pages_count=len(lines),
        revisits_count=held.revisits,
        size_bytes=held.bytes,
        file_sha256=held.sha256,
        index_sha256=held.index_sha256,
    )
    archives.rewritten(connection, file, noted)


def _members(place: Place, file: File) -> Iterator[_Member]:
    """Yield the records of a file in their order."""
    with place.open(index.name_of(file.name)) as stored:
        lines = [line.decode().rstrip("\n").split(" ", 2) for line in stored.readlines()]
    entries = [(key, at, json.loads(entry)) for key, at, entry in lines]
    entries.sort(key=lambda one: int(one[2]["offset"]))
    with place.open(file.name) as stored:
        for key, at, entry in entries:
            stored.seek(int(entry["offset"]))
            yield _Member(stored.read(int(entry["length"])), key, at, entry)


def _names_any(same: Sequence[_Member], ids: Collection[str]) -> bool:
    named = (members.parsed(member.packed).headers.get("Rasid-Page-ID") for member in same)
    return any(page_id in ids for page_id in named)


def _without(
    same: Sequence[_Member],
    sha256: bytes,
    kept: tuple[archives.ArchivedPage, ...],
    file: File,
) -> list[_Member]:
    """Return the records of a body for the pages that stay; none where none do."""
    if not kept:
        return []
    first = members.parsed(same[0].packed)
    body = members.body(first, first.reader.read())
    if hashlib.sha256(body).digest() != sha256:
        raise RasidError(f"{file.folder}: {file.name}: a body is not the one it was")
    capture = Capture(sha256, b"", kept[0].at, kept)
    return [
        _Member(one.packed, one.key, one.time, one.entry)
        for one in records.of_capture(capture, body, file.captured_on)
    ]


def _revision(name: str) -> int:
    found = REVISION.search(name)
    return int(found[1]) if found and found[1] else 0


def _next_name(name: str) -> str:
    return REVISION.sub("", name) + f"-r{_revision(name) + 1}.warc.gz"
