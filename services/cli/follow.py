"""`rasid follow`: the change feed as JSON lines, and where it goes on after whatever happens."""

import json
import os
import re
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from services.cli.app import app, progress_console, settings_of
from services.cli.cursor_file import CursorFile
from services.cli.session import servers
from services.shared.errors import RasidError, TransientError
from services.storage.change_feed import Change, CursorLost, Reader

#: Between two looks: a notification comes sooner, but may also be lost.
LOOK_S = 1.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0

POSITION = re.compile("[0-9]{1,18}")

Deliver = Callable[[Sequence[Change]], None]


class NotDelivered(RasidError):
    """The command that was to take a batch has failed; it will be asked again."""


@app.command()
def follow(
    context: typer.Context,
    cursor_file: Annotated[
        Path | None, typer.Option(help="Keep the position here; go on from it the next time.")
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="Keep the position in the state directory, under this name."),
    ] = None,
    start: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="start|now|POSITION",
            help="Where to begin while no position is kept: with the oldest change there is, with "
            "what comes from now on, or after a position.",
        ),
    ] = "start",
    rewind: Annotated[
        bool,
        typer.Option(
            "--rewind",
            help="Where the kept position is refused because the database was restored from a "
            "backup: go back to the last position that it still has.",
        ),
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Add the article to each change, as it is now.")
    ] = False,
    command: Annotated[
        str | None,
        typer.Option(
            "--exec",
            metavar="COMMAND",
            help="Run this for each batch, with the lines on its standard input. When it fails it "
            "is run again with the same lines, until it succeeds.",
        ),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Until there is nothing new, then return.")
    ] = False,
    batch: Annotated[
        int, typer.Option(min=1, max=100_000, help="Changes read and delivered at a time.")
    ] = 500,
) -> None:
    """Follow the change feed: each change as one line of JSON, in order, none left out.

    The position is kept after a batch was delivered, so after a crash some changes may come again,
    with the same positions. A batch is delivered when it is written to standard output, or when
    the command has ended with status 0; that one finds the first and last position of its batch
    in RASID_FIRST_POSITION and RASID_LAST_POSITION. Role rasid_reader is enough.

    \b
    Examples:
      rasid follow --from now                                  what happens, as it happens
      rasid follow --once | jq -r .kind | sort | uniq -c       what has happened so far
      rasid follow --full --name search --exec ./index.sh      keep something else up to date
      rasid follow --cursor-file /var/lib/mine/cursor >> changes.jsonl
      rasid follow --name search --rewind --exec ./index.sh    after a backup was restored
    """
    settings = settings_of(context)
    if cursor_file and name:
        raise RasidError("--name and --cursor-file are two ways to say where: give one")
    if name is not None:
        if not name or Path(name).name != name:
            raise RasidError(f"--name {name!r} is no name: letters, digits, - and _")
        cursor_file = settings.state_dir / "cursors" / name
    if start not in ("start", "now") and not POSITION.fullmatch(start):
        raise RasidError(f"--from is start, now or a position, not {start!r}")
    if rewind and not cursor_file:
        raise RasidError("--rewind needs a kept position: --name or --cursor-file; else see --from")
    cursor = CursorFile(cursor_file) if cursor_file else None
    stop = _stop_in_order()
    deliver = _print if command is None else lambda changes: _run(command, changes)
    if command is None:
        _begin_line()
    with servers(settings, redis=False) as session:
        follower = Follower(
            session.database_url, cursor, start, deliver, batch, full, stop, rewind=rewind
        )
        try:
            follower.follow(once=once)
        except CursorLost as error:
            way = "--rewind" if cursor else "--from"
            raise RasidError(f"{error} `rasid follow {way}` does so.") from error


@dataclass(slots=True)
class Follower:
    """Reads, delivers, keeps the position; in this order, for ever."""

    database_url: str
    cursor: CursorFile | None
    start: str
    deliver: Deliver
    batch: int
    full: bool
    stop: threading.Event
    rewind: bool = False
    reader: Reader | None = None

    def follow(self, *, once: bool) -> None:
        """Deliver what there is and, but for `once`, what will be, until told to stop.

        Raises:
            RasidError: the cursor is refused; with `once`, also whatever else a retry may mend.
        """
        position = self.cursor.read() if self.cursor else None
        changes: list[Change] = []
        wait, told = FIRST_WAIT_S, ""
        try:
            while not self.stop.is_set():
                try:
                    self.reader = self.reader or Reader(self.database_url)
                    if position is None or self.rewind:
                        position = self._begin(self.reader, position)
                    changes = changes or self.reader.read(position, self.batch, full=self.full)
                    if changes:
                        self.deliver(changes)
                        position = int(changes[-1]["position"])
                        changes = []
                        self._keep(position)
                    elif once:
                        return
                    else:
                        self.reader.wait(LOOK_S)
                except (TransientError, NotDelivered) as error:
                    if once:
                        raise
                    if isinstance(error, TransientError):
                        self._close()
                    if str(error) != told:
                        progress_console().print(f"{error}; trying again")
                    told = str(error)
                    self.stop.wait(wait)
                    wait = min(wait * 2, LONGEST_WAIT_S)
                else:
                    wait, told = FIRST_WAIT_S, ""
        finally:
            self._close()

    def _begin(self, reader: Reader, kept: int | None) -> int:
        if kept is None:
            first, last = reader.reach()
            named = {"start": first, "now": last}.get(self.start)
            position = int(self.start) if named is None else named
        else:
            position = reader.shared(kept)
        self.rewind = False  # once: what is restored later is to be noticed
        if position != kept:
            if kept is not None:
                progress_console().print(f"going back from position {kept} to {position}")
            self._keep(position)
        return position

    def _keep(self, position: int) -> None:
        if self.cursor:
            self.cursor.write(position)

    def _close(self) -> None:
        if self.reader:
            self.reader.close()
            self.reader = None


def _stop_in_order() -> threading.Event:
    """Finish the batch at the first SIGTERM or SIGINT; the second ends the process at once."""
    stop = threading.Event()

    def ask(number: int, _frame: object) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask)
    return stop


def _lines(changes: Sequence[Change]) -> str:
    return "".join(f"{json.dumps(change, ensure_ascii=False)}\n" for change in changes)


def _print(changes: Sequence[Change]) -> None:
    _write(_lines(changes).encode("utf-8", "replace"))


def _write(data: bytes) -> None:
    """Write all of it to standard output; unbuffered, Python's own may forget the rest of it.

    Raises:
        RasidError: it cannot be written.
    """
    left = memoryview(data)
    try:
        while left:
            left = left[os.write(sys.stdout.fileno(), left) :]
    except BrokenPipeError:
        raise
    except OSError as error:
        raise RasidError(f"cannot write the changes: {error.strerror}") from error


def _begin_line() -> None:
    """End a line that a kill or a full disk has cut off, or the next one would be lost with it."""
    there = os.fstat(sys.stdout.fileno())
    if not stat.S_ISREG(there.st_mode) or not there.st_size:
        return
    try:
        with Path(f"/proc/self/fd/{sys.stdout.fileno()}").open("rb") as file:
            file.seek(-1, os.SEEK_END)
            is_cut_off = file.read() != b"\n"
    except OSError:
        return  # we may not read it, or there is no /proc
    if is_cut_off:
        _write(b"\n")


def _run(command: str, changes: Sequence[Change]) -> None:
    """Run the command with the batch.

    Raises:
        NotDelivered: it ended with another status than 0.
    """
    ended = subprocess.run(  # noqa: S602 - the user's own command line
        command,
        shell=True,
        check=False,
        input=_lines(changes).encode("utf-8", "replace"),
        env={
            **os.environ,
            "RASID_FIRST_POSITION": str(changes[0]["position"]),
            "RASID_LAST_POSITION": str(changes[-1]["position"]),
        },
    )
    if ended.returncode:
        raise NotDelivered(f"the command ended with status {ended.returncode}")
