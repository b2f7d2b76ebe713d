"""`rasid prune`: remove what was only to be kept for a time."""

import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.filesize import decimal
from rich.table import Table

from services.cli.app import Json, app, output, print_json, progress_console, settings_of
from services.cli.session import database
from services.shared.errors import RasidError
from services.shared.settings import Settings
from services.storage import prune as storage
from services.storage.prune import KINDS, Due, Kind

WHAT: dict[Kind, str] = {
    "captures": "bodies of pages",
    "pages": "results that are in no article",
    "refusals": "refusals of the importer",
    "changes": "changes of the feed",
}
TOLD_EVERY_S = 1.0


@app.command("prune")
def prune(
    context: typer.Context,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="|".join(KINDS), help="Only this; can be given several times."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Really do it.")] = False,
    as_json: Json = False,
) -> None:
    """Remove what is older than the settings RASID_KEEP_..._DAYS say. Without --yes it only counts.

    Articles, versions and stories are never removed, nor a body that a dead letter still needs.
    It works in small batches beside everything else, and can be stopped: the next run does the
    rest. Bodies go by whole days and give their space back to the disk; the space of other rows
    Postgres uses again, and only `vacuum full` gives it back.

    \b
    Examples:
      rasid prune                             what would go, and how much that is
      rasid prune --yes                       do it: once a day, by cron or a timer
      rasid prune --only captures --yes
      RASID_KEEP_CAPTURES_DAYS=30 rasid prune --only captures
    """
    settings = settings_of(context)
    unknown = sorted(set(only or ()) - set(KINDS))
    if unknown:
        raise RasidError(f"--only is one of {', '.join(KINDS)}, not {unknown[0]!r}")
    chosen = [kind for kind in KINDS if not only or kind in only]
    now, days = datetime.now(UTC), _days(settings)
    any_due = False
    table = Table("", "kept for", "older" if not yes else "removed", "of", "about", box=None)
    with database(settings) as connection:
        for kind in chosen:
            before = now - timedelta(days=days[kind])
            found = storage.due(connection, kind, before) if days[kind] else Due(0, 0, 0)
            rows = found.rows
            any_due = any_due or rows > 0
            if yes and rows:
                rows = 0
                told = time.monotonic()
                with storage.alone(connection):
                    for removed in storage.prune(connection, kind, before):
                        rows += removed
                        if time.monotonic() - told > TOLD_EVERY_S:
                            told = time.monotonic()
                            progress_console().print(
                                f"{kind}: {rows:,} of {found.rows:,}",
                                end="\r" if sys.stderr.isatty() else "\n",
                            )
            if as_json:
                print_json(
                    {
                        "what": kind,
                        "keep_days": days[kind],
                        "removed" if yes else "due": rows,
                        "rows": found.of_rows,
                        "bytes": found.bytes,
                    }
                )
            table.add_row(
                f"{kind}: {WHAT[kind]}",
                f"{days[kind]:,} days" if days[kind] else _ever(kind, settings),
                f"{rows:,}",
                f"{found.of_rows:,}" if days[kind] else "",
                decimal(found.bytes) if rows else "",
            )
    if not as_json:
        output().print(table)
        if not any_due:
            output().print("Nothing is older than it is kept for; the settings RASID_KEEP_... say.")
        elif not yes:
            output().print("Nothing was removed; add --yes to do it.")


def _ever(kind: Kind, settings: Settings) -> str:
    return "the archive" if kind == "captures" and settings.archive else "ever"


def _days(settings: Settings) -> dict[Kind, int]:
    """Return for how many days each is kept; 0 is for ever."""
    return {
        # Where there is an archive, they go when they are in it.
        "captures": 0 if settings.archive else settings.keep_captures_days,
        "pages": settings.keep_pages_days,
        "refusals": settings.keep_pages_days,
        "changes": settings.keep_changes_days,
    }
