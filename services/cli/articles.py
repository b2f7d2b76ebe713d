"""`rasid articles`: what has been stored, as a table, as JSON lines, or one with its text."""

from typing import Annotated

import typer
from typer.core import TyperGroup

from services.cli import tables
from services.cli.app import Json, Limit, app, output, print_json, settings_of
from services.cli.session import servers
from services.shared.errors import RasidError
from services.storage import articles, connect


class ArticlesGroup(TyperGroup):
    """`rasid articles 3` means `rasid articles show 3`."""

    def resolve_command(self, ctx, args):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
        """Read a number as the id of an article to show."""
        if args and args[0].isdigit():
            args = ["show", *args]
        return super().resolve_command(ctx, args)


articles_app = typer.Typer(cls=ArticlesGroup, rich_markup_mode=None)
app.add_typer(articles_app, name="articles")

Source = Annotated[str | None, typer.Option(help="Only articles of this source.")]
Language = Annotated[str | None, typer.Option(help="Only this language, such as ar.")]
Distinct = Annotated[bool, typer.Option("--distinct", help="Leave out exact duplicates.")]


@articles_app.callback(invoke_without_command=True)
def articles_default(
    context: typer.Context,
    source: Source = None,
    language: Language = None,
    distinct: Distinct = False,
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """List stored articles, the newest first, or show one.

    \b
    Examples:
      rasid articles                              the newest twenty, as a table
      rasid articles 3                            one article with its text
      rasid articles --json > articles.jsonl      all, one JSON object a line
      rasid articles --source demo --language ar --distinct
    """
    if context.invoked_subcommand is None:
        articles_list(context, source, language, distinct, limit, as_json)


@articles_app.command("list")
def articles_list(
    context: typer.Context,
    source: Source = None,
    language: Language = None,
    distinct: Distinct = False,
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """List stored articles, the newest first.

    \b
    Example:
      rasid articles list --language ar --limit 50
    """
    limit = limit or (None if as_json else 20)
    with (
        servers(settings_of(context), redis=False) as session,
        connect(session.database_url) as connection,
    ):
        rows = articles.listing(
            connection, source=source, language=language, distinct=distinct, limit=limit
        )
        if as_json:
            for row in rows:
                print_json(row)
        else:
            output().print(tables.articles_table(rows))


@articles_app.command("show")
def articles_show(context: typer.Context, article_id: int, as_json: Json = False) -> None:
    """Show one article with its text.

    \b
    Example:
      rasid articles show 3
    """
    with (
        servers(settings_of(context), redis=False) as session,
        connect(session.database_url) as connection,
    ):
        row = articles.one(connection, article_id)
    if row is None:
        raise RasidError(f"no article {article_id}: `rasid articles` lists them")
    if as_json:
        print_json(row)
    else:
        tables.print_article(output(), row)
