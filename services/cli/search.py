"""`rasid search`: which articles match a query, with what was found marked in them."""

import os
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.text import Text

from services.cli.app import Json, app, output, print_json, progress_console, settings_of
from services.cli.session import database
from services.cli.tables import isolated
from services.shared.settings import Settings
from services.storage.search import Row, Search, search

#: Around what was found, for as long as it takes to colour it. No text that is shown has them.
MARKS = "\ue000", "\ue001"

Language = Annotated[str | None, typer.Option(help="Only this language, such as ar.")]
Source = Annotated[str | None, typer.Option(help="Only articles of this source.")]


@app.command("search")
def search_command(
    context: typer.Context,
    query: Annotated[list[str], typer.Argument(help='Words, "phrases", prefix*, -not, or.')],
    language: Language = None,
    source: Source = None,
    since: Annotated[
        datetime | None, typer.Option(help="Published (if unknown: stored) then or later, UTC.")
    ] = None,
    until: Annotated[datetime | None, typer.Option(help="Published before, UTC.")] = None,
    sort: Annotated[
        Literal["relevance", "newest"], typer.Option(help="Best first, or newest first.")
    ] = "relevance",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 20,
    offset: Annotated[int, typer.Option(min=0, help="Leave out so many at first.")] = 0,
    as_json: Json = False,
) -> None:
    """Find articles by words, the best first.

    All words must be there, in any form known of their language and in any usual spelling
    (أميركا finds أَمـريكا); "words in quotes" stand side by side just so; econom* is how a word
    begins; -word must not be there; or parts alternatives. Put -- before a query that begins with
    a minus.

    \b
    Examples:
      rasid search أميركا سوريا
      rasid search '"مجلس الأمن" -روسيا' --language ar --since 2026-11-01
      rasid search 'econom* or market' --sort newest --limit 5
      rasid search elections --source demo --json
    """
    what = Search(
        query=" ".join(query),
        language=language,
        source=source,
        published_from=_utc(since),
        published_to=_utc(until),
        sort=sort,
        limit=limit,
        offset=offset,
    )
    show(settings_of(context), what, as_json=as_json)


def show(settings: Settings, what: Search, *, as_json: bool) -> None:
    """Search and print what is found."""
    if not as_json:
        what = replace(what, mark_start=MARKS[0], mark_stop=MARKS[1])
    with database(settings) as connection:
        rows = search(connection, what)
    if as_json:
        for row in rows:
            print_json(row)
        return
    for row in rows:
        _print(output(), row)
    progress_console().print(_summary(rows, what.offset))


def _utc(moment: datetime | None) -> datetime | None:
    return moment and moment.replace(tzinfo=moment.tzinfo or UTC)


def _summary(rows: list[Row], offset: int) -> str:
    if not rows:
        return "no more articles match" if offset else "no article matches"
    first, last, matches = offset + 1, offset + len(rows), rows[0]["matches"]
    if since := rows[0]["matches_from"]:
        return f"{first} to {last} of {matches} articles since {since:%Y-%m-%d}, and older ones"
    return f"{first} to {last} of {matches} articles"


def _print(console: Console, row: Row) -> None:
    """Print a result: title, where and when, and the snippet with what was found in colour."""
    published = row["published_at"]
    about = [
        str(row["article_id"]),
        str(row["language"] or "-"),
        f"{published:%Y-%m-%d %H:%M}" if isinstance(published, datetime) else "-",
        str(row["source"] or "-"),
        str(row["url"]),
        *(["withdrawn"] if row["withdrawn_at"] else []),
    ]
    console.print(Text(isolated(str(row["title"] or "-")), style="bold"))
    console.print(Text("  ".join(about), style="dim"))
    console.print(
        marked(str(row["snippet"]), colour=console.is_terminal and not os.getenv("NO_COLOR"))
    )
    console.print()


def marked(snippet: str, *, colour: bool) -> Text:
    """Return the snippet with what stands between marks in colour, or, without, in brackets."""
    start, stop = MARKS
    if not colour:
        return Text(isolated(snippet.replace(start, "[").replace(stop, "]")), overflow="fold")
    text = Text(overflow="fold")
    for number, part in enumerate(isolated(snippet).split(start)):
        found, _, rest = part.partition(stop) if number else ("", "", part)
        text.append(found, style="bold yellow")
        text.append(rest)
    return text
