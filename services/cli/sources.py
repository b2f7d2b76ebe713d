"""`rasid sources`: look at sources, take them in and give them out, and find what a site has."""

import difflib
import fcntl
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from services.cli import tables
from services.cli.app import Json, app, output, print_json, progress_console, settings_of
from services.cli.session import database
from services.cli.sources_file import read_sources
from services.shared import source_files
from services.shared.errors import RasidError
from services.shared.source_files import Format
from services.shared.sources import Feed, Source
from services.storage import sources as store

sources_app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
app.add_typer(sources_app, name="sources")


@sources_app.callback()
def sources_group() -> None:
    """Sources: list them, look, import, export, and discover what a site has.

    \b
    Examples:
      rasid sources list
      rasid sources show bbc-arabic
      rasid sources discover https://example.org/
      rasid sources import feeds.opml
      rasid sources export --format csv
      rasid sources retire
    """


@sources_app.command("list")
def sources_list(context: typer.Context, as_json: Json = False) -> None:
    """List the sources of sources.yaml.

    \b
    Example:
      rasid sources list
    """
    found = read_sources(settings_of(context))
    if as_json:
        for source in found:
            print_json(source.model_dump(mode="json"))
        return
    table = Table("name", "enabled", "country", "language", "feeds", "title", box=None)
    for source in found:
        table.add_row(
            source.name,
            "yes" if source.enabled else "no",
            source.country or "-",
            source.language or "-",
            str(len(source.feeds)),
            Text(tables.isolated(source.title)),
        )
    output().print(table)


@sources_app.command("show")
def sources_show(context: typer.Context, name: str, as_json: Json = False) -> None:
    """Show a source: what sources.yaml says, and what the last poll of each feed gave.

    \b
    Example:
      rasid sources show bbc-arabic
    """
    settings = settings_of(context)
    every = read_sources(settings)
    source = next((source for source in every if source.name == name), None)
    if source is None:
        raise RasidError(f"no source {name!r} in {settings.sources_file}: see `rasid sources list`")
    with database(settings) as connection:
        feeds = store.feeds_of(connection, name)
    if as_json:
        print_json({**source.model_dump(mode="json"), "feeds_in_store": feeds})
        return
    console = output()
    console.print(source_files.block(source).rstrip())
    if not feeds:
        console.print("Not crawled yet.")
    for feed in feeds:
        _print_feed(feed)


def _print_feed(feed: dict[str, Any]) -> None:
    console = output()
    console.print(f"\n{feed['url']}" + ("" if feed["enabled"] else " (no longer in the file)"))
    if feed["last_fetched_at"] is None:
        console.print("  not polled yet")
        return
    sitemaps = f", {feed['sitemaps_count']} sitemaps" if feed["sitemaps_count"] else ""
    failures = f", failed {feed['errors_count']} times in a row" if feed["errors_count"] else ""
    console.print(
        f"  {feed['last_outcome']} at {_shown(feed['last_fetched_at'])}{failures}; "
        f"{feed['links_count']} links{sitemaps}, newest item {_shown(feed['newest_item_at'])}"
    )
    if feed["problems"]:
        told = ", ".join(f"{problem} {count}" for problem, count in feed["problems"].items())
        console.print(f"  odd in it: {told}")
    if feed["overflows_count"]:
        console.print(
            f"  overflowed {feed['overflows_count']} times, last {_shown(feed['overflowed_at'])}"
        )


def _shown(time: datetime | None) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC" if time else "-"


@sources_app.command("import")
def sources_import(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A .yaml, .opml or .csv file.")],
    yes: Annotated[bool, typer.Option("--yes", help="Write sources.yaml; else only show.")] = False,
) -> None:
    """Merge the sources of a file into sources.yaml: shows the difference, writes with --yes.

    A source of a name that is there takes its place; others go to the end. What the file does not
    name stays. Sources of another program's OPML come in disabled.

    \b
    Examples:
      rasid sources import feeds.opml
      rasid sources import sources.csv --yes
    """
    settings = settings_of(context)
    form = source_files.SUFFIXES.get(file.suffix.lower())
    if form is None:
        raise RasidError(f"{file}: the name must end in {', '.join(source_files.SUFFIXES)}")
    target = settings.sources_file
    new = source_files.read(_text(file), form, str(file))
    with _writer_of(target) if yes else nullcontext():
        old = _text(target)
        merged = source_files.merge(old, str(target), new)
        difference = difflib.unified_diff(
            old.splitlines(),
            merged.splitlines(),
            str(target),
            f"{target} with {file.name}",
            lineterm="",
        )
        for line in difference:
            print(line)
        if yes and merged != old:
            _replace(target, merged)
    if merged == old:
        told = "Nothing is new."
    elif yes:
        told = f"Written. Crawlers that run read {target} when they start again."
    else:
        told = "Nothing is written yet: --yes writes it."
    progress_console().print(told)


@sources_app.command("retire")
def sources_retire(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(help="All of them if none is named.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Really do it; else only show.")] = False,
) -> None:
    """Mark sources as crawled no more that are not in sources.yaml: nothing of theirs is removed.

    Alarms about their feeds end, and consumers see `enabled` false. Back in the file, a source
    goes on where it was. Not for a database that crawlers with different files share.

    \b
    Examples:
      rasid sources retire
      rasid sources retire old-paper --yes
    """
    settings = settings_of(context)
    in_file = {source.name for source in read_sources(settings)}
    if wrong := sorted(in_file.intersection(names or ())):
        raise RasidError(
            f"{', '.join(wrong)}: still in {settings.sources_file}; "
            "take it out there, or set `enabled: false`, and start the crawler again"
        )
    with database(settings) as connection:
        left = store.left_over(connection, sorted(in_file))
        if unknown := sorted(set(names or ()).difference(left)):
            raise RasidError(f"{', '.join(unknown)}: no source that is crawled")
        chosen = sorted(names or left)
        for name in chosen:
            output().print(name)
        if yes:
            with connection.transaction():
                store.retire(connection, chosen)
    console = progress_console()
    if not chosen:
        console.print(f"Every source that is crawled is in {settings.sources_file}.")
    elif yes:
        console.print(f"{len(chosen)} sources are retired; what was had from them stays.")
    else:
        console.print("Nothing is changed yet: --yes retires them.")


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RasidError(f"cannot read {path}: {error}") from error


@contextmanager
def _writer_of(path: Path) -> Iterator[None]:
    """Be the only one who changes the file, from reading it on: nobody's sources get lost.

    The lock is on its folder, where another file is to take its place.
    """
    try:
        folder = os.open(path.resolve().parent, os.O_RDONLY)
    except OSError as error:
        raise RasidError(f"cannot read {path}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress_console().print(f"Another import writes {path}; waiting for it.")
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _replace(path: Path, text: str) -> None:
    """Write a file as a whole or not at all."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", dir=path.resolve().parent, encoding="utf-8", delete=False
        ) as new:
            new.write(text)
        Path(new.name).chmod(path.stat().st_mode)
        os.replace(new.name, path.resolve())  # noqa: PTH105 - atomic, and over what is there
    except OSError as error:
        raise RasidError(f"cannot write {path}: {error}") from error


@sources_app.command("export")
def sources_export(
    context: typer.Context,
    form: Annotated[str, typer.Option("--format", help="yaml, opml or csv.")] = "yaml",
) -> None:
    """Write the sources of sources.yaml to standard output, without loss in each format.

    \b
    Examples:
      rasid sources export --format opml > sources.opml
      rasid sources export --format csv > sources.csv
    """
    formats: dict[str, Format] = {"yaml": "yaml", "opml": "opml", "csv": "csv"}
    if form not in formats:
        raise RasidError(f"--format is one of {', '.join(formats)}, not {form!r}")
    sys.stdout.write(source_files.write(read_sources(settings_of(context)), formats[form]))


@sources_app.command("discover")
def sources_discover(
    context: typer.Context,
    url: Annotated[str, typer.Argument(help="The site's home page.")],
    most_requests: Annotated[int, typer.Option("--requests", min=1, max=200)] = 30,
    delay_s: Annotated[float, typer.Option("--delay", min=0, help="Seconds between two.")] = 1.0,
    as_json: Json = False,
) -> None:
    """Find the feeds, sitemaps and section pages of a site; print them and a ready source.

    Looks at link tags, robots.txt, the usual places and the menu, and reads each before it is
    shown. It obeys robots.txt, asks one thing after the other, and only public addresses.

    \b
    Examples:
      rasid sources discover https://example.org/ > example.yaml
      rasid sources import example.yaml
    """
    from crawler.survey import survey

    console = progress_console()
    result = survey(
        settings_of(context),
        url if "://" in url else f"https://{url}",
        most_requests=most_requests,
        delay_s=delay_s,
        progress=console.print,
    )
    if as_json:
        for found in result.found:
            print_json({name: getattr(found, name) for name in found.__slots__})
        return
    table = Table(
        "kind", "links", "newest", "language", "told by", "address", "odd in it", box=None
    )
    for found in result.found:
        table.add_row(
            found.kind,
            f"{found.sitemaps_count} sitemaps" if found.sitemaps_count else str(found.links_count),
            _shown(found.newest_at),
            found.language or "-",
            found.told_by,
            Text(found.url, overflow="fold"),
            ", ".join(found.problems),
        )
    console.print(table)
    for address, reason in result.others:
        console.print(f"not one: {address} ({reason})")
    if not result.found:
        raise RasidError(f"{url} has no feed, sitemap or section page that could be found")
    feeds = [found for found in result.found if found.kind == "feed"]
    chosen = [found for found in result.found if found.kind != "section"]
    # Section pages cost requests and tell no times: only where nothing else tells of news.
    chosen = chosen if feeds else result.found
    language = next((found.language for found in [*feeds, *result.found] if found.language), None)
    language = (language or result.language or "").lower().replace("_", "-").partition("-")[0]
    name = source_files.name_of(result.home_page)
    source = Source(
        name=name,
        title=next((found.title for found in feeds if found.title), None) or result.title or name,
        home_page=result.home_page,
        language=language if re.fullmatch("[a-z]{2,3}", language) else None,
        enabled=False,
        feeds=tuple(Feed(url=found.url, kind=found.kind) for found in chosen),
    )
    sys.stdout.write(source_files.write([source], "yaml"))
