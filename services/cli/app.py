"""The `rasid` command: its groups, its global options, and how errors reach a person."""

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from services.shared import settings as settings_module
from services.shared.console import Console
from services.shared.errors import RasidError
from services.shared.secrets import hidden
from services.shared.settings import Settings
from services.shared.terminal import harmless, json_line

#: The module that defines each command.
MODULES = {
    "up": "run",
    "worker": "run",
    "reconcile": "run",
    "migrate": "run",
    "crawl": "run",
    "backfill": "bulk",
    "fetch": "bulk",
    "import": "run",
    "demo": "run",
    "test": "run",
    "articles": "articles",
    "quotations": "quotations",
    "stories": "stories",
    "follow": "follow",
    "export": "export",
    "prune": "prune",
    "purge": "purge",
    "archive": "archive",
    "replay": "replay",
    "brake": "brake",
    "search": "search",
    "watch": "watch",
    "status": "status",
    "dashboard": "dashboard",
    "trace": "trace",
    "dead-letters": "dead_letters",
    "extract": "text",
    "explain": "explain",
    "sources": "sources",
}

Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Limit = Annotated[
    int | None,
    typer.Option(min=1, max=2**31, help="At most so many (default 20; with --json all)."),
]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def rasid(
    context: typer.Context,
    state: Annotated[
        Path | None,
        typer.Option(help="Where the embedded servers keep their data (default .rasid)."),
    ] = None,
) -> None:
    """Watch news outlets: crawl them, extract clean text, store every article once.

    Commands work on DATABASE_URL and REDIS_URL where they are set, else on servers that Rasid
    brings along and keeps in the state directory.

    \b
    Examples:
      rasid demo                       see it work, from nothing
      rasid up                         run everything on this machine until Ctrl-C
      rasid import seeds/              import files
      rasid articles                   what has been stored
      rasid search 'أميركا سوريا'      which of it has these words
      rasid status                     is everything well?
    """
    if context.resilient_parsing or {"-h", "--help"} & set(sys.argv):
        return
    overrides = {"state_dir": state} if state else {}
    context.obj = settings_module.load(**overrides)


def settings_of(context: typer.Context) -> Settings:
    """Return the settings the callback has read."""
    settings = context.obj
    if not isinstance(settings, Settings):
        raise RasidError("settings have not been read")
    return settings


def output() -> Console:
    """Return the console for results. Piped output is as wide as it needs to be."""
    return Console(
        width=None if sys.stdout.isatty() else 200, highlight=False, markup=False, emoji=False
    )


def progress_console() -> Console:
    """Return the console for progress and remarks, which never mix with results."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def print_json(value: object) -> None:
    """Print a value as one line of JSON, letters as they are."""
    print(json_line(value))


def main() -> None:
    """Run the command; a known error is one line and exit status 1."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    _load(sys.argv[1:])
    try:
        try:
            app(prog_name="rasid")
        finally:
            sys.stdout.flush()
    except RasidError as error:
        print(f"rasid: {harmless(hidden(str(error)))}", file=sys.stderr)
        raise SystemExit(1) from None
    except (BrokenPipeError, SystemExit) as end:
        # Whoever read the output has closed it (`rasid articles | head`): that is no error,
        # though Typer ends with 1 then.
        if not isinstance(end, BrokenPipeError) and not isinstance(
            end.__context__, BrokenPipeError
        ):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None


def _load(arguments: Sequence[str]) -> None:
    """Import the module of the command that is meant; all of them for help or a mistake.

    Most commands need neither the extractor nor the crawler, which take a second to import.
    """
    named = [MODULES[word] for word in arguments if word in MODULES][:1]
    for module in named or dict.fromkeys(MODULES.values()):
        importlib.import_module(f"services.cli.{module}")
