"""What a replay would read and what it has changed go in; tables and JSON for people come out."""

import json
from typing import Any

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from services.storage.replays import Chosen, Replay

SHOWN = 10


def print_chosen(console: Console, chosen: Chosen) -> None:
    """Print how many pages were chosen, by what they are now and by source."""
    times = ""
    if chosen.first_at and chosen.last_at:
        times = f", of {chosen.first_at:%Y-%m-%d} to {chosen.last_at:%Y-%m-%d}"
    console.print(f"{chosen.pages:,} pages, {decimal(chosen.bytes)} as they are kept{times}")
    if chosen.without_body:
        console.print(f"{chosen.without_body:,} more have no body any more, and stay as they are.")
    table = Table("now", "reason", "pages", box=None)
    for (outcome, why), count in chosen.by_outcome.items():
        table.add_row(outcome, why, f"{count:,}")
    if chosen.by_outcome:
        console.print(table)
    table = Table("source", "pages", box=None)
    for number, (name, count) in enumerate(chosen.by_source.items()):
        if number < SHOWN:
            table.add_row(name or "(none)", f"{count:,}")
    if len(chosen.by_source) > SHOWN:
        table.add_row(f"and {len(chosen.by_source) - SHOWN} more", "")
    if chosen.by_source:
        console.print(table)


def as_json(found: Replay, summary: dict[str, Any]) -> dict[str, Any]:
    """Return a replay and what came of it as one object."""
    return {
        "replay": found.id,
        "choice": json.loads(found.choice),
        "extractor_version": found.extractor_version,
        "begun_at": found.created_at,
        "ended_at": found.ended_at,
        "of_pages": found.pages_count,
        "left": found.left_count,
        **summary,
    }


def print_replay(console: Console, found: Replay, summary: dict[str, Any]) -> None:
    """Print what came of a replay, in counts and with examples."""
    state = "has ended" if found.ended_at else f"goes on, {found.left_count:,} pages are left"
    console.print(
        f"Replay {found.id} {state}: {summary['done']:,} of {found.pages_count:,} pages read again "
        f"with version {found.extractor_version} of the extractor."
    )
    fields = ", ".join(f"{name} {count:,}" for name, count in summary["fields_changed"].items())
    console.print(
        f"Articles that say something else: {summary['articles_changed']:,}"
        + (f" ({fields})" if fields else "")
    )
    for name, words in (
        ("became_articles", "Rejections that are articles now"),
        ("now_rejected", "Articles that would be rejected now, and are kept"),
        ("cured", "Dead letters that are none any more"),
        ("now_dead_letters", "Pages that fail now; see `rasid dead-letters list`"),
        ("no_body", "Bodies that went before they were read"),
    ):
        if summary[name]:
            console.print(f"{words}: {summary[name]:,}")
    for page in summary["pages"]:
        before = " ".join(filter(None, (page["outcome_before"], page["reason_before"])))
        after = " ".join(filter(None, (page["outcome"], page["reason"])))
        console.print(f"  {before} -> {after}: {page['url']}", soft_wrap=True)
    if summary["examples"]:
        table = Table("article", "field", "before", "after", box=None)
        for example in summary["examples"]:
            table.add_row(
                str(example["article_id"] or ""),
                example["field"],
                example["before"] or "",
                example["after"] or "",
            )
        console.print(table)
