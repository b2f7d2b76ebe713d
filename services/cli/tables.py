"""Rows of the store as tables for a terminal, Arabic and other right-to-left text legible."""

import unicodedata
from collections.abc import Iterable, Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text

from services.storage.articles import ArticleRow
from services.storage.dead_letters import Letter

FIRST_STRONG_ISOLATE, POP_ISOLATE = "\u2068", "\u2069"


def isolated(text: str) -> str:
    """Return the text in its own direction, so that it does not reorder what stands beside it."""
    if any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in text):
        return f"{FIRST_STRONG_ISOLATE}{text}{POP_ISOLATE}"
    return text


def articles_table(rows: Iterable[ArticleRow]) -> Table:
    """Return the articles; titles come last, where their direction disturbs no other column."""
    table = Table("id", "lang", "published", "chars", box=None)
    table.add_column("origin", min_width=20, max_width=36, overflow="fold")
    table.add_column("title", min_width=24, overflow="fold")
    for row in rows:
        published = str(row["published_at"] or "-")[:16].replace("T", " ")
        table.add_row(
            str(row["id"]) + (f" = {row['duplicate_of']}" if row["duplicate_of"] else ""),
            str(row["language"] or "-"),
            published[:10] if row["published_at_precision"] == "day" else published,
            str(len(str(row["text"]))),
            Text(isolated(str(row["origin"]))),
            Text(isolated(str(row["title"] or "-"))),
        )
    return table


def counts_table(title: str, rows: Mapping[tuple[str, str], int]) -> Table:
    """Return counts by a word and its reason."""
    table = Table(title, "reason", "pages", box=None)
    for (word, reason), count in rows.items():
        table.add_row(word, reason or "-", str(count))
    return table


def dead_letters_table(letters: Iterable[Letter]) -> Table:
    """Return dead letters, one a row."""
    table = Table("page", "reason", "failed", "times", "origin or address", "detail", box=None)
    for letter in letters:
        table.add_row(
            letter.page_id,
            letter.reason + (" (replaying)" if letter.replayed_at else ""),
            f"{letter.last_failed_at:%Y-%m-%d %H:%M}",
            str(letter.failures_count),
            Text(isolated(letter.url or letter.origin or "-"), overflow="fold"),
            Text(letter.detail.splitlines()[0] if letter.detail else "-", overflow="fold"),
        )
    return table


def print_article(console: Console, row: ArticleRow) -> None:
    """Print one article: its fields, then its text by paragraphs."""
    fields = Table.grid(padding=(0, 2))
    for name, value in row.items():
        if name not in ("text", "comments", "witnesses") and value not in (None, [], ""):
            shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            fields.add_row(Text(name, style="bold"), Text(isolated(shown), overflow="fold"))
    console.print(fields)
    for paragraph in str(row["text"]).split("\n\n"):
        console.print()
        console.print(Text(isolated(paragraph), overflow="fold"))
