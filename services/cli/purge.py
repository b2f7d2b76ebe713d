"""`rasid purge`: remove articles everywhere, for good, on request."""

from typing import Annotated

import typer

from services.cli.app import Json, app, output, print_json, progress_console, settings_of
from services.cli.session import servers
from services.cli.tables import isolated
from services.shared.errors import RasidError
from services.shared.settings import Settings
from services.storage import Connection, changes, connect, prune, purges
from services.storage.purges import Plan


@app.command("purge")
def purge(
    context: typer.Context,
    what: Annotated[
        list[str], typer.Argument(metavar="URL|ID...", help="Addresses, or ids of articles.")
    ],
    reason: Annotated[
        str, typer.Option(help="Who asked, and by what right; kept, and told to consumers.")
    ] = "request",
    copies: Annotated[
        bool, typer.Option("--copies", help="Also other articles with the very same text.")
    ] = False,
    lift: Annotated[
        bool, typer.Option("--lift", help="Let these addresses come again; brings nothing back.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Really do it.")] = False,
    as_json: Json = False,
) -> None:
    """Remove articles, and everything that was made of them, for good. Without --yes it only tells.

    Gone are the article with all versions, its pages and their bodies (also in the archive, whose
    files are written anew), search, story, quotations, matches of watches, dead letters, and
    pages of it that wait on the queue. What stays is the hash of the address, so that neither
    crawler, importer nor replay brings it in again, and a change `purged` that tells consumers to
    delete their copies. Backups are not reached: see docs/ops.md.

    \b
    Examples:
      rasid purge https://example.org/news/1                 what would go
      rasid purge https://example.org/news/1 --reason 'court order 12/2026' --yes
      rasid purge 4711 4712 --copies --yes
      rasid purge https://example.org/news/1 --lift
    """
    settings = settings_of(context)
    ids = [int(one) for one in what if one.isascii() and one.isdigit()]
    addresses = [one for one in what if not (one.isascii() and one.isdigit())]
    for address in addresses:
        if purges.key_of(address) is None:
            raise RasidError(f"{address} is neither an address nor the id of an article")
    with servers(settings) as session, connect(session.database_url) as connection:
        if lift:
            if ids:
                raise RasidError("--lift takes addresses: what is purged has no id any more")
            output().print(f"{purges.lift(connection, addresses)} addresses may come again.")
            return
        planned = purges.plan(connection, ids, addresses, copies=copies)
        forbidden = planned.keys <= set(purges.among(connection, planned.keys))
        missing = sorted(set(ids) - set(planned.article_ids))
        if missing:
            raise RasidError(f"there is no article {missing[0]}: give its address")
        try:
            files = [] if yes else _files(connection, planned)
            if yes:
                # Beside it, an archive could write a body that it has read before.
                with prune.alone(connection):
                    planned = _remove(
                        connection, session.settings, planned, addresses, reason, copies
                    )
        except OSError as error:
            raise RasidError(
                f"the archive cannot be read or written: {error}; what it holds has to go first, "
                "so nothing was removed from the database: run it again when the archive is there"
            ) from error
        _tell(planned, files, forbidden=forbidden, done=yes, as_json=as_json)


def _files(connection: Connection, planned: Plan) -> list[str]:
    from services.archiver.purge import holding  # here, as only this needs it

    return [file.name for file, _ in holding(connection, planned.pages)]


def _remove(
    connection: Connection,
    settings: Settings,
    planned: Plan,
    addresses: list[str],
    reason: str,
    copies: bool,
) -> Plan:
    from services.archiver.purge import rewrite  # here, as only this needs them
    from services.archiver.run import clear
    from services.queue import Queue

    # First of all, so that nothing comes in that the plan does not know.
    purges.forbid(connection, planned.keys, reason)
    planned = purges.plan(connection, planned.article_ids, addresses, copies=copies)
    purges.forbid(connection, planned.keys, reason)
    work = settings.state_dir / "archive"
    rewrite(connection, planned.pages, work, progress_console().print)
    clear(connection, work)  # an archive that was killed may have left the body there
    if planned.pages:
        Queue(settings).done(planned.page_ids)
    purges.purge(connection, planned, reason)
    changes.publish(connection)
    return planned


def _tell(
    planned: purges.Plan, files: list[str], *, forbidden: bool, done: bool, as_json: bool
) -> None:
    if as_json:
        print_json(
            {
                "purged": done,
                "purged_before": forbidden,
                "articles": [{"id": one.id, "url": one.url} for one in planned.articles],
                "copies": [{"id": one.id, "url": one.url} for one in planned.copies],
                "pages": len(planned.pages),
                "archive_files": files,
                **planned.counts,
            }
        )
        return
    console = output()
    for one in planned.articles:
        console.print(f"article {one.id}, version {one.version}: {isolated(one.url)}")
        console.print(f"    {isolated(one.title or '-')}")
    told = {"pages": len(planned.pages), "files of the archive": len(files), **planned.counts}
    console.print(
        ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in told.items() if count)
        or "Nothing is kept of it."
    )
    if forbidden and not planned.articles and not planned.pages:
        console.print("It was purged before, and does not come in again; --lift would let it.")
        return
    for one in planned.copies:
        console.print(f"stays, with the same text: article {one.id}: {isolated(one.url)}")
    if planned.copies:
        console.print("Add --copies to remove these too.")
    if done:
        console.print("Removed. Backups made before still have it: see docs/ops.md.")
    else:
        console.print(
            "Nothing was removed; add --yes to do it, and to have the address refused for good. "
            "There is no way back."
        )
