"""`rasid stories`: what outlets copied from each other, as a table, or one with its articles."""

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text
from typer.core import TyperGroup

from services.cli.app import (
    Json,
    Limit,
    app,
    output,
    print_json,
    progress_console,
    settings_of,
)
from services.cli.session import database
from services.cli.tables import isolated
from services.shared.errors import RasidError
from services.storage import stories


class StoriesGroup(TyperGroup):
    """`rasid stories 3` means `rasid stories show 3`."""

    def resolve_command(self, ctx, args):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
        """Read a number as the id of a story to show."""
        if args and args[0].isdigit():
            args = ["show", *args]
        return super().resolve_command(ctx, args)


stories_app = typer.Typer(cls=StoriesGroup, rich_markup_mode=None)
app.add_typer(stories_app, name="stories")

All = Annotated[bool, typer.Option("--all", help="Also articles that nobody copied.")]


@stories_app.callback(invoke_without_command=True)
def stories_default(
    context: typer.Context, everything: All = False, limit: Limit = None, as_json: Json = False
) -> None:
    """List stories, those with the newest articles first, or show one.

    \b
    Examples:
      rasid stories                    the twenty that changed last
      rasid stories 3                  one story: who had it when, and as what
      rasid stories --json             all that have copies, one JSON object a line
    """
    if context.invoked_subcommand is None:
        limit = limit or (None if as_json else 20)
        with database(settings_of(context)) as connection:
            rows = stories.listing(connection, everything=everything, limit=limit)
            if as_json:
                for row in rows:
                    print_json(row)
            else:
                table = Table("id", "articles", "first seen", box=None)
                table.add_column("outlets", min_width=20, max_width=36, overflow="fold")
                table.add_column("title", min_width=24, overflow="fold")
                for row in rows:
                    table.add_row(
                        str(row["id"]),
                        str(row["articles_count"]),
                        str(row["first_seen_at"])[:16].replace("T", " "),
                        Text(", ".join(map(str, row["outlets"]))),  # type: ignore[call-overload]
                        Text(isolated(str(row["title"] or "-"))),
                    )
                output().print(table)


@stories_app.command("show")
def stories_show(context: typer.Context, story_id: int, as_json: Json = False) -> None:
    """Show the articles of a story, the earliest first. A former id is understood too.

    \b
    Example:
      rasid stories show 3
    """
    with database(settings_of(context)) as connection:
        rows = stories.members(connection, story_id)
    if not rows:
        raise RasidError(f"no story {story_id}: `rasid stories` lists them")
    if as_json:
        for row in rows:
            print_json(row)
        return
    table = Table("article", "label", "words", "dated", box=None)
    table.add_column("outlet", max_width=30, overflow="fold")
    table.add_column("title", min_width=24, overflow="fold")
    for row in rows:
        table.add_row(
            str(row["article_id"]),
            str(row["label"]),
            str(row["tokens_count"]),
            str(row["dated_at"])[:16].replace("T", " "),
            Text(str(row["outlet"] or "-")),
            Text(isolated(str(row["title"] or "-"))),
        )
    output().print(table)


@stories_app.command("refresh")
def stories_refresh(
    context: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say how many there are.")
    ] = False,
) -> None:
    """Make the fingerprints that are missing or of an older Rasid, and look for copies again.

    After an upgrade whose notes say so. Workers may run meanwhile; stopped, it goes on later.

    \b
    Examples:
      rasid stories refresh --dry-run
      rasid stories refresh
    """
    from worker.fingerprint import SIGNATURE_VERSION
    from worker.stories import Documents, refresh

    with database(settings_of(context)) as connection:
        count = stories.outdated_count(connection, SIGNATURE_VERSION)
        if dry_run:
            output().print(f"{count} articles have no fingerprint of this version.")
            return
        done = 0
        with progress_console().status(f"{count} articles to do") as shown:

            def advance(number: int) -> None:
                nonlocal done
                done += number
                shown.update(f"{done} of {count} articles")

            refresh(connection, Documents(), advance)
    output().print(f"{done} fingerprints made.")
