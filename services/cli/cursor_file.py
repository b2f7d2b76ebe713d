"""A position that outlives its process: written whole or not at all, and held by one at a time."""

import fcntl
import os
from pathlib import Path

from services.shared.errors import RasidError

MOST_DIGITS = 18  # of a position


class CursorFile:
    """A file with one number; `FILE.lock` beside it says that somebody uses it."""

    def __init__(self, path: Path) -> None:
        """Take the file for this process.

        Raises:
            RasidError: another process has it, or it cannot be written.
        """
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Held until the process ends, however it ends.
            self._lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RasidError(f"another process uses the cursor {path}") from None
        except OSError as error:
            raise RasidError(f"cannot keep a cursor in {path}: {error.strerror}") from error

    def read(self) -> int | None:
        """Return the position, or None where none was written yet.

        Raises:
            RasidError: the file holds something else.
        """
        try:
            text = self._path.read_text("ascii").strip()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise RasidError(f"cannot read the cursor {self._path}: {error}") from error
        if not text.isdigit() or len(text) > MOST_DIGITS:
            raise RasidError(f"{self._path} holds no position: {text[:40]!r}")
        return int(text)

    def write(self, position: int) -> None:
        """Write the position; when this returns it is on the disk.

        Raises:
            RasidError: it could not be written; the old one is still there.
        """
        new = self._path.with_name(self._path.name + ".new")
        try:
            with new.open("w", encoding="ascii") as file:
                file.write(f"{position}\n")
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path)
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise RasidError(f"cannot write the cursor {self._path}: {error.strerror}") from error
