"""`rasid replay`: read stored pages again, and say what that changes."""

import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

import typer

from services import replay as feeder
from services.archiver import reader
from services.cli import replayed
from services.cli.app import Json, app, output, print_json, progress_console, settings_of
from services.cli.processes import spawn
from services.cli.session import database, servers
from services.cli.sources_file import known_sources
from services.queue import Queue
from services.shared import urls
from services.shared.contracts import (
    DEAD_LETTER_REASONS,
    DECISION_STATUSES,
    EXTRACTOR_VERSION,
    REJECTION_REASONS,
)
from services.shared.errors import InvalidUrl, RasidError
from services.shared.settings import Settings
from services.storage import Connection, Database, connect, replays
from services.storage.replays import Choice, Replay

replay_app = typer.Typer(rich_markup_mode=None)
app.add_typer(replay_app, name="replay")

#: Pages a second, until a replay has shown it.
GUESS = 20.0
TOLD_EVERY_S = 1.0

Yes = Annotated[bool, typer.Option("--yes", help="Really do it.")]
Processes = Annotated[
    int,
    typer.Option(
        min=1, help="How many worker processes it may keep busy; one less than there are, at most."
    ),
]
Share = Annotated[
    float,
    typer.Option(min=0.01, max=1, help="Of the time, while new pages come in; else it takes all."),
]


@replay_app.callback(invoke_without_command=True)
def replay(
    context: typer.Context,
    source: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only of this source; several times.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="Fetched on this day or later (UTC).")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="DATE", help="Fetched on this day or before (UTC).")
    ] = None,
    reason: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WORD",
            help="Only with this reason, or this outcome: too_short, rejected; several times.",
        ),
    ] = None,
    extractor: Annotated[
        list[int] | None,
        typer.Option(metavar="VERSION", help="Only what this version of the extractor has read."),
    ] = None,
    outdated: Annotated[
        bool, typer.Option("--outdated", help="Only what an older version than this has read.")
    ] = False,
    url: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="Only pages of this address; several times."),
    ] = None,
    dead_letters: Annotated[
        bool, typer.Option("--dead-letters", help="Dead letters, which are else left alone.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="All pages whose body is kept.")
    ] = False,
    yes: Yes = False,
    processes: Processes = 1,
    share: Share = 0.1,
    as_json: Json = False,
) -> None:
    """Read stored pages again, after the extractor or rules changed. Without --yes it only counts.

    What is new comes first: a replay fills the time in which a worker has nothing else to do. An
    article gets a new version only where the result differs, read from the page it was last seen
    on; one that is refused now stays as it is, and is told. Killed halfway, the same command goes
    on.

    \b
    Examples:
      rasid replay --outdated                    what the present extractor has not read
      rasid replay --outdated --yes              read it again
      rasid replay --source example --since 2026-11-01 --yes
      rasid replay --reason too_short --reason not_article --yes
      rasid replay --dead-letters --reason error --yes
      rasid replay status                        what the last one has changed
    """
    if context.invoked_subcommand:
        return
    choice = Choice(
        sources=tuple(sorted(source or ())),
        since=_day(since, "--since"),
        until=_day(until, "--until", days=1),
        reasons=tuple(sorted(reason or ())),
        extractors=tuple(sorted(extractor or ())),
        older_than=EXTRACTOR_VERSION if outdated else None,
        urls=tuple(sorted(form for one in url or () for form in _forms(one))),
        dead_letters=dead_letters,
    )
    unknown = set(choice.reasons) - {*REJECTION_REASONS, *DEAD_LETTER_REASONS, *DECISION_STATUSES}
    if unknown:
        raise RasidError(f"--reason is a word of docs/glossary.md, not {min(unknown)!r}")
    if choice == Choice() and not everything:
        raise RasidError(
            "say which pages: --outdated, --source, --since, --until, --reason, --extractor, "
            "--url, --dead-letters, or --all"
        )
    if choice.since and choice.until and choice.until <= choice.since:
        raise RasidError("--until is before --since")
    settings = settings_of(context)
    if yes:
        run(settings, choice, feeder.Pace(processes=processes, share=share), as_json=as_json)
        return
    with database(settings) as connection:
        preview(connection, choice, as_json=as_json)


def preview(connection: Connection, choice: Choice, *, as_json: bool) -> None:
    """Say what a replay of this choice would read again."""
    begun = replays.find_open(connection, choice)
    chosen = replays.choose(connection, choice)
    pace = replays.pace(connection)
    left = begun.left_count if begun else chosen.pages
    seconds = left / (pace or GUESS)
    if as_json:
        print_json(
            {
                "pages": left,
                "bytes": chosen.bytes,
                "without_body": chosen.without_body,
                "first_at": chosen.first_at,
                "last_at": chosen.last_at,
                "sources": chosen.by_source,
                "outcomes": [
                    {"outcome": outcome, "reason": why or None, "pages": count}
                    for (outcome, why), count in chosen.by_outcome.items()
                ],
                "seconds": round(seconds),
                "replay": begun and begun.id,
            }
        )
        return
    console = output()
    if begun:
        console.print(
            f"Replay {begun.id} of these pages has begun: {begun.left_count:,} of "
            f"{begun.pages_count:,} are left. Add --yes to go on."
        )
        return
    replayed.print_chosen(console, chosen)
    if not chosen.pages:
        console.print("There is nothing to read again.")
        return
    basis = "as fast as the last replays" if pace else f"a guess, at {GUESS:.0f} pages a second"
    console.print(f"It takes about {timedelta(seconds=round(seconds) or 1)} ({basis}).")
    console.print("Nothing was done; add --yes to do it.")


def run(settings: Settings, choice: Choice, pace: feeder.Pace, *, as_json: bool) -> None:
    """Read the chosen pages again and say what came of it; Ctrl-C leaves the rest for later."""
    with servers(settings) as session:
        with closing(connect(session.database_url)) as connection:
            begun, is_new = replays.begin(connection, choice)
        if not begun.pages_count:
            with closing(connect(session.database_url)) as connection:
                replays.end(connection, begun.id)
            output().print("No such page is kept.")
            return
        told = f"{begun.left_count:,} pages are read again"
        progress_console().print(
            told if is_new else f"replay {begun.id} goes on: {begun.left_count:,} left"
        )
        if session.stack:
            spawn(session, session.stack, "worker")
        opened = Database(session.database_url)
        feeder.feed(
            Queue(session.settings),
            opened,
            begun.id,
            known_sources(session.settings),
            pace=pace,
            body=reader.body,
            on_progress=_progress(begun),
            on_wait=lambda why: progress_console().print(f"waiting: {why}"),
        )
        summary = replays.end(opened.connection(), begun.id)
        (ended,) = replays.listing(opened.connection(), replay_id=begun.id)
        opened.close()
    if as_json:
        print_json(replayed.as_json(ended, summary))
    else:
        replayed.print_replay(output(), ended, summary)


def _progress(begun: Replay) -> Callable[[int], None]:
    last = [0.0]

    def tell(position: int) -> None:
        now = datetime.now(UTC).timestamp()
        if now - last[0] < TOLD_EVERY_S:
            return
        last[0] = now
        progress_console().print(
            f"{position:,} of {begun.pages_count:,} pages",
            end="\r" if sys.stderr.isatty() else "\n",
        )

    return tell


@replay_app.command("status")
def replay_status(
    context: typer.Context,
    replay_id: Annotated[int | None, typer.Argument(metavar="[ID]")] = None,
    examples: Annotated[int, typer.Option(min=0, help="Differences to show of each field.")] = 3,
    as_json: Json = False,
) -> None:
    """Say what a replay has changed; without an id the last one.

    \b
    Examples:
      rasid replay status
      rasid replay status 4 --examples 10
      rasid replay status --json | jq .fields_changed
    """
    with database(settings_of(context)) as connection:
        found = replays.listing(connection, replay_id=replay_id, limit=1)
        if not found:
            which = "no replay yet" if replay_id is None else f"no replay {replay_id}"
            raise RasidError(f"there was {which}: `rasid replay --help` tells how to begin")
        summary = replays.compare(connection, found[0].id, examples=examples)
    if found[0].summary:  # counts of all its pages; most have no row any more
        summary = found[0].summary | {name: summary[name] for name in ("examples", "pages")}
    if as_json:
        print_json(replayed.as_json(found[0], summary))
    else:
        replayed.print_replay(output(), found[0], summary)


@replay_app.command("stop")
def replay_stop(
    context: typer.Context, replay_id: Annotated[int, typer.Argument(metavar="ID")]
) -> None:
    """Give up what is left of a replay; what it has changed stays.

    \b
    Example:
      rasid replay stop 4
    """
    with database(settings_of(context)) as connection:
        found = replays.listing(connection, replay_id=replay_id)
        if not found or found[0].ended_at:
            raise RasidError(
                f"no replay {replay_id} is under way: `rasid replay status` tells the last one's id"
            )
        replays.stop(connection, replay_id)
    left = found[0].left_count
    output().print(f"Replay {replay_id} has ended; {left:,} pages are left as they are.")


def _day(value: str | None, option: str, *, days: int = 0) -> datetime | None:
    if value is None:
        return None
    try:
        day = date.fromisoformat(value)
    except ValueError as error:
        raise RasidError(f"{option} is a day such as 2024-01-31, not {value!r}") from error
    return datetime.combine(day + timedelta(days=days), time(), UTC)


def _forms(url: str) -> set[str]:
    try:
        return {url, urls.clean(url)}
    except InvalidUrl:
        return {url}  # a file's name
