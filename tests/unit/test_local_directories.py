"""Directories of the embedded servers: whose they are, and that none pile up."""

import os
import shutil
from pathlib import Path

import pytest

from services.local import directories, unroot
from services.shared.errors import LocalServersError


@pytest.fixture(autouse=True)
def _sockets_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directories, "sockets_root", lambda: tmp_path)


def test_one_directory_for_one_state(tmp_path: Path) -> None:
    """The same state has the same private directory, another one another."""
    first = directories.sockets_directory(tmp_path / "a")

    assert first.stat().st_mode & 0o777 == 0o700
    assert directories.sockets_directory(tmp_path / "a") == first
    assert directories.sockets_directory(tmp_path / "b") != first


def test_sockets_of_the_dead_go(tmp_path: Path) -> None:
    """Directories of states that nobody runs, or that are gone, do not pile up."""
    used, unused, gone = (tmp_path / name for name in ("used", "unused", "gone"))
    for state in (used, unused):
        state.mkdir()
    with directories.lock(used) or pytest.fail("not locked"):
        sockets = [directories.sockets_directory(used)]
        sockets += [directories.sockets_directory(state) for state in (unused, gone)]
        directories.sockets_directory(tmp_path / "another")

        assert [path.exists() for path in sockets] == [True, False, False]


def test_too_open_directory_is_closed(tmp_path: Path) -> None:
    """A directory of ours that was opened to others is closed before sockets are put in it."""
    directories.sockets_directory(tmp_path / "a").chmod(0o777)

    assert directories.sockets_directory(tmp_path / "a").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("trap", ["link", "file", "foreign"])
def test_traps_are_refused(tmp_path: Path, trap: str) -> None:
    """What another user put in its place, a link or a file or a directory, is not used."""
    path = directories.sockets_directory(tmp_path / "a")
    directories.remove(path)
    if trap == "link":
        (tmp_path / "elsewhere").mkdir()
        path.symlink_to(tmp_path / "elsewhere")
    elif trap == "file":
        path.touch()
    elif os.geteuid() == 0:
        path.mkdir()
        os.chown(path, 12345, 12345)
    else:
        pytest.skip("only root can give a directory away")

    with pytest.raises(LocalServersError, match="belongs to another user"):
        directories.sockets_directory(tmp_path / "a")


def test_abandoned_directories_go() -> None:
    """A temporary directory whose program was killed goes; young and used ones stay."""
    abandoned, used, young = (directories.temporary() for _ in range(3))
    for path in (abandoned, used, young):
        (path / "lock").touch()
    for path in (abandoned, used):
        os.utime(path, (0, 0))
    with directories.lock(used) or pytest.fail("not locked"):
        directories.temporary()

    assert [path.exists() for path in (abandoned, used, young)] == [False, True, True]


def test_one_lock(tmp_path: Path) -> None:
    """A state directory has one owner at a time."""
    held = directories.lock(tmp_path)
    assert held
    assert directories.lock(tmp_path) is None
    held.close()

    again = directories.lock(tmp_path)
    assert again
    again.close()


def test_long_logs_move_aside(tmp_path: Path) -> None:
    """A log that has grown large is kept once and begun anew."""
    log = directories.log_file(tmp_path, "x")
    log.write_bytes(b"x" * (directories.LOG_KEPT_BYTES + 1))

    assert not directories.log_file(tmp_path, "x").exists()
    assert (tmp_path / "log" / "x.log.1").exists()


def test_programs_are_copied_by_many_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each gets the same copy, whole, also one who began before another was done."""
    programs = tmp_path / "packages" / "postgres" / "install" / "bin"
    programs.mkdir(parents=True)
    (programs / "postgres").touch()
    (tmp_path / "packages" / "postgres.libs").mkdir()
    (tmp_path / "packages" / "postgres.libs" / "libpq.so").touch()
    shared = tmp_path / "shared"
    shared.mkdir()
    monkeypatch.setattr(unroot, "SHARED_ROOT", shared)
    monkeypatch.setattr(unroot, "reachable", lambda _: False)
    copytree, others = shutil.copytree, list[Path]()

    def overtaken(source: Path, target: Path) -> None:
        monkeypatch.setattr(shutil, "copytree", copytree)
        others.append(unroot.readable_copy(programs))
        copytree(source, target)

    monkeypatch.setattr(shutil, "copytree", overtaken)
    found = unroot.readable_copy(programs)

    assert others == [found] == [unroot.readable_copy(programs)]
    assert (found / "postgres").exists()
    assert [path.name for path in shared.rglob("*.so")] == ["libpq.so"]
    assert (shared / found.relative_to(shared).parts[0]).stat().st_mode & 0o777 == 0o755
    assert len(list(shared.iterdir())) == 1
