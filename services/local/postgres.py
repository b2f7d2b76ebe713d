"""A place in, the command that runs Postgres there out, its data directory made when missing."""

import locale
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from services.local import binaries, directories, unroot
from services.local.directories import Place
from services.local.processes import Command, stop_stale
from services.shared.errors import LocalServersError

USER = "rasid"
CREATE_DATABASE = Path(__file__).with_name("create_database.sql")
SOCKET = ".s.PGSQL.5432"
STATUS_LINE = 7  # of postmaster.pid
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_wal_size": "512MB",
    "min_wal_size": "32MB",
    "random_page_cost": "1.1",
    # A container's /dev/shm may be as small as 64 MB.
    "dynamic_shared_memory_type": "mmap",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %a ",
}
#: For tests: after a power cut the data is lost, but there is none to keep.
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

#: Runs a command to its end and returns its exit code, or raises when told to stop.
Run = Callable[[Command], int]


def command(place: Place, run: Run) -> Command:
    """Return the command that serves the data of `place`; `run` runs what makes that data.

    Raises:
        LocalServersError: the data directory cannot be made.
    """
    programs, data = binaries.postgres_bin(), place.state / "pg"
    if place.mode == "nobody":
        programs, data = _reachable_by_nobody(programs, place)
    data = data.resolve()
    unroot.own_one(place.mode, data.parent)
    if not (data / "PG_VERSION").exists():
        _make_data(place, programs, data, run)
    unroot.own(place.mode, data)
    stop_stale(data / "postmaster.pid", str(data), signal.SIGINT)
    settings = SETTINGS | {"unix_socket_directories": str(place.sockets)}
    if not place.durable:
        settings |= NOT_DURABLE
    flags = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
    # SIGINT is its fast stop: clients are sent away, nothing is lost.
    return _command(
        place, "postgres", [str(programs / "postgres"), "-D", str(data), *flags], signal.SIGINT
    )


def ready(place: Place) -> bool:
    """Return whether Postgres says of itself that it takes connections."""
    try:
        lines = (place.state / "pg" / "postmaster.pid").read_text("utf-8", "replace").splitlines()
    except OSError:
        return False
    return len(lines) > STATUS_LINE and lines[STATUS_LINE].strip() == "ready"


def answers(sockets: Path) -> bool:
    """Return whether a Postgres listens in this directory of sockets."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1.0)
        return connection.connect_ex(str(sockets / SOCKET)) == 0


def url(place: Place) -> str:
    """Return the address of the database for libpq."""
    return f"postgresql://{USER}@/{USER}?host={quote(str(place.sockets), safe='')}"


def character_type() -> str:
    """Return the first LC_CTYPE of this machine that knows Unicode.

    With any other one pg_trgm and text search silently see no Arabic letters, whatever the
    database's own locale says.
    """
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        for name in ("C.UTF-8", "C.utf8", "en_US.UTF-8", "en_US.utf8"):
            try:
                locale.setlocale(locale.LC_CTYPE, name)
            except locale.Error:
                continue
            return name
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
    raise LocalServersError(
        "this machine has no UTF-8 locale (C.UTF-8 or en_US.UTF-8), which Arabic search needs: "
        "install one, or set DATABASE_URL and REDIS_URL to use servers of your own"
    )


def _make_data(place: Place, programs: Path, data: Path, run: Run) -> None:
    unfinished = data.with_name("pg.new")  # one that was interrupted never looks like a whole one
    directories.remove(unfinished)
    initdb = [
        str(programs / "initdb"),
        *("-D", str(unfinished), "-U", USER, "-A", "trust", "-E", "UTF8"),
        *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        *("--locale=C", f"--lc-ctype={character_type()}"),
        *("--wal-segsize=4", "--no-instructions"),
        *([] if place.durable else ["--no-sync"]),
    ]
    single = [str(programs / "postgres"), "--single", "-D", str(unfinished), "postgres"]
    for argv, stdin in ((initdb, None), (single, CREATE_DATABASE)):
        step = _command(place, "postgres", argv, signal.SIGKILL, stdin)
        if run(step) != 0:
            raise LocalServersError(f"Postgres' data cannot be made; {directories.said(step.log)}")
    unfinished.rename(data)


def _command(
    place: Place, name: str, argv: list[str], stop_signal: int, stdin: Path | None = None
) -> Command:
    # Its messages would follow the user's LANG, and fail where that locale is not installed.
    env = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "PG"))}
    return Command(
        name=name,
        argv=tuple(argv),
        log=directories.log_file(place.state, name),
        env=env | {"LC_ALL": "C"},
        stop_signal=stop_signal,
        restart=True,
        mode=place.mode,
        stdin=stdin,
    )


def _reachable_by_nobody(programs: Path, place: Place) -> tuple[Path, Path]:
    """Return programs and data where the user nobody can reach them, and give it the sockets."""
    unroot.own_one(place.mode, place.sockets)
    unroot.own_one(place.mode, place.state)
    data = place.state / "pg"
    if not data.is_symlink() and not data.exists() and not unroot.reachable(place.state):
        # The state lies below a directory closed to others: a link in it leads to the data.
        outside = unroot.SHARED_ROOT / f"{place.sockets.name}-{os.urandom(4).hex()}"
        outside.mkdir(mode=0o700)
        unroot.own_one(place.mode, outside)
        data.symlink_to(outside / "pg")
    return unroot.readable_copy(programs), data
