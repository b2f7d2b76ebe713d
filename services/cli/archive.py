"""`rasid archive`: days of captures to WARC files, verified, and then out of the database."""

import sys
import time
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

import typer
from rich.filesize import decimal
from rich.table import Table

from services.cli.app import Json, app, output, print_json, progress_console, settings_of
from services.cli.session import database
from services.shared.errors import RasidError
from services.shared.settings import Settings
from services.storage import Connection, archives, prune

TOLD_EVERY_S = 1.0
MB = 1_000_000


@app.command("archive")
def archive(
    context: typer.Context,
    to: Annotated[
        str | None,
        typer.Option(metavar="FOLDER|ADDRESS", help="Where to (default RASID_ARCHIVE)."),
    ] = None,
    before: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            metavar="DATE",
            help="Days before this one, UTC (default: older than RASID_ARCHIVE_AFTER_DAYS).",
        ),
    ] = None,
    file_mb: Annotated[int, typer.Option(min=1, help="About how long a file may be.")] = 1000,
    anew: Annotated[
        bool, typer.Option("--anew", help="Write days again that were left unfinished.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Really do it.")] = False,
    as_json: Json = False,
) -> None:
    """Write the bodies of old days to WARC files and drop them from the database.

    Each file is put into its place with its index (CDXJ), read back and compared with the database
    record by record. A day's bodies are dropped when all of them are in such files. Stopped at any
    point, the next run goes on after the last whole file. `rasid explain` and replays read the
    archive as they read the database. Without --yes it only tells.

    An address such as s3://bucket/folder needs the extra: pip install 'rasid[s3]'. Keys and
    endpoint are found as by other tools (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, ~/.aws).

    \b
    Examples:
      rasid archive                                     which days, and how much that is
      rasid archive --to /srv/archive --yes             do it: once a day, by cron or a timer
      rasid archive --to /srv/archive --before 2026-11-01 --yes
      RASID_ARCHIVE=s3://news/rasid rasid archive --yes
      rasid import /srv/archive/rasid-2026-10-31-00001-*.warc.gz    into another database
    """
    settings = settings_of(context)
    address = to or settings.archive
    limit = min(before.date(), datetime.now(UTC).date()) if before else _before(settings)
    with database(settings) as connection:
        if not yes:
            _tell(archives.days(connection, limit), address, limit, as_json=as_json)
            return
        if not address:
            raise RasidError("where to? --to FOLDER, or set RASID_ARCHIVE")
        with prune.alone(connection):
            if not archives.days(connection, limit) and not as_json:
                output().print(_nothing(limit))
            _run(connection, settings, address, limit, (file_mb * MB, anew), as_json=as_json)


def _before(settings: Settings) -> date:
    return (datetime.now(UTC) - timedelta(days=settings.archive_after_days)).date()


def _tell(days: list[archives.Day], address: str | None, limit: date, *, as_json: bool) -> None:
    table = Table("day", "bodies", "in files", "about", box=None)
    for day in days:
        if as_json:
            print_json(
                {
                    "day": day.captured_on.isoformat(),
                    "captures": day.captures,
                    "in_files": day.written,
                    "bytes": day.size_bytes,
                }
            )
        table.add_row(
            str(day.captured_on), f"{day.captures:,}", f"{day.written:,}", decimal(day.size_bytes)
        )
    if as_json:
        return
    if days:
        output().print(table)
        output().print(f"Nothing was written; add --yes to do it, into {address or '--to FOLDER'}.")
    else:
        output().print(_nothing(limit))


def _nothing(limit: date) -> str:
    return (
        f"Nothing is to be archived: the database has no bodies of days before {limit}. "
        "Today's (UTC) are never archived; --before and RASID_ARCHIVE_AFTER_DAYS choose."
    )


def _run(
    connection: Connection,
    settings: Settings,
    address: str,
    limit: date,
    chosen: tuple[int, bool],
    *,
    as_json: bool,
) -> None:
    from services.archiver.run import Done, Order, run  # here, as only this command needs it

    told = time.monotonic()

    def report(done: Done) -> None:
        nonlocal told
        if time.monotonic() - told > TOLD_EVERY_S:
            told = time.monotonic()
            progress_console().print(
                f"{done.day.captured_on}: {done.captures:,} of {done.day.captures:,} bodies",
                end="\r" if sys.stderr.isatty() else "\n",
            )

    order = Order(
        address=address,
        before=limit,
        work=settings.state_dir / "archive",
        file_bytes=chosen[0],
        anew=chosen[1],
    )
    try:
        for done in run(connection, order, report):
            if as_json:
                print_json(
                    {
                        "day": done.day.captured_on.isoformat(),
                        "captures": done.captures,
                        "files": done.files,
                        "bytes": done.bytes,
                    }
                )
            else:
                output().print(
                    f"{done.day.captured_on}: {done.captures:,} bodies in {done.files} files "
                    f"({decimal(done.bytes)}), verified and dropped"
                )
    except OSError as error:
        raise RasidError(f"{address}: {error}; nothing that is in no whole file was dropped") from (
            error
        )
