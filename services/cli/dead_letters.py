"""`rasid dead-letters`: pages that failed for good: look, replay, or give them up."""

import sys
from typing import Annotated

import typer

from services.cli import replay, tables
from services.cli.app import (
    Json,
    Limit,
    app,
    output,
    print_json,
    settings_of,
)
from services.cli.session import database
from services.replay import Pace
from services.shared.errors import RasidError
from services.storage import dead_letters
from services.storage.replays import Choice

dead_letters_app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
app.add_typer(dead_letters_app, name="dead-letters")

Reason = Annotated[str | None, typer.Option(help="Only dead letters with this reason.")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="[PAGE_ID]...")]


@dead_letters_app.callback()
def dead_letters_group() -> None:
    """Pages that failed for good: list them, look, replay, or give them up.

    \b
    Examples:
      rasid dead-letters list
      rasid dead-letters show 0f3c...
      rasid dead-letters replay --reason error
      rasid dead-letters discard --reason time_limit --yes
    """


@dead_letters_app.command("list")
def dead_letters_list(
    context: typer.Context, reason: Reason = None, limit: Limit = None, as_json: Json = False
) -> None:
    """List dead letters, the newest first.

    \b
    Example:
      rasid dead-letters list --reason worker_lost
    """
    with database(settings_of(context)) as connection:
        letters = dead_letters.listing(
            connection, reason=reason, limit=limit or (None if as_json else 20)
        )
    if as_json:
        for letter in letters:
            print_json({name: getattr(letter, name) for name in letter.__slots__})
    elif letters:
        output().print(tables.dead_letters_table(letters))
    else:
        output().print("No dead letters.")


@dead_letters_app.command("show")
def dead_letters_show(
    context: typer.Context,
    page_id: str,
    body: Annotated[
        bool, typer.Option("--body", help="Write the page's bytes to standard output.")
    ] = False,
) -> None:
    """Show one dead letter with its traceback, or write its body.

    \b
    Examples:
      rasid dead-letters show 0f3c...
      rasid dead-letters show 0f3c... --body > page.html
    """
    with database(settings_of(context)) as connection:
        letter = _one(dead_letters.listing(connection, ids=[page_id]), page_id)
        page = dead_letters.raw_page(connection, page_id) if body else None
    if body:
        sys.stdout.buffer.write(page.body if page else b"")
        return
    console = output()
    for name in letter.__slots__:
        console.print(f"{name}: {getattr(letter, name)}")


@dead_letters_app.command("replay")
def dead_letters_replay(
    context: typer.Context,
    page_ids: Ids = None,
    reason: Reason = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Read dead letters again; what fails again becomes a dead letter again.

    The same as `rasid replay --dead-letters --yes`, and for single pages.

    \b
    Examples:
      rasid dead-letters replay --dry-run
      rasid dead-letters replay --reason error
      rasid dead-letters replay 0f3c... 71aa...
    """
    choice = Choice(
        dead_letters=True, reasons=(reason,) if reason else (), page_ids=tuple(page_ids or ())
    )
    with database(settings_of(context)) as connection:
        _check_named(page_ids, dead_letters.listing(connection, ids=page_ids or None))
        if dry_run:
            replay.preview(connection, choice, as_json=as_json)
            return
    replay.run(settings_of(context), choice, Pace(), as_json=as_json)


@dead_letters_app.command("discard")
def dead_letters_discard(
    context: typer.Context,
    page_ids: Ids = None,
    reason: Reason = None,
    yes: Annotated[bool, typer.Option("--yes", help="Really do it.")] = False,
) -> None:
    """Give dead letters up for good. Without --yes it only says what would go.

    \b
    Examples:
      rasid dead-letters discard --reason invalid_message
      rasid dead-letters discard --reason invalid_message --yes
    """
    with database(settings_of(context)) as connection:
        letters = dead_letters.listing(connection, reason=reason, ids=page_ids or None)
        _check_named(page_ids, letters)
        if yes:
            dead_letters.discard(connection, [letter.page_id for letter in letters])
            output().print(f"{len(letters)} dead letters discarded.")
            return
    if letters:
        output().print(tables.dead_letters_table(letters))
    output().print(f"{len(letters)} would be discarded; add --yes to do it.")


def _one(letters: list[dead_letters.Letter], page_id: str) -> dead_letters.Letter:
    _check_named([page_id], letters)
    return letters[0]


def _check_named(page_ids: list[str] | None, letters: list[dead_letters.Letter]) -> None:
    found = {letter.page_id for letter in letters}
    for page_id in page_ids or ():
        if page_id not in found:
            raise RasidError(f"no dead letter {page_id}: `rasid dead-letters list` lists them")
