"""A hash in; the bytes of that capture out, from the database or from the archive."""

from datetime import date

from fastwarc.warc import WarcRecord

from services.archiver import index, members, records
from services.archiver.places import Place, open_place
from services.shared.errors import RasidError
from services.storage import Connection, archives, captures


def body(connection: Connection, sha256: bytes, day: date | None = None) -> bytes | None:
    """Return the body with this hash as it was received; None where it is kept nowhere any more.

    `day` is the page's `captured_on`, which makes it quick; without it, or where it is not kept
    under that day, all days are looked into.

    Raises:
        RasidError: a file of the archive that should have it cannot be read.
        TransientError: Postgres is away.
    """
    found = captures.body(connection, sha256, day)
    return found if found is not None else archived(connection, sha256, day)


def archived(connection: Connection, sha256: bytes, day: date | None = None) -> bytes | None:
    """Return the body with this hash from the archive; None where no file has it."""
    tried = set()
    for known in (day, None) if day else (None,):
        for where in archives.places(connection, sha256, known):
            targets = [records.target_of_body(sha256)]
            if where.page_id:
                targets.insert(0, records.target_of(where.url, where.page_id))
            for target in targets:
                key = records.key_of(target)
                if (where.name, key) in tried:
                    continue
                tried.add((where.name, key))
                try:
                    found = _read(open_place(where.folder), where.name, key, sha256)
                except OSError as error:
                    if not _is_there(connection, where, sha256):
                        # A purge has just written it anew, and it has another name.
                        return archived(connection, sha256, day)
                    raise RasidError(f"{where.folder}: {where.name}: {error}") from error
                if found is not None:
                    return found
    return None


def _is_there(connection: Connection, where: archives.Place, sha256: bytes) -> bool:
    files = archives.holding(connection, [sha256])
    return any((file.folder, file.name) == (where.folder, where.name) for file in files)


def _read(place: Place, name: str, key: str, sha256: bytes) -> bytes | None:
    digest = records.digest_of(sha256)
    with place.open(index.name_of(name)) as file:
        entries = [one for one in index.find(file, key) if one["digest"] == digest]
        if not entries:
            return None
        whole = [one for one in entries if one["mime"] != "warc/revisit"]
        if not whole:
            # Another page had the same body before it in the file.
            revisit = _record(place, name, entries[0])
            first = revisit.headers.get("WARC-Refers-To-Target-URI") or ""
            whole = [
                one
                for one in index.find(file, records.key_of(first))
                if one["digest"] == digest and one["mime"] != "warc/revisit"
            ]
    if not whole:
        return None
    record = _record(place, name, whole[0])
    return members.body(record, record.reader.read())


def _record(place: Place, name: str, entry: dict[str, str]) -> WarcRecord:
    with place.open(name) as file:
        file.seek(int(entry["offset"]))
        packed = file.read(int(entry["length"]))
    try:
        return members.parsed(packed)
    except OSError as error:
        raise OSError(f"at byte {entry['offset']}: {error}") from error
