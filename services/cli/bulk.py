"""`rasid backfill` and `rasid fetch`: pages of the past, and pages by their addresses."""

from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from services.cli.app import Json, app, output, print_json, progress_console, settings_of
from services.cli.processes import drain, spawn
from services.cli.session import Session, servers
from services.cli.sources_file import read_sources
from services.shared import urls
from services.shared.errors import InvalidUrl, RasidError
from services.shared.observability import configure_logging
from services.shared.settings import Settings
from services.shared.sources import Source

if TYPE_CHECKING:
    from crawler.bulk import Done

#: Of more addresses only the counts are shown.
SHOWN = 100


@app.command()
def backfill(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="SOURCE")],
    since: Annotated[str, typer.Option(metavar="DATE", help="The first day: 2024-01-31.")],
    until: Annotated[
        str | None, typer.Option(metavar="DATE", help="The last day. Default: until now.")
    ] = None,
    archive: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="Also this sitemap, list of addresses or page of links."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read the sitemaps, say how many pages, fetch none.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Fetch what a source published on days past, as its sitemaps tell.

    Its pages wait for all that is new. Killed halfway, the same command goes on where it was.

    \b
    Examples:
      rasid backfill example --since 2024-01-01 --dry-run
      rasid backfill example --since 2024-01-01 --until 2024-12-31
      rasid backfill example --since 2024-01-01 --archive https://example.org/2024.txt
    """
    settings = settings_of(context)
    chosen = _source(settings, source)
    zone = ZoneInfo(chosen.time_zone) if chosen.time_zone else UTC
    first = datetime.combine(_day(since, "--since"), time(), zone)
    end = datetime.now(UTC)
    if until:
        end = datetime.combine(_day(until, "--until") + timedelta(days=1), time(), zone)
    if end <= first:
        raise RasidError("--until is before --since")
    try:
        archives = [urls.clean(url) for url in archive or []]
    except InvalidUrl as error:
        raise RasidError(f"--archive: {error}") from error
    from crawler import bulk

    configure_logging(settings, process="crawler")
    with servers(settings) as session:
        if session.stack and not dry_run:
            spawn(session, session.stack, "worker")
        done = bulk.backfill(
            session.settings,
            chosen,
            since=first,
            until=end,
            input_=" ".join([source, since, until or "now", *archives, "dry" * dry_run]).strip(),
            archives=archives,
            dry_run=dry_run,
            progress=progress_console().print,
        )
        _report(done, as_json=as_json)
        if session.stack and not dry_run:
            drain(session)


@app.command()
def fetch(
    context: typer.Context,
    addresses: Annotated[list[str] | None, typer.Argument(metavar="URL...")] = None,
    file: Annotated[
        Path | None, typer.Option(help="A file with one address a line, as many as you like.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(help="Whose they are. Default: the source whose site an address is of."),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Also what was fetched before.")] = False,
    as_json: Json = False,
) -> None:
    """Fetch pages by their addresses, as politely as the crawler, and say what became of each.

    Killed halfway, the same command goes on where it was. Exit status 1: some have no page.

    \b
    Examples:
      rasid fetch https://example.org/2024/05/a-story
      rasid fetch --file addresses.txt --source example
      rasid fetch --file addresses.txt --json
    """
    if bool(addresses) == bool(file):
        raise RasidError("give addresses, or --file with one address a line")
    settings = settings_of(context)
    chosen = _source(settings, source) if source else None
    every = read_sources(settings) if settings.sources_file.exists() else ()
    wanted = file or addresses or []
    from crawler import bulk

    configure_logging(settings, process="crawler")
    with servers(settings) as session:
        if session.stack:
            spawn(session, session.stack, "worker")
        done = bulk.fetch(
            session.settings,
            every,
            wanted,
            source=chosen,
            again=again,
            progress=progress_console().print,
        )
        _outcomes(session, done, wanted, as_json=as_json)
        if session.stack:
            drain(session)
    if done.progress.fetched_count < done.progress.links_count or done.progress.invalid_count:
        raise typer.Exit(1)


def _source(settings: Settings, name: str) -> Source:
    for source in read_sources(settings):
        if source.name == name:
            return source
    raise RasidError(f"no source {name!r} in {settings.sources_file}: see `rasid sources list`")


def _day(value: str, option: str) -> date:
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise RasidError(f"{option} is a day such as 2024-01-31, not {value!r}") from error


def _report(done: "Done", *, as_json: bool) -> None:
    progress = done.progress
    without = {reason or state: n for state, reason, n in done.reasons if state != "fetched"}
    told: dict[str, Any] = {
        "source": done.job.source,
        "since": done.job.since,
        "until": done.job.until,
        "dry_run": done.job.is_dry_run,
        "resumed": done.is_resumed,
        "done": progress.is_done,
        "sitemaps_read": progress.sitemaps_count,
        "sitemaps_failed": progress.sitemaps_failed_count,
        "listed": progress.listed_count,
        "undated": progress.undated_count,
        "to_fetch": progress.new_count,
        "fetched": progress.fetched_count,
        "left": progress.left_count,
        "without_page": without,
    }
    if as_json:
        print_json(told)
        return
    console = output()
    console.print(
        f"{progress.sitemaps_count:,} sitemaps read, {progress.sitemaps_failed_count:,} not; they "
        f"list {progress.listed_count:,} links of these days, {progress.undated_count:,} of them "
        "without a date."
    )
    if done.job.is_dry_run:
        console.print(f"It would fetch at most {progress.new_count:,} pages at most.")
        return
    console.print(f"{progress.fetched_count:,} pages fetched, {progress.left_count:,} left.")
    for reason, count in sorted(without.items()):
        console.print(f"  {reason}: {count:,}")
    if not progress.is_done:
        console.print("Stopped before the end: the same command goes on.")


def _outcomes(session: Session, done: "Done", wanted: list[str] | Path, *, as_json: bool) -> None:
    from crawler.bulk import invalid_lines
    from services.storage import connect, jobs

    progress = done.progress
    if as_json or progress.links_count + progress.invalid_count <= SHOWN:
        with closing(connect(session.database_url)) as connection:
            for row in jobs.outcomes(connection, done.job.id):
                del row["id"]
                _print_outcome(row, as_json=as_json)
        for line, reason in invalid_lines(wanted):
            _print_outcome({"url": line, "state": "invalid", "reason": reason}, as_json=as_json)
    if as_json:
        return
    console = output()
    console.print(
        f"{progress.fetched_count:,} of {progress.links_count:,} addresses fetched, "
        f"{progress.left_count:,} left, {progress.invalid_count:,} lines are no address."
    )
    for state, reason, count in done.reasons:
        if state != "fetched":
            console.print(f"  {reason or state}: {count:,}")
    if not progress.is_done:
        console.print("Stopped before the end: the same command goes on.")


def _print_outcome(row: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(row)
        return
    known = " (before)" if row.get("is_known") and row["state"] == "fetched" else ""
    reason = f" {row['reason']}" if row["reason"] else ""
    output().print(f"{row['state']}{known}{reason}  {row['url']}", soft_wrap=True)
