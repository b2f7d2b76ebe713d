"""Measures this extraction against trafilatura over pages with known truth, in one run.

    PYTHONPATH=. .venv/bin/python benchmarks/extraction.py --limit 60
    PYTHONPATH=. .venv/bin/python benchmarks/extraction.py --corpus abe,arabic

The corpora and their score.py stand in the folder that RASID_CORPORA names, or in
../shared/corpora; without them there is nothing to measure, and the command says so. Both
extractors read each page one after the other in this process, so that their CPU times can be
compared even on a busy machine.
"""

import argparse
import importlib.util
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import trafilatura

from services.shared.contracts import RawPage, Rejection
from worker.extract import extract, warm

Answer = dict[str, Any]
Extractor = Callable[[bytes, str], Answer]
COLUMNS = ("f1", "p", "r", "title", "date", "authors", "empty", "cpu_ms_median", "cpu_ms_mean")


def rasid(html: bytes, url: str) -> Answer:
    """Return what the worker reads from a page; nothing where it refuses the page."""
    read = extract(RawPage(body=html, origin="benchmark", final_url=url))
    if isinstance(read, Rejection):
        return {}
    return {
        "title": read.title,
        "text": read.text,
        "authors": list(read.authors),
        "date": read.published_at,
    }


def trafilatura_default(html: bytes, url: str) -> Answer:
    """Return what trafilatura reads with its defaults and all metadata."""
    read: Any = trafilatura.bare_extraction(
        html, url=url, with_metadata=True, include_comments=False
    )
    if read is None:
        return {}
    return {
        "title": read.title,
        "text": read.text,
        "authors": [name for name in (read.author or "").split("; ") if name],
        "date": read.date,
    }


EXTRACTORS: dict[str, Extractor] = {
    "rasid": rasid,
    "trafilatura": trafilatura_default,
}


def corpora() -> Path:
    """Return the folder of the corpora, whether it exists or not."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "corpora"
    return Path(os.environ.get("RASID_CORPORA", beside))


def load_scorer(folder: Path) -> ModuleType:
    """Return the module score.py of the corpora."""
    spec = importlib.util.spec_from_file_location("score", folder / "score.py")
    if spec is None or spec.loader is None:
        raise SystemExit(f"cannot load {folder / 'score.py'}")
    module = importlib.util.module_from_spec(spec)
    sys.modules["score"] = module
    spec.loader.exec_module(module)
    return module


def measure(scorer: ModuleType, name: str, limit: int | None) -> dict[str, Answer]:
    """Return the summary of each extractor over one corpus, page by page in turn."""
    rows: dict[str, list[Answer]] = {extractor: [] for extractor in EXTRACTORS}
    for page in scorer.pages([name], limit):
        for extractor, read in EXTRACTORS.items():
            rows[extractor] += scorer.run(read, [page])
    return {extractor: scorer.summary(its) for extractor, its in rows.items()}


def table(results: dict[str, dict[str, Answer]]) -> list[str]:
    """Return the lines of a Markdown table."""
    lines = [f"| corpus | extractor | pages | {' | '.join(COLUMNS)} |"]
    lines.append("|---" * (len(COLUMNS) + 3) + "|")
    for corpus, summaries in results.items():
        for extractor, summary in summaries.items():
            cells = [str(summary.get(column, "")) for column in COLUMNS]
            lines.append(f"| {corpus} | {extractor} | {summary['pages']} | {' | '.join(cells)} |")
    return lines


def cpu_ratio(results: dict[str, dict[str, Answer]]) -> float:
    """Return our mean CPU per page over that of trafilatura, all corpora together."""
    ours, theirs = (
        sum(its[name]["cpu_ms_mean"] * its[name]["pages"] for its in results.values())
        for name in ("rasid", "trafilatura")
    )
    return float(ours / theirs)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--corpus", default="abe,wcxb,dates,arabic", help="which, with commas")
    parser.add_argument("--limit", type=int, help="only the first pages of each corpus")
    options = parser.parse_args(arguments)
    folder = corpora()
    if not (folder / "score.py").is_file():
        print(f"skipped: no corpora in {folder}; set RASID_CORPORA to their folder")
        return
    logging.disable(logging.CRITICAL)  # trafilatura reports each page that it gives up
    scorer = load_scorer(folder)
    warm()
    scorer.run(trafilatura_default, scorer.pages(["abe"], 2))
    results = {}
    for name in options.corpus.split(","):
        print(f"reading {name} ...", file=sys.stderr, flush=True)
        results[name] = measure(scorer, name, options.limit)
    print("\n".join(table(results)))
    print(f"\nCPU per page against trafilatura: {cpu_ratio(results):.2f}")


if __name__ == "__main__":
    main()
