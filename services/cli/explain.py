"""`rasid explain`: what is read from a page, what is cut from it, and why."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from services.archiver import reader
from services.cli.app import Json, app, output, print_json, progress_console, settings_of
from services.cli.session import database
from services.cli.sources_file import read_sources
from services.cli.tables import isolated
from services.importer import files as importer_files
from services.importer.read import read
from services.importer.records import Omitted, Refusal
from services.shared import urls
from services.shared.contracts import Extraction, RawPage, Rejection
from services.shared.errors import InvalidUrl, RasidError
from services.shared.settings import Settings
from services.shared.sources import Source
from services.storage import raw_pages
from worker.explain import Explanation, Fate, Shown, explain

COLORS: dict[Fate, str] = {"kept": "green", "not taken": "bright_black", "caption": "cyan"}
COLORS |= {"title": "cyan", "field": "cyan", "comment": "cyan"}
CUT = "red"
FEW = 3  # lines of a run that was not taken that are shown without --all
NOT_FIELDS = ("text", "captions", "comments", "witnesses", "rules_missed")
#: These say more of a date: they stand beside it.
BESIDE = ("published_at_precision",)


@app.command("explain")
def explain_page(
    context: typer.Context,
    page: Annotated[str, typer.Argument(metavar="FILE|URL")],
    source: Annotated[
        str | None, typer.Option(help="Read it with the rules and time zone of this source.")
    ] = None,
    show_all: Annotated[bool, typer.Option("--all", help="Every line, menus and all.")] = False,
    as_json: Json = False,
) -> None:
    """Show what is kept of a page, what is cut and why, and where each field is taken from.

    A FILE needs no server. A URL is not fetched again: what is explained is the page that was
    received last under it and is in the store (`rasid trace URL` tells whether there is one). Its
    source is looked up in sources.yaml, so that a change of its rules is seen at once.

    Beside each line: `kept`; what it is instead (title, byline, date, caption, comment, field); why
    it was cut (head, tail, line, section: words of the lexicon at that place; repeat; above_title);
    or `not taken`: menus, lists of other articles and what else is no body.

    \b
    Examples:
      rasid explain page.html
      rasid explain seeds/000_e0562fae2ffcc33a.txt
      rasid explain https://example.org/news/1 --all
      rasid explain page.html --source example
      rasid explain page.html --json | jq '.lines[] | select(.fate == "line")'
    """
    settings = settings_of(context)
    is_url = page.startswith(("http://", "https://"))
    found = iter([_stored(page, settings)]) if is_url else _in_file(Path(page), settings)
    for raw in found:
        known = _of_source(source or raw.source, settings, asked=source is not None)
        ruled = raw
        if known:
            zone = known.time_zone or raw.time_zone
            ruled = replace(raw, time_zone=zone, rules=known.rules.by_name())
        explained = explain(ruled, settings.max_body_bytes)
        if as_json:
            print_json(_as_json(raw, explained))
        else:
            _print(output(), raw, explained, show_all=show_all)


def _stored(url: str, settings: Settings) -> RawPage:
    forms, key = [url], None
    try:
        forms, key = [url, urls.clean(url)], urls.key(url)
    except InvalidUrl as error:
        raise RasidError(f"{url} is no address: {error}") from error
    with database(settings) as connection:
        found = raw_pages.newest(connection, forms, key, reader.body)
    if found is None:
        raise RasidError(
            f"no page of {url} is stored: save it and give the file, "
            "or see `rasid trace URL` for what became of it"
        )
    return found


def _in_file(path: Path, settings: Settings) -> Iterator[RawPage]:
    """Yield the pages in a file: one, or all of a WARC or JSON lines file."""
    for item in importer_files.find([path]):
        if isinstance(item, Omitted):
            continue
        if isinstance(item, Refusal):
            raise RasidError(f"{item.origin}: {item.reason}: {item.detail}")
        for found in read(item, max_body_bytes=settings.max_body_bytes):
            if isinstance(found.outcome, Refusal):
                refusal = found.outcome
                told = f"{refusal.origin}: {refusal.reason}: {refusal.detail}"
                progress_console().print(told)
            elif isinstance(found.outcome, RawPage):
                yield found.outcome


def _of_source(name: str | None, settings: Settings, *, asked: bool) -> Source | None:
    if name is None or (not asked and not settings.sources_file.exists()):
        return None
    found = next((one for one in read_sources(settings) if one.name == name), None)
    if found is None and asked:
        raise RasidError(f"no source {name!r} in {settings.sources_file}")
    return found


def _fields(result: Extraction) -> dict[str, dict[str, object]]:
    """Return each field that the page fills, with its witness."""
    found: dict[str, dict[str, object]] = {}
    for name in Extraction.__dataclass_fields__:
        value = getattr(result, name)
        if name in (*NOT_FIELDS, *BESIDE) or value is None or value in ((), ""):
            continue
        witness = result.witnesses.get(name)
        if name == "labels":  # each has a witness of its own
            witness = ", ".join(
                result.witnesses.get(f"labels.{label}", "-") for label in result.labels
            )
        found[name] = {"value": value, "witness": witness}
        if name == "published_at":
            found[name]["precision"] = result.published_at_precision
    return found


def _as_json(page: RawPage, explained: Explanation) -> dict[str, object]:
    result = explained.result
    rejection = result if isinstance(result, Rejection) else None
    return {
        "origin": page.origin,
        "url": page.url,
        "encoding": explained.encoding,
        "rejection": rejection and rejection.reason,
        "detail": rejection and rejection.detail,
        "rules_missed": result.rules_missed,
        "fields": _fields(result) if isinstance(result, Extraction) else {},
        "lines": [{"fate": line.fate, "text": line.text} for line in explained.lines],
    }


def _print(console: Console, page: RawPage, explained: Explanation, *, show_all: bool) -> None:
    result = explained.result
    console.print(Text(isolated(page.url or page.origin), style="bold", overflow="fold"))
    console.print(f"encoding {explained.encoding or '-'}, {len(page.body)} bytes")
    if isinstance(result, Rejection):
        refused = f"refused: {result.reason}" + (f" ({result.detail})" if result.detail else "")
        console.print(Text(refused, style=CUT))
    for rule in result.rules_missed or ():
        console.print(Text(f"the source's rule for {rule} selects nothing", style=CUT))
    if isinstance(result, Extraction):
        console.print()
        console.print(_fields_table(result))
    console.print()
    console.print(_lines_table(explained.lines, show_all=show_all))


def _fields_table(result: Extraction) -> Table:
    table = Table("field", "from", "value", box=None)
    for name, field in _fields(result).items():
        value = field["value"]
        shown = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
        shown += f" (to the {field['precision']})" if field.get("precision") else ""
        text = Text(isolated(shown), overflow="fold")
        table.add_row(Text(name, style="bold"), str(field["witness"] or "-"), text)
    return table


def _lines_table(lines: tuple[Shown, ...], *, show_all: bool) -> Table:
    table = Table("fate", "line", box=None)
    for fate, run in groupby(lines, key=lambda line: line.fate):
        texts = [line.text for line in run]
        few = texts if show_all or fate != "not taken" else texts[:FEW]
        style = COLORS.get(fate, CUT)
        for text in few:
            table.add_row(Text(fate, style=style), Text(isolated(text), style, overflow="fold"))
        if len(few) < len(texts):
            more = f"... and {len(texts) - len(few)} more such lines; --all shows them"
            table.add_row("", Text(more, style="italic"))
    return table
