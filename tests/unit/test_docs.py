"""What the documentation says exists: links, settings, words, commands, functions and tests."""

import re
import shlex
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from services.cli import app as cli
from services.importer import files
from services.importer import read as importer_read
from services.importer.records import OMISSIONS, REFUSAL_REASONS
from services.shared import sources
from services.shared.contracts import (
    DEAD_LETTER_REASONS,
    DECISION_STATUSES,
    LANES,
    REJECTION_REASONS,
    Precision,
    RawPage,
)
from services.shared.frontier import LinkReason, LinkState, Problem
from services.shared.settings import SECRET_NAMES, Settings
from worker.explain import Fate

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "deploy/README.md")
] + sorted((ROOT / "docs").glob("*.md"))
NAMES = [str(path.relative_to(ROOT)) for path in PAGES]

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
#: `./rasid`, `rasid`, and the two ways to run it in a container, whose entry point it is.
COMMAND = re.compile(
    r"^(?:[A-Z_]+=\S* )*"
    r"(?:(?:\./)?rasid"
    r"|docker compose exec(?: -\S+)* \w+ rasid"
    r"|docker compose run(?: --?[\w-]+(?: \S+:\S+)?)* (?:crawler|importer|rasid|worker))"
    r" (?P<rest>.*)$"
)
#: `test_name`, or `acceptance/test_file.py::test_name` where the name alone is not enough.
TEST = r"`(?:\w+/test_\w+\.py::)?test_\w+`"
CODE = re.compile(r"\]\(\.\./(?P<path>[\w/.]+\.py)\)\s+`(?P<name>[\w.]+)`")


def read(path: Path) -> str:
    return path.read_text("utf-8")


def first_cells(page: str) -> set[str]:
    """Return the words in backticks in the first cell of every table row of a page in docs/."""
    rows = re.findall(r"^\|([^|\n]*)\|", read(ROOT / "docs" / page), re.MULTILINE)
    return {word for row in rows for word in INLINE.findall(row)}


def blocks(page: str, language: str) -> list[str]:
    """Return the fenced blocks of one language in a page in docs/."""
    pattern = rf"^```{language}\n(.*?)^```"
    return re.findall(pattern, read(ROOT / "docs" / page), re.MULTILINE | re.DOTALL)


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page's headings, as forges make them."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", read(path)), re.MULTILINE)
    return {
        "".join(c for c in text.lower() if c in "-_ " or unicodedata.category(c)[0] in "LNM")
        .strip()
        .replace(" ", "-")
        for text in headings
    }


@pytest.mark.parametrize("path", PAGES, ids=NAMES)
def test_links_lead_somewhere(path: Path) -> None:
    """Each relative link leads to a file of the repository, and to a heading in it."""
    broken = []
    for link in LINK.findall(FENCED.sub("", read(path))):
        if link.startswith(("https://", "http://")):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)

    assert broken == []


def test_every_setting_is_explained() -> None:
    """The table of settings in docs/ops.md has every setting and no other, with its default."""
    rows = re.findall(
        r"^\| `([A-Z_]+)` (\*)? *\| ([^|]+) \|", read(ROOT / "docs/ops.md"), re.MULTILINE
    )
    told = {name: default.strip().strip("`") for name, _, default in rows}
    fields = {str(field.alias): field.default for field in Settings.model_fields.values()}

    assert told.keys() == fields.keys()
    assert {name for name, star, _ in rows if star} == set(SECRET_NAMES)
    for name, default in fields.items():
        if name in ("RASID_CONCURRENCY", "RASID_MAX_BODY_BYTES", "RASID_USER_AGENT"):
            continue  # told in words
        if isinstance(default, bool):
            assert told[name] == str(default).lower(), name
        elif isinstance(default, int | float):
            assert float(told[name]) == default, name
        elif default is not None:
            assert told[name] == str(default), name


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("glossary.md", (*REJECTION_REASONS, *DEAD_LETTER_REASONS, *DECISION_STATUSES)),
        ("importing.md", REFUSAL_REASONS),
        ("crawling.md", (*get_args(LinkState), *get_args(LinkReason), *get_args(Problem))),
    ],
)
def test_every_word_is_explained(page: str, words: Sequence[str]) -> None:
    """Each status and reason of a closed set has a row in a table."""
    assert set(words) - first_cells(page) == set()


def test_every_word_is_mentioned() -> None:
    """Lanes, precisions and what the importer leaves out stand in the pages about them."""
    said = {
        "glossary.md": (*LANES, *get_args(Precision)),
        "consumers.md": get_args(Precision),
        "importing.md": OMISSIONS,
        "extraction.md": [word for words in get_args(Fate) for word in get_args(words)],
    }
    missing = [
        (page, word)
        for page, words in said.items()
        for word in words
        if f"`{word}`" not in read(ROOT / "docs" / page)
    ]

    assert missing == []


def commands(path: Path) -> Iterator[list[str]]:
    """Yield the arguments of each `rasid` command in a page's code, without comment and pipe."""
    text = read(path)
    blocks = "\n".join(FENCED.findall(text))
    lines = [line.strip() for line in blocks.splitlines()]
    lines += [line.strip() for line in text.splitlines() if line.startswith("    ")]
    lines += INLINE.findall(FENCED.sub("", text))
    for line in lines:
        # Placeholders in capitals and brackets stand for any word.
        if found := COMMAND.match(re.split(r"\s#|\s[|<>]", line)[0]):
            yield shlex.split(found["rest"])


def problem_of(arguments: list[str]) -> str | None:
    """Return what is wrong with the arguments of `rasid`; they are read, but nothing is run."""
    command: Any = typer.main.get_command(cli.app)
    context = None
    try:
        while isinstance(command, TyperGroup):
            if not arguments:
                return None  # a group that is only named
            context = command.make_context(command.name, list(arguments), parent=context)
            arguments = [*context._protected_args, *context.args]
            if not arguments:
                return None
            _, command, arguments = command.resolve_command(context, arguments)
        if arguments:  # without any, a command is only named
            command.make_context(command.name, list(arguments), parent=context)
    except typer.Exit:
        return None  # --help
    except TyperException as error:
        return f"{arguments}: {error}"
    return None


@pytest.fixture(scope="module")
def _all_commands() -> None:
    cli._load([])


@pytest.mark.usefixtures("_all_commands")
@pytest.mark.parametrize("path", PAGES, ids=NAMES)
def test_commands_exist(path: Path) -> None:
    """Each `rasid` command shown, with its options, is one that can be typed."""
    assert [problem for words in commands(path) if (problem := problem_of(words))] == []


@pytest.mark.usefixtures("_all_commands")
@pytest.mark.parametrize(
    "arguments",
    [["artikel"], ["import", "--recursive", "x"], ["dead-letters", "resend"], ["status", "now"]],
)
def test_a_wrong_command_is_noticed(arguments: list[str]) -> None:
    """The check above sees a command, an option and a word that do not exist."""
    assert problem_of(arguments)


@pytest.mark.usefixtures("_all_commands")
def test_every_command_is_in_the_changelog() -> None:
    """The list of commands in the changelog is the list of commands."""
    shown = {name for name in cli.MODULES if f"`{name}`" in read(ROOT / "CHANGELOG.md")}
    group: Any = typer.main.get_command(cli.app)

    assert shown == set(group.commands)


def test_the_example_of_sources_is_valid() -> None:
    """The sources.yaml shown in docs/crawling.md is one that Rasid takes."""
    (example,) = blocks("crawling.md", "yaml")
    (source,) = sources.parse(example, "example")

    assert source.enabled
    assert len(source.feeds) == 2


def test_every_field_of_sources_is_explained() -> None:
    """Each field of sources.yaml has a row in docs/crawling.md."""
    parts: dict[str, type[sources.Record]] = {
        "": sources.Source,
        "crawl.": sources.CrawlPolicy,
        "rules.": sources.Rules,
        "feeds.": sources.Feed,
    }
    fields = {part + name for part, record in parts.items() for name in record.model_fields}

    assert fields - {"crawl", "rules"} - first_cells("crawling.md") == set()


def test_the_example_of_json_lines_is_a_page(tmp_path: Path) -> None:
    """The line shown in docs/importing.md is imported with all it says."""
    (example,) = blocks("importing.md", "json")
    (tmp_path / "pages.jsonl").write_text(example, "utf-8")
    (file,) = files.find([tmp_path / "pages.jsonl"])
    assert isinstance(file, files.File)
    (found,) = importer_read.read(file, max_body_bytes=1_000_000)

    assert isinstance(found.outcome, RawPage)
    assert found.outcome.url == "https://example.org/1"
    assert found.outcome.fetched_at == datetime(2026, 11, 21, 10, tzinfo=UTC)


def test_the_way_of_a_page_is_in_the_code() -> None:
    """Each function that docs/one-page.md names is in the file it names."""
    named = CODE.findall(read(ROOT / "docs/one-page.md"))
    missing = [
        (path, name)
        for path, name in named
        if not re.search(rf"(?:def|class) {name.rpartition('.')[2]}\b", read(ROOT / path))
    ]

    assert len(named) > 20
    assert missing == []


def test_tests_that_are_named_exist() -> None:
    """A page that says which test proves something names one that is there, and one alone.

    A name that several files have is told with its file, `integration/test_archive.py::test_x`.
    """
    named = {
        quoted.strip("`") for path in PAGES for quoted in re.findall(TEST, read(path), re.MULTILINE)
    }
    there = [
        (f"{path.relative_to(ROOT / 'tests')}::{name}", name)
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in set(re.findall(r"def (test_\w+)", read(path)))
    ]
    files_of = Counter(name for _, name in there)
    told = {full for full, _ in there} | {name for name, files in files_of.items() if files == 1}

    assert len(named) > 100
    assert named - told == set()


@pytest.mark.parametrize(
    ("page", "heads"), [("reliability.md", "when | then"), ("security.md", "defence")]
)
def test_every_claim_is_proven(page: str, heads: str) -> None:
    """Each line of a table of claims ends with the tests that prove it."""
    table = rf"^\| {re.escape(heads)} \| test \|\n\|[-|]+\n((?:\|.*\n)+)"
    tables = re.findall(table, read(ROOT / "docs" / page), re.MULTILINE)
    claims = [line for rows in tables for line in rows.splitlines()]
    proven = re.compile(rf"\| {TEST}(?:, {TEST})* \|$")

    assert len(claims) > 15
    assert [line for line in claims if not proven.search(line)] == []
