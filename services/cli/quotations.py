"""`rasid quotations`: passages that several stories carry, or who carries what one article does."""

from datetime import datetime
from typing import Annotated

import typer

from services.cli import tables
from services.cli.app import Json, Limit, app, output, print_json, settings_of
from services.cli.session import database
from services.shared.errors import RasidError
from services.storage import articles, quotations


@app.command("quotations")
def quotations_command(
    context: typer.Context,
    article_id: Annotated[
        int | None, typer.Argument(help="Only what this article carries, and who else does.")
    ] = None,
    since: Annotated[
        datetime | None, typer.Option(help="Only those found since this time (UTC).")
    ] = None,
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """List passages that articles of different stories have in common, the newest first.

    With an article's id: each passage it shares, with everyone who carries it, the first one first.

    \b
    Examples:
      rasid quotations                          the newest twenty
      rasid quotations 3                        who else carries what article 3 does
      rasid quotations --since 2026-11-01 --json > quotations.jsonl
    """
    with database(settings_of(context)) as connection:
        if article_id is None:
            limit = limit or (None if as_json else 20)
            rows = quotations.newest(connection, since=since, limit=limit)
            if as_json:
                for row in rows:
                    print_json(row)
            else:
                output().print(tables.quotations_table(rows))
            return
        if articles.one(connection, article_id) is None:
            raise RasidError(f"no article {article_id}: `rasid articles` lists them")
        found = quotations.of_article(connection, article_id)[:limit]
    if as_json:
        for row in found:
            print_json(row)
    else:
        tables.print_carriers(output(), found)
