"""Rows of the store as tables for a terminal, Arabic and other right-to-left text legible."""

import unicodedata
from collections.abc import Iterable, Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text

from services.storage.articles import ArticleRow
from services.storage.dead_letters import Letter
from services.storage.quotations import Row

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


def quotations_table(rows: Iterable[Row]) -> Table:
    """Return quotations, one a row, with the outlet that carried it first."""
    table = Table("id", "first", "outlet", "articles", "stories", "outlets", "passage", box=None)
    for row in rows:
        table.add_row(
            str(row["id"]),
            str(row["first_at"])[:16].replace("T", " "),
            Text(isolated(str(row["first_outlet"] or "-"))),
            *(str(row[f"{name}_count"]) for name in ("articles", "stories", "outlets")),
            Text(isolated(" ".join(str(row["text"]).split())), overflow="fold"),
        )
    return table


def print_carriers(console: Console, rows: Iterable[Row]) -> None:
    """Print each quotation as its first article has it, and everyone who carries it."""
    for row in rows:
        if row["is_first"]:
            text = " ".join(str(row["text"]).split())
            console.print(Text(f"\n{row['quotation_id']}  {isolated(text)}"))
        place = f"{row['text_start']}-{row['text_end']}"
        dated = str(row["dated_at"])[:16].replace("T", " ")
        outlet = isolated(str(row["outlet"] or "-"))
        console.print(Text(f"   {dated}  article {row['article_id']}  {place:>11}  {outlet}"))


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
