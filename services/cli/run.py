"""Commands that do: up, worker, reconcile, crawl, import, migrate, demo, test."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from services.cli.app import app, output, progress_console, settings_of
from services.cli.processes import drain, spawn, stop_on_signals
from services.cli.session import Session, servers
from services.cli.sources_file import known_sources, read_sources
from services.local import Stack
from services.queue import Queue
from services.queue.reconcile import Reconciler
from services.shared.contracts import LANES, Lane
from services.shared.errors import RasidError
from services.shared.observability import configure_logging
from services.shared.settings import Settings
from services.shared.sources import Source
from services.storage import migrate as migrations

ROOT = Path(__file__).resolve().parents[2]
#: Many tests wait for a server or a process; those of one file share what they need. Each worker
#: has servers of its own, and a container may have few of the processors that it sees.
ALL_TESTS = ["-n", str(min(os.cpu_count() or 1, 7) + 1), "--dist", "loadfile"]


@app.command()
def up(context: typer.Context) -> None:
    """Run everything here until Ctrl-C: servers, worker, reconciler, crawler and dashboard.

    A process that ends by itself is started again. Logs are in the state directory.

    \b
    Examples:
      rasid up
      RASID_SOURCES=my-sources.yaml rasid up
      DATABASE_URL=postgresql://... REDIS_URL=redis://... rasid up
    """
    from services.local import start

    settings = settings_of(context)
    read_sources(settings)  # a mistake in it is told now, not in a log
    console = progress_console()
    stop_on_signals()
    with servers(settings) as session:
        if not session.stack and not settings.database_url:
            raise RasidError(
                f"{settings.state_dir} is in use by another rasid: stop that one first"
            )
        stack = session.stack or start(settings.state_dir, servers=False)
        with stack:
            for name in ("worker", "reconcile", "crawl"):
                spawn(session, stack, name)
            console.print(f"Rasid runs; logs are in {stack.log('worker').parent}. Ctrl-C stops it.")
            console.print(_spawn_dashboard(session, stack))
            console.print("In another terminal: rasid status, rasid articles, rasid import PATH")
            if session.stack:
                console.print(f"Postgres: {session.database_url}")
            while True:
                ended = stack.wait()
                if ended:
                    again = (
                        f"starts again in {ended.restart_in_s:.0f} s"
                        if ended.restart_in_s is not None
                        else "is not started again"
                    )
                    console.print(
                        f"{ended.name} ended with {ended.code} and {again}; "
                        f"see {stack.log(ended.name)}"
                    )


def _spawn_dashboard(session: Session, stack: Stack) -> str:
    """Run the dashboard where its port is free, and return what there is to say of it."""
    from services.dashboard.run import address_of, listener

    try:
        with listener(session.settings) as free:
            address = address_of(free, session.settings)
    except RasidError as error:
        return f"It runs without a dashboard: {error}"
    spawn(session, stack, "dashboard", "--port", urlsplit(address).netloc.rpartition(":")[2])
    return f"Dashboard: {address}"


@app.command()
def worker(context: typer.Context) -> None:
    """Run a worker in the foreground: it takes pages from the queue and stores articles.

    \b
    Examples:
      rasid worker
      RASID_CONCURRENCY=8 rasid worker
    """
    from worker import app as worker_app

    with servers(settings_of(context)) as session:
        worker_app.main(session.settings)


@app.command()
def reconcile(
    context: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="Look once and return.")] = False,
) -> None:
    """Send again what has waited too long; one such process belongs beside the workers.

    \b
    Examples:
      rasid reconcile
      rasid reconcile --once
    """
    from services import reconciler

    with servers(settings_of(context)) as session:
        if once:
            output().print(
                f"{reconciler.look(Reconciler(Queue(session.settings)))} pages sent again."
            )
        else:
            reconciler.main(session.settings)


@app.command()
def migrate(context: typer.Context) -> None:
    """Bring the database to the newest schema. Safe to repeat, and to run by several at once.

    \b
    Example:
      DATABASE_URL=postgresql://rasid@db/rasid rasid migrate
    """
    with servers(settings_of(context), redis=False) as session:
        applied = migrations.migrate(session.database_url)
    for name in applied:
        output().print(f"applied {name}")
    output().print(f"The schema is at version {migrations.latest()}.")


@app.command()
def crawl(
    context: typer.Context,
    once: Annotated[
        bool, typer.Option("--once", help="Until nothing is due, then return.")
    ] = False,
    only: Annotated[str | None, typer.Option(help="Only this source.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only validate sources.yaml and say what it holds.")
    ] = False,
) -> None:
    """Crawl the sources of sources.yaml: find what their feeds list and fetch it, politely.

    \b
    Examples:
      rasid crawl --check
      rasid crawl --once --only example
      RASID_SOURCES=my-sources.yaml rasid crawl
    """
    settings = settings_of(context)
    sources = read_sources(settings)
    if check:
        _check_browser(settings, sources)
        for source in sources:
            state = "" if source.enabled else " (not enabled)"
            output().print(f"{source.name}{state}: {len(source.feeds)} feeds")
        return
    if only and only not in {source.name for source in sources}:
        raise RasidError(f"no source {only!r} in {settings.sources_file}")
    from crawler import run as crawler_run

    configure_logging(settings, process="crawler")
    console = progress_console()
    with servers(settings) as session:
        worker_here = once and session.stack is not None
        if once and session.stack:
            spawn(session, session.stack, "worker")
        summary = crawler_run.run(
            session.settings, sources, once=once, only=only, progress=console.print
        )
        output().print(str(summary))
        if worker_here:
            drain(session)


def _check_browser(settings: Settings, sources: Sequence[Source]) -> None:
    wanting = [source.name for source in sources if source.crawl.browser]
    if wanting:
        from crawler import browser

        if lacking := browser.missing(settings):
            raise RasidError(f"{', '.join(wanting)}: `browser: true`, but {lacking}")


@app.command("import")
def import_files(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...")],
    source: Annotated[str | None, typer.Option(help="Name of the source they belong to.")] = None,
    lane: Annotated[str, typer.Option(help="Queue to use: live, bulk or replay.")] = "bulk",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be imported, import nothing.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Also files that were imported before.")
    ] = False,
    wait: Annotated[
        bool | None,
        typer.Option(
            "--wait/--no-wait",
            help="Return when the pages are worked off. Default: only where this command "
            "starts the embedded servers, and then it runs a worker as well.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Import files and folders: .txt, .html, .html.gz, .jsonl, .warc, .warc.gz.

    What cannot be read is named with its reason and does not stop the rest. Killed halfway, the
    same command goes on where it was; a file imported twice is imported once.

    \b
    Examples:
      rasid import seeds/
      rasid import --dry-run ~/archive
      rasid import --source example pages.warc.gz articles.jsonl
    """
    from services.importer import progress as importer_progress
    from services.importer import run as importer_run

    if lane not in LANES:
        raise RasidError(f"--lane is one of {', '.join(LANES)}, not {lane!r}")
    chosen: Lane = next(name for name in LANES if name == lane)
    with servers(settings_of(context)) as session:
        if session.stack and wait is not False and not dry_run:
            spawn(session, session.stack, "worker")
        with importer_progress.shown() as progress:
            summary = importer_run.run(
                paths,
                session.settings,
                lane=chosen,
                source=source,
                progress=progress,
                dry_run=dry_run,
                again=again,
                sources={} if dry_run else known_sources(session.settings),
            )
        importer_progress.report(summary, as_json=as_json)
        if not dry_run and (wait or (wait is None and session.stack)):
            drain(session)


@app.command()
def demo(context: typer.Context) -> None:
    """See the whole of Rasid work on this machine: import, crawl, extract, store, show.

    \b
    Example:
      rasid demo
    """
    from services.demo.run import run

    stop_on_signals()
    run(settings_of(context))


@app.command(
    "test",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)
def run_tests(context: typer.Context) -> None:
    """Run the test suite, all of it in several processes; what follows is handed to pytest.

    \b
    Examples:
      rasid test
      rasid test tests/unit -k urls
    """
    environ = {key: value for key, value in os.environ.items() if not key.startswith("RASID_")}
    for name in ("DATABASE_URL", "REDIS_URL", "REDIS_BODIES_URL"):
        environ.pop(name, None)
    raise typer.Exit(
        subprocess.run(  # noqa: S603
            [sys.executable, "-P", "-m", "pytest", *(context.args or ALL_TESTS)],
            cwd=ROOT,
            env=environ,
            check=False,
        ).returncode
    )
