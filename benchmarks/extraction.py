"""Measures this extraction against others over pages with known truth, in one run.

    PYTHONPATH=. .venv/bin/python benchmarks/extraction.py --limit 60 --no-memory
    PYTHONPATH=. .venv/bin/python benchmarks/extraction.py --corpus abe,arabic
    PYTHONPATH=. .venv/bin/python benchmarks/extraction.py --only rasid,trafilatura
    uv pip install --group bench       # readability-lxml and newspaper4k

The corpora and their score.py stand in the folder that RASID_CORPORA names, or in
../shared/corpora; without them there is nothing to measure, and the command says so. `seeds` are
the documents of seeds/ as the importer makes pages of them. An extractor that is not installed is
left out, and the command says so.

All extractors read each page one after the other in this process, each page in another order, so
that their CPU times can be compared even on a busy machine. Memory is that of a process with this
extractor alone, over the largest pages. `undated`: pages that state no date, as far as their truth
tells, and on how many of them a date was given all the same.
"""

import argparse
import importlib.util
import json
import logging
import os
import resource
import subprocess
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks import extractors
from benchmarks.extractors import Answer, Extractor

ROOT = Path(__file__).resolve().parents[1]
SCORES = ("f1", "p", "r", "title", "date", "authors", "undated")
COLUMNS = (*SCORES, "cpu_ms_median", "cpu_ms_mean", "cpu_ms_max")
CORPORA = ("abe", "wcxb", "dates", "arabic", "seeds")
MEMORY_PAGES = 40

Results = dict[str, dict[str, Answer]]


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


def pages(scorer: ModuleType, name: str, limit: int | None) -> Iterator[Any]:
    """Yield the pages of one corpus with their truth."""
    if name == "seeds":
        yield from list(_seeds(scorer))[:limit]
    else:
        yield from scorer.pages([name], limit)


def _seeds(scorer: ModuleType) -> Iterator[Any]:
    from services.importer import texts  # noqa: PLC0415 - others are measured without it

    for name, truth in json.loads((ROOT / "seeds" / "expected.json").read_text("utf-8")).items():
        if name.startswith("_"):
            continue
        text = (ROOT / "seeds" / name).read_text("utf-8")
        first, last = truth["body_lines"]
        expected = {
            "title": truth["title"],
            "text": "\n".join(text.splitlines()[first : last + 1]),
            "authors": truth["authors"],
            "date": truth["published_at"],
        }
        said = {field: value for field, value in expected.items() if value}
        yield scorer.Doc("seeds", name, texts.page(text), "", said, truth["language"])


def measure(
    scorer: ModuleType, name: str, limit: int | None, readers: dict[str, Extractor]
) -> dict[str, Answer]:
    """Return the summary of each extractor over one corpus, page by page in turn."""
    rows: dict[str, list[Answer]] = {extractor: [] for extractor in readers}
    order, docs = list(readers), list(pages(scorer, name, limit))
    for number, page in enumerate(docs):
        turn = number % len(order)
        for extractor in order[turn:] + order[:turn]:
            rows[extractor] += scorer.run(readers[extractor], [page], keep_output=True)
    dated = any("date" in page.expected for page in docs)
    undated = [number for number, page in enumerate(docs) if "date" not in page.expected]
    return {
        extractor: {
            **scorer.summary(its),
            "undated": _invented([its[number] for number in undated]) if dated else "",
            "cpu_ms_max": round(max(row["cpu_ms"] for row in its), 1),
        }
        for extractor, its in rows.items()
    }


def _invented(rows: Sequence[Answer]) -> str:
    given = sum(1 for row in rows if row["got"].get("date"))
    return f"{given}/{len(rows)}" if rows else ""


def peak_memory(name: str, names: Sequence[str]) -> float:
    """Return the peak of a process, in MB, that reads the largest pages with this extractor."""
    command = [sys.executable, "-P", __file__, "--memory-of", name, "--corpus", ",".join(names)]
    done = subprocess.run(command, env=_environment(), capture_output=True, check=True, text=True)
    return float(done.stdout)


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def _measure_memory(scorer: ModuleType, extractor: str, names: Sequence[str]) -> float:
    read = extractors.load(extractor)
    if read is None:
        raise SystemExit(f"{extractor} is not installed")
    found = [page for name in names if name != "seeds" for page in scorer.pages([name])]
    largest = sorted(found, key=lambda page: len(page.html))[-MEMORY_PAGES:]
    del found
    scorer.run(read, largest)
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count the parent, from before the exec
        lines = status.read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def table(results: Results) -> list[str]:
    """Return the lines of a Markdown table."""
    lines = [f"| corpus | extractor | pages | {' | '.join(COLUMNS)} |"]
    lines.append("|---" * (len(COLUMNS) + 3) + "|")
    for corpus, summaries in results.items():
        for extractor, summary in summaries.items():
            cells = [_cell(summary.get(column, "")) for column in COLUMNS]
            lines.append(f"| {corpus} | {extractor} | {summary['pages']} | {' | '.join(cells)} |")
    return lines


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def cpu_mean(results: Results, name: str) -> float:
    """Return the mean CPU per page of an extractor in ms, all corpora together."""
    its = [summaries[name] for summaries in results.values()]
    total = sum(summary["cpu_ms_mean"] * summary["pages"] for summary in its)
    return float(total / sum(summary["pages"] for summary in its))


def costs(results: Results, memory: dict[str, float]) -> list[str]:
    """Return the lines of a Markdown table of CPU and memory over all corpora."""
    lines = ["| extractor | CPU a page, ms, mean | of trafilatura | peak memory, MB |"]
    lines.append("|---" * 4 + "|")
    names = list(next(iter(results.values())))
    for name in names:
        mean = cpu_mean(results, name)
        share = f"{mean / cpu_mean(results, 'trafilatura'):.2f}" if "trafilatura" in names else ""
        peak = f"{memory[name]:.0f}" if name in memory else ""
        lines.append(f"| {name} | {mean:.1f} | {share} | {peak} |")
    return lines


def _readers(names: Sequence[str]) -> dict[str, Extractor]:
    found: dict[str, Extractor] = {}
    for name in names:
        if name not in extractors.NAMES:
            raise SystemExit(f"no extractor {name!r}; there are {', '.join(extractors.NAMES)}")
        if read := extractors.load(name):
            found[name] = read
        else:
            hint = "`uv pip install --group bench` brings it"
            print(f"{name} is not installed and left out: {hint}", file=sys.stderr)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--corpus", default=",".join(CORPORA), help="which, with commas")
    parser.add_argument("--only", default=",".join(extractors.NAMES), help="which, with commas")
    parser.add_argument("--limit", type=int, help="only the first pages of each corpus")
    parser.add_argument("--no-memory", action="store_true", help="leave memory out")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    folder, names = corpora(), options.corpus.split(",")
    if not (folder / "score.py").is_file():
        print(f"skipped: no corpora in {folder}; set RASID_CORPORA to their folder")
        return
    logging.disable(logging.CRITICAL)  # some report each page that they give up
    warnings.simplefilter("ignore")
    scorer = load_scorer(folder)
    if options.memory_of:
        print(_measure_memory(scorer, options.memory_of, names))
        return
    readers = _readers(options.only.split(","))
    for read in readers.values():
        scorer.run(read, scorer.pages(["abe"], 2))  # what is slow the first time
    results: Results = {}
    for name in names:
        print(f"reading {name} ...", file=sys.stderr, flush=True)
        results[name] = measure(scorer, name, options.limit, readers)
    print("\n".join(table(results)))
    measured = () if options.no_memory else tuple(readers)
    memory = {name: peak_memory(name, names) for name in measured}
    print("\n" + "\n".join(costs(results, memory)))


if __name__ == "__main__":
    main()
