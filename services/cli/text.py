"""`rasid extract`: pages in, clean text out, without any server."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from services.cli.app import app, settings_of
from services.importer import files as importer_files
from services.importer.read import read
from services.importer.records import Omitted, Refusal
from services.shared.contracts import RawPage
from services.shared.errors import RasidError
from services.shared.settings import Settings
from worker import batch


@app.command()
def extract(
    context: typer.Context,
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE]...", help="HTML or text files.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes to use (default: one for each core).")
    ] = None,
) -> None:
    """Extract clean text, without servers: one JSON object a line, in the order of the input.

    Without FILE it reads JSON lines from standard input, each with id, url and html_base64
    (optional: content_type, fetched_at). Each line that comes out has id, title, text, authors,
    published_at, language, rejection, and more; `rejection` is null for an article.

    \b
    Examples:
      rasid extract page.html
      rasid extract seeds/*.txt | jq .title
      rasid extract < pages.jsonl > articles.jsonl
    """
    settings = settings_of(context)
    jobs = jobs or os.cpu_count() or 1
    if files:
        results = batch.extract_pages(_pages(files, settings), settings, jobs)
    elif sys.stdin.isatty():
        raise RasidError("give FILEs, or JSON lines on standard input; see `rasid extract --help`")
    else:
        lines = (line for line in sys.stdin.buffer if line.strip())
        results = batch.extract_lines(lines, settings, jobs)
    for result in results:
        sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
        sys.stdout.flush()


def _pages(files: list[Path], settings: Settings) -> Iterator[RawPage | dict[str, object]]:
    """Yield what each file holds, and for what cannot be read a line that says why."""
    for item in importer_files.find(files):
        if isinstance(item, Omitted):
            continue
        if isinstance(item, Refusal):
            yield batch.refused(item.origin, item.reason, item.detail)
            continue
        for found in read(item, max_body_bytes=settings.max_body_bytes):
            if isinstance(found.outcome, Refusal):
                refusal = found.outcome
                yield batch.refused(refusal.origin, refusal.reason, refusal.detail)
            elif isinstance(found.outcome, RawPage):
                yield found.outcome
