"""A folder or an address in; where files of the archive are put and read.

A folder needs nothing. An address such as `s3://bucket/rasid` is opened by fsspec, which finds
keys and endpoint where all tools of that store look for them: the environment, files of the user.
"""

import importlib
import os
import shutil
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from urllib.parse import urlsplit

from services.shared.errors import RasidError


class Place(Protocol):
    """Files by their names."""

    def put(self, file: Path, name: str) -> None:
        """Move a file here; under its name it is whole or not there."""

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading at any position."""

    def remove(self, name: str) -> None:
        """Remove a file if it is there."""


class Folder:
    """A folder on this machine."""

    def __init__(self, path: Path) -> None:
        """Make it if it is not there."""
        self._path = path

    def put(self, file: Path, name: str) -> None:
        """Move a file here; also from another disk."""
        self._path.mkdir(parents=True, exist_ok=True)
        part = self._path / f"{name}.part"
        shutil.move(file, part)
        _sync(part)
        part.replace(self._path / name)
        _sync(self._path)

    def open(self, name: str) -> BinaryIO:
        """Open a file."""
        return (self._path / name).open("rb")

    def remove(self, name: str) -> None:
        """Remove a file."""
        (self._path / name).unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Have what was written to a file, or the names in a folder, on disk when this returns."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Remote:
    """Whatever fsspec opens."""

    def __init__(self, address: str) -> None:
        """Find what opens such addresses.

        Raises:
            RasidError: nothing here does.
        """
        try:
            fsspec: Any = importlib.import_module("fsspec.core")  # an extra

            self._files: Any
            self._files, self._path = fsspec.url_to_fs(address)
        except (ImportError, ValueError) as error:
            raise RasidError(
                f"{address.partition('://')[0]}:// cannot be opened ({error}): "
                "install the extra, pip install 'rasid[s3]'"
            ) from error

    def put(self, file: Path, name: str) -> None:
        """Send a file there; a store of objects shows it when it is whole."""
        self._files.makedirs(self._path, exist_ok=True)
        self._files.put_file(str(file), self._name(name))
        file.unlink()

    def open(self, name: str) -> BinaryIO:
        """Open a file; what is read is fetched in ranges."""
        opened: BinaryIO = self._files.open(self._name(name), "rb")
        return opened

    def remove(self, name: str) -> None:
        """Remove a file."""
        if self._files.exists(self._name(name)):
            self._files.rm_file(self._name(name))

    def _name(self, name: str) -> str:
        return f"{self._path.rstrip('/')}/{name}"


def open_place(address: str) -> Place:
    """Return the place with this address.

    Raises:
        RasidError: nothing here opens such addresses.
    """
    if "://" in address:
        if urlsplit(address).password:
            raise RasidError("an address with a password would be stored: give it as its tools do")
        return Remote(address)
    return Folder(Path(address))


def full(address: str) -> str:
    """Return the address as it is noted: the same from wherever it is read."""
    return address.rstrip("/") if "://" in address else str(Path(address).expanduser().resolve())
