"""A state directory in, its lock, its log files and a short private place for sockets out."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from services.local import unroot
from services.shared.errors import LocalServersError

#: A socket's path may have 107 bytes on Linux and 103 on macOS; ours end in /.s.PGSQL.5432.
LONGEST_ROOT = 55
TEMPORARY = "rasid-tmp-"
#: Seconds after which a temporary directory whose lock nobody holds was left behind.
ABANDONED_AFTER = 60.0
LOG_KEPT_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one set of servers keeps its files, and how it runs."""

    state: Path
    sockets: Path
    mode: unroot.Mode
    durable: bool

    def socket(self, name: str) -> Path:
        """Return the socket of the Valkey called `name`."""
        return self.sockets / f"{name}.sock"


def sockets_root() -> Path:
    """Return a directory with a short path in which we may make directories."""
    choices = [tempfile.gettempdir()]
    if os.geteuid() != 0:  # root's is closed to the user nobody
        choices.insert(0, os.environ.get("XDG_RUNTIME_DIR", ""))
    for choice in filter(None, choices):
        if len(os.fsencode(choice)) <= LONGEST_ROOT and os.access(choice, os.W_OK | os.X_OK):
            return Path(choice)
    return Path("/tmp")  # noqa: S108 - a private directory is made in it


def sockets_directory(state: Path) -> Path:
    """Make and return the directory for the sockets of `state`, open to this user only.

    The state directory itself may lie too deep for a socket, or on a disk that cannot hold one.

    Raises:
        LocalServersError: somebody else made a directory of that name.
    """
    _sweep_sockets()
    digest = hashlib.sha256(os.fsencode(state)).hexdigest()[:12]
    directory = sockets_root() / f"rasid-{os.getuid()}-{digest}"
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o700)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.getuid(), _nobody_if_root()):
        raise LocalServersError(f"{directory} belongs to another user: remove it, or set TMPDIR")
    os.chown(directory, os.getuid(), os.getgid())
    directory.chmod(0o700)
    with contextlib.suppress(FileExistsError):
        (directory / "state").symlink_to(state)
    return directory


def temporary() -> Path:
    """Make and return a new state directory; those of programs killed with their guard go."""
    for old in sockets_root().glob(f"{TEMPORARY}*"):
        with contextlib.suppress(OSError):
            if old.stat().st_mtime < time.time() - ABANDONED_AFTER and (held := lock(old)):
                with held:
                    remove(old)
    return Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=sockets_root()))


def lock(state: Path) -> IO[bytes] | None:
    """Return the held lock of the state directory, or None when another process holds it."""
    handle = (state / "lock").open("ab")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        return None
    return handle


def log_file(state: Path, name: str) -> Path:
    """Return where the process `name` logs; a large old log moves aside as NAME.log.1."""
    path = state / "log" / f"{name}.log"
    path.parent.mkdir(exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_KEPT_BYTES:
        path.replace(path.with_suffix(".log.1"))
    return path


def said(log: Path) -> str:
    """Return the name of a log and its last lines, for a message that says what went wrong."""
    lines = log.read_text("utf-8", "replace").splitlines()[-4:] if log.exists() else []
    return "\n  ".join([f"the end of {log}:", *lines])


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user may read, in one step."""
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    new.replace(path)


def remove(directory: Path) -> None:
    """Remove the directory and all in it, if it is there."""
    shutil.rmtree(directory, ignore_errors=True)


def _sweep_sockets() -> None:
    """Remove the directories of guards that were killed with their keepers."""
    for old in sockets_root().glob(f"rasid-{os.getuid()}-*"):
        with contextlib.suppress(OSError):
            state = (old / "state").readlink()
            held = lock(state) if state.exists() else contextlib.nullcontext()
            if held:  # nobody runs servers there
                with held:
                    remove(old)


def _nobody_if_root() -> int:
    return unroot.NOBODY.pw_uid if os.getuid() == 0 else os.getuid()
