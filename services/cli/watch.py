"""`rasid watch`: saved searches that articles are matched with as they arrive."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from services.cli.app import Json, Limit, app, output, print_json, progress_console, settings_of
from services.cli.search import show
from services.cli.session import database
from services.cli.tables import isolated
from services.shared.errors import RasidError
from services.storage import Connection, watches
from services.storage.search import Search

watch_app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
app.add_typer(watch_app, name="watch")

Name = Annotated[str, typer.Argument(help="What the watch is called.")]
Query = Annotated[str, typer.Argument(help='Words, "phrases", prefix*, -not, or.')]
Language = Annotated[str | None, typer.Option(help="Only this language, such as ar.")]
Source = Annotated[str | None, typer.Option(help="Only articles of this source.")]


@watch_app.callback()
def watch() -> None:
    """Save searches; each article is matched with them as it is stored, and again when it changes.

    What a watch finds is in media.watch_matches, and in the change feed as watch_matched.

    \b
    Examples:
      rasid watch test '"مجلس الأمن" سوريا'             what it would have found
      rasid watch add syria '"مجلس الأمن" سوريا'        from now on
      rasid watch matches syria
      rasid follow                                     matches among all other changes
    """


@watch_app.command("add")
def watch_add(
    context: typer.Context,
    name: Name,
    query: Query,
    language: Language = None,
    source: Source = None,
    since: Annotated[
        datetime | None,
        typer.Option(help="Also what is stored already and was published then or later, UTC."),
    ] = None,
) -> None:
    """Save a search under a name; the query is that of `rasid search`.

    \b
    Examples:
      rasid watch add syria '"مجلس الأمن" سوريا' --language ar
      rasid watch add markets 'econom* or market -football' --since 2026-11-01
    """
    with database(settings_of(context)) as connection:
        watch_id = watches.add(connection, name, query, language=language, source=source)
        output().print(f"{name}: articles are matched with it from now on.")
        if since:
            progress_console().print("looking through what is stored ...")
            moment = since.replace(tzinfo=since.tzinfo or UTC)
            count = watches.match_past(connection, watch_id, moment)
            output().print(f"{count} of those stored match.")


@watch_app.command("list")
def watch_list(context: typer.Context, as_json: Json = False) -> None:
    """List watches, how many articles each has found, and when the last.

    \b
    Example:
      rasid watch list
    """
    with database(settings_of(context)) as connection:
        rows = watches.listing(connection)
    if as_json:
        for row in rows:
            print_json(row)
        return
    table = Table("watch", "matches", "last", "language", "source", "query", box=None)
    for row in rows:
        table.add_row(
            Text(isolated(str(row["name"]))),
            str(row["matches"]),
            str(row["last_matched_at"] or "-")[:16],
            str(row["language"] or "-"),
            Text(str(row["source"] or "-")),
            Text(isolated(str(row["query"])), overflow="fold"),
        )
    output().print(table if rows else "No watches: `rasid watch add NAME QUERY` saves one.")


@watch_app.command("matches")
def watch_matches(
    context: typer.Context, name: Name, limit: Limit = None, as_json: Json = False
) -> None:
    """List the articles a watch has found, the last first.

    \b
    Examples:
      rasid watch matches syria
      rasid watch matches syria --json > matches.jsonl
    """
    with database(settings_of(context)) as connection:
        _one(connection, name)
        rows = watches.matches(connection, name, limit or (None if as_json else 20))
    if as_json:
        for row in rows:
            print_json(row)
        return
    table = Table("matched", "id", "lang", "source", "title", box=None)
    for row in rows:
        table.add_row(
            str(row["matched_at"])[:16],
            str(row["article_id"]),
            str(row["language"] or "-"),
            Text(str(row["source"] or "-")),
            Text(isolated(str(row["title"] or "-")), overflow="fold"),
        )
    output().print(table if rows else f"{name} has found nothing yet.")


@watch_app.command("test")
def watch_test(
    context: typer.Context,
    query: Query,
    language: Language = None,
    source: Source = None,
    as_json: Json = False,
) -> None:
    """Show the newest stored articles that a watch with this query would have found.

    \b
    Example:
      rasid watch test '"مجلس الأمن" سوريا' --language ar
    """
    show(
        settings_of(context),
        Search(query=query, language=language, source=source, sort="newest", limit=10),
        as_json=as_json,
    )


@watch_app.command("remove")
def watch_remove(
    context: typer.Context,
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Really do it.")] = False,
) -> None:
    """Remove a watch and the list of what it found. Without --yes it only says what would go.

    The articles stay, and so do the changes that the change feed has told of.

    \b
    Examples:
      rasid watch remove syria
      rasid watch remove syria --yes
    """
    with database(settings_of(context)) as connection:
        count = _one(connection, name)["matches"]
        if yes:
            watches.remove(connection, name)
            output().print(f"{name} and its {count} matches are removed.")
        else:
            output().print(f"{name} and its {count} matches would be removed; add --yes to do it.")


def _one(connection: Connection, name: str) -> watches.Row:
    found = watches.listing(connection, name)
    if not found:
        raise RasidError(f"no watch {name!r}: `rasid watch list` lists them")
    return found[0]
