"""`rasid articles`: what has been stored, as a table, as JSON lines, or one with its text."""

from collections.abc import Sequence
from typing import Annotated

import typer
from typer.core import TyperGroup

from services.cli import tables
from services.cli.app import Json, Limit, app, output, print_json, settings_of
from services.cli.session import database
from services.shared import urls
from services.shared.contracts import WITHDRAWN_REASONS
from services.shared.errors import InvalidUrl, RasidError
from services.storage import Connection, articles, changes, withdrawals
from services.storage.withdrawals import Found


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
Targets = Annotated[list[str], typer.Argument(metavar="ID|URL...")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say which, and change nothing.")]
Distinct = Annotated[bool, typer.Option("--distinct", help="One article for each story.")]


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
    with database(settings_of(context)) as connection:
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
    with database(settings_of(context)) as connection:
        row = articles.one(connection, article_id)
    if row is None:
        raise RasidError(f"no article {article_id}: `rasid articles` lists them")
    if as_json:
        print_json(row)
    else:
        tables.print_article(output(), row)


@articles_app.command("withdraw")
def articles_withdraw(
    context: typer.Context,
    targets: Targets,
    reason: Annotated[str, typer.Option(help=f"One of {', '.join(WITHDRAWN_REASONS)}.")],
    dry_run: DryRun = False,
) -> None:
    """Mark articles as withdrawn: they keep their text, and consumers are told.

    The crawler does it by itself where an article's page answers 404 or 410.

    \b
    Examples:
      rasid articles withdraw 3 --reason retracted --dry-run
      rasid articles withdraw https://example.org/news/1 --reason legal
    """
    chosen = next((word for word in WITHDRAWN_REASONS if word == reason), None)
    if chosen is None:
        raise RasidError(f"--reason is one of {', '.join(WITHDRAWN_REASONS)}, not {reason!r}")
    with database(settings_of(context)) as connection:
        found = [a for a in _targets(connection, targets) if withdrawals.may_withdraw(a, chosen)]
        if not dry_run:
            withdrawals.withdraw(connection, [article.id for article in found], chosen)
            changes.publish(connection)
    _tell("withdrawn", found, dry_run=dry_run)


@articles_app.command("restore")
def articles_restore(context: typer.Context, targets: Targets, dry_run: DryRun = False) -> None:
    """Undo a withdrawal; consumers are told.

    \b
    Example:
      rasid articles restore 3
    """
    with database(settings_of(context)) as connection:
        found = [a for a in _targets(connection, targets) if a.withdrawn_at is not None]
        if not dry_run:
            withdrawals.restore(connection, [article.id for article in found])
            changes.publish(connection)
    _tell("restored", found, dry_run=dry_run)


def _targets(connection: Connection, targets: Sequence[str]) -> list[Found]:
    """Return the articles meant; each must be there."""
    found: dict[int, Found] = {}
    for target in targets:
        ids, keys = [], []
        if target.isdigit():
            ids.append(int(target))
        else:
            try:
                keys.append(target if target.startswith("urn:") else urls.key(target))
            except InvalidUrl:
                raise RasidError(f"{target!r} is neither an id nor an address") from None
        rows = withdrawals.find(connection, ids, keys)
        if not rows:
            raise RasidError(f"no article {target}: `rasid articles` lists them")
        found |= {article.id: article for article in rows}
    return list(found.values())


def _tell(what: str, found: Sequence[Found], *, dry_run: bool) -> None:
    for article in found:
        output().print(f"{article.id}  {tables.isolated(article.title or article.url)}")
    told = f"would be {what}" if dry_run else what
    output().print(f"{len(found)} articles {told}.")
