"""The user we run as in, a way to stop being root out, because Postgres refuses to run as root."""

import ctypes
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Literal

LINUX = sys.platform == "linux"
NOBODY = pwd.getpwnam("nobody")
CLONE_NEWUSER = 0x10000000
#: Where copies for the user nobody go: readable by all, and kept when the machine restarts.
SHARED_ROOT = Path("/var/tmp")  # noqa: S108 - what we make there is root's or nobody's
#: Seconds within which a copy is made, unless its maker was killed.
COPIED_WITHIN = 3600.0

#: user_namespace: root here is an ordinary user in there, so all of our files stay within reach.
#: nobody: where user namespaces are refused (some containers); files must be made reachable.
Mode = Literal["not_root", "user_namespace", "nobody"]


def choose() -> Mode:
    """Return how to start Postgres; RASID_UNROOT=nobody avoids user namespaces."""
    if os.geteuid() != 0:
        return "not_root"
    if LINUX and os.environ.get("RASID_UNROOT") != "nobody" and _runs(["/bin/true"]):
        return "user_namespace"
    return "nobody"


def enter(mode: Mode) -> None:
    """Stop being root, in a process just forked; a process cannot go back."""
    if mode == "user_namespace":
        _enter_user_namespace()
    elif mode == "nobody":
        os.setgroups([])
        os.setgid(NOBODY.pw_gid)
        os.setuid(NOBODY.pw_uid)


def own(mode: Mode, directory: Path) -> None:
    """Give the directory and all in it to the user that Postgres will run as.

    It may have been another one the last time, in another container for example.
    """
    if mode == "not_root" or directory.stat().st_uid == _owner(mode)[0]:
        return
    for path in (directory, *directory.rglob("*")):
        os.chown(path, *_owner(mode), follow_symlinks=False)


def own_one(mode: Mode, directory: Path) -> None:
    """Give the directory itself to the user that Postgres will run as."""
    if mode != "not_root":
        os.chown(directory, *_owner(mode))


def reachable(path: Path) -> bool:
    """Return whether the user nobody can read and enter `path`."""
    return _runs(["/bin/sh", "-c", 'test -r "$1" && test -x "$1"', "sh", str(path)], "nobody")


def readable_copy(programs: Path) -> Path:
    """Return `programs`, the Postgres bin directory, or a copy that the user nobody can run."""
    if reachable(programs / "postgres"):
        return programs
    install, package = programs.parent, programs.parents[1]
    stamp = (programs / "postgres").stat().st_mtime_ns
    copy = SHARED_ROOT / f"rasid-programs-{stamp:x}"
    if not copy.exists():
        _make_copy(package, install, copy)
    if copy.lstat().st_uid != os.geteuid():
        raise PermissionError(f"{copy} belongs to another user; remove it")
    return copy / package.name / install.name / programs.name


def _make_copy(package: Path, install: Path, copy: Path) -> None:
    """Make a copy that is whole as soon as it is there; of many who make it at once one is kept."""
    for old in copy.parent.glob(f"{copy.name}.new-*"):
        if old.lstat().st_mtime < time.time() - COPIED_WITHIN:  # its maker was killed
            shutil.rmtree(old, ignore_errors=True)
    new = Path(tempfile.mkdtemp(prefix=f"{copy.name}.new-", dir=copy.parent))
    try:
        shutil.copytree(install, new / package.name / install.name)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():  # the programs look for it at this place beside them
            shutil.copytree(libraries, new / libraries.name)
        new.chmod(0o755)
        try:
            new.rename(copy)
        except OSError:
            if not copy.exists():  # else another was quicker
                raise
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _owner(mode: Mode) -> tuple[int, int]:
    return (NOBODY.pw_uid, NOBODY.pw_gid) if mode == "nobody" else (0, os.getegid())


def _enter_user_namespace() -> None:
    uid, gid = os.geteuid(), os.getegid()
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    for name, text in (
        ("setgroups", "deny"),  # or the group map is refused
        ("uid_map", f"{NOBODY.pw_uid} {uid} 1"),
        ("gid_map", f"{NOBODY.pw_gid} {gid} 1"),
    ):
        Path(f"/proc/self/{name}").write_text(text, "ascii")


def _runs(argv: list[str], mode: Mode = "user_namespace") -> bool:
    try:
        finished = subprocess.run(  # noqa: S603 - fixed commands
            argv,
            preexec_fn=lambda: enter(mode),
            capture_output=True,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return finished.returncode == 0
