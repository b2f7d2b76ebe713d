"""`rasid export`: stored articles as JSON lines or Parquet, for those who want files."""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

import typer

from services.cli.app import app, print_json, progress_console, settings_of
from services.cli.session import servers
from services.shared.errors import RasidError, TransientError
from services.storage.export import TIME_COLUMNS, Selection, open_for_reading

TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
PLAIN_EVERY_S = 5.0
LIVE_EVERY_S = 0.2


@app.command("export")
def export_articles(
    context: typer.Context,
    path: Annotated[str, typer.Argument(metavar="PATH|-")],
    query: Annotated[
        str | None, typer.Option(help="Only what this finds, as in `rasid search`.")
    ] = None,
    source: Annotated[str | None, typer.Option(help="Only articles of this source.")] = None,
    language: Annotated[str | None, typer.Option(help="Only this language, such as ar.")] = None,
    since: Annotated[
        datetime | None,
        typer.Option("--from", formats=TIMES, metavar="TIME", help="Not before this time, UTC."),
    ] = None,
    before: Annotated[
        datetime | None,
        typer.Option("--to", formats=TIMES, metavar="TIME", help="Before this time, UTC."),
    ] = None,
    by: Annotated[
        str, typer.Option(help=f"Which time --from and --to mean: {', '.join(TIME_COLUMNS)}.")
    ] = TIME_COLUMNS[0],
    distinct: Annotated[
        bool, typer.Option("--distinct", help="One article for each story.")
    ] = False,
    columns: Annotated[
        str | None, typer.Option(help="Only these, parted by commas, in this order.")
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format", help="Of a folder's parts: parquet (default), jsonl, jsonl.gz, jsonl.zst."
        ),
    ] = None,
    part_rows: Annotated[
        int, typer.Option(min=1, help="Articles in each part of a folder.")
    ] = 50_000,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an export that was interrupted.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace what is there, finished or not.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Write articles to a file (.jsonl, .jsonl.gz, .jsonl.zst, .parquet), a folder of parts or `-`.

    All rows are those of one moment, in the order of their ids. PATH appears when it is whole;
    until then everything is in PATH.part, and --resume goes on with that after whatever ended it
    (the rows after the break are then those of a later moment). The summary names the feed
    position of the moment it began: follow the changes after it, and nothing is missed. Role
    rasid_reader is enough, but for --query.

    \b
    Examples:
      rasid export articles.parquet
      rasid export arabic.jsonl.gz --language ar --distinct
      rasid export council.jsonl --query '"مجلس الأمن" -تركيا'
      rasid export november.parquet --from 2026-11-01 --to 2026-12-01
      rasid export articles/ --part-rows 100000         a folder of Parquet files
      rasid export articles/ --format jsonl.zst --resume
      rasid export - --columns id,url,title | jq .title
    """
    from services.exporter.run import Order, run
    from services.exporter.target import target_of

    target = target_of(path, form)
    chosen = [name for name in TIME_COLUMNS if name == by]
    if not chosen:
        raise RasidError(f"--by is one of {', '.join(TIME_COLUMNS)}, not {by!r}")
    if as_json and target.path is None:
        raise RasidError("--json would mix the summary with the articles on standard output")
    selection = Selection(
        query=query,
        source=source,
        language=language,
        since=since and since.replace(tzinfo=UTC),
        before=before and before.replace(tzinfo=UTC),
        time=chosen[0],
        distinct=distinct,
        columns=tuple(name.strip() for name in columns.split(",")) if columns else (),
    )
    with (
        servers(settings_of(context), redis=False) as session,
        open_for_reading(session.database_url) as connection,
    ):
        order = Order(
            target=target, selection=selection, part_rows=part_rows, resume=resume, force=force
        )
        try:
            # Unbuffered, Python's own may forget the rest of a line that does not fit.
            with open(sys.stdout.fileno(), "wb", closefd=False) as stdout:
                progress = run(connection, order, stdout=stdout, report=_reporter())
        except (KeyboardInterrupt, TransientError, OSError) as end:
            why = f"cannot write: {end.strerror}" if isinstance(end, OSError) else str(end)
            if target.path is None:
                if isinstance(end, OSError) and not isinstance(end, BrokenPipeError):
                    raise RasidError(why) from None
                raise
            raise RasidError(
                f"{why or 'interrupted'}; what is written is in {target.working}: "
                "the same command with --resume goes on"
            ) from None
    if as_json:
        print_json(
            {
                "path": path,
                "articles": progress.articles,
                "feed_position": progress.feed_position,
                "schema_version": progress.schema_version,
            }
        )
        return
    progress_console().print(
        f"\r{progress.articles:,} articles exported; what changed since then: "
        f"`rasid follow --from {progress.feed_position}`"
    )


def _reporter() -> Callable[..., None]:
    """Return what tells on standard error how far an export has come."""
    from services.exporter.progress import Progress

    live = sys.stderr.isatty()
    began = told = time.monotonic()
    first: int | None = None

    def report(progress: Progress) -> None:
        nonlocal told, first
        now = time.monotonic()
        if first is None:
            first = progress.articles
        if now - told < (LIVE_EVERY_S if live else PLAIN_EVERY_S):
            return
        told = now
        pace = (progress.articles - first) / (now - began)
        share = progress.last_id / progress.until_id if progress.until_id else 1.0
        line = f"{progress.articles:,} articles, {pace:,.0f}/s, {share:.0%} of the store"
        print(f"\r{line:<78}" if live else line, end="" if live else "\n", file=sys.stderr)

    return report
