"""Passages found and missed, and what it costs, among the hashes of a million other articles.

    .venv/bin/python -m benchmarks.quotations --set DIR [--set DIR] [--background 1000000]

A set is a folder with labelled texts: docs.jsonl (id, source, lang, title, text) and pairs.jsonl
(a, b, label, cls, and for passages that were put into both texts `shared`). Texts are stored, made
into stories and looked up in chunks of ten, as a worker does it, on a Postgres of its own. The
background is random hashes, as many an article as the texts of the set have. CPU is user and system
time of this process and of its Postgres backend, however busy the machine is otherwise.
"""

import argparse
import hashlib
import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

from benchmarks import product
from services.shared import arabic, compression
from services.shared.contracts import Article, Decision, Extraction, RawPage
from services.storage import Connection, connect, quotations, results
from services.storage.rows import Processed
from worker import quotations as looking
from worker import quote, stories
from worker.fingerprint import fingerprint, text_sha256

CHUNK = 10

Row = dict[str, Any]


class Clock:
    """CPU seconds of this process and of its backend, by the name of what is done."""

    def __init__(self, connection: Connection) -> None:
        self.backend = psutil.Process(connection.info.backend_pid)
        self.python: dict[str, float] = defaultdict(float)
        self.postgres: dict[str, float] = defaultdict(float)

    def time(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """Return the same function, whose CPU is counted."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            before, python = self.backend.cpu_times(), time.process_time()
            try:
                return work(*args, **kwargs)
            finally:
                after = self.backend.cpu_times()
                self.python[name] += time.process_time() - python
                self.postgres[name] += after.user + after.system - before.user - before.system

        return timed


def read(folder: Path) -> tuple[list[Row], list[Row]]:
    """Return the documents and the pairs of a set."""
    docs, pairs = (
        [json.loads(line) for line in (folder / name).read_text("utf-8").splitlines()]
        for name in ("docs.jsonl", "pairs.jsonl")
    )
    return docs, pairs


def articles(docs: Sequence[Row], clock: Clock) -> Iterator[Processed]:
    """Yield what the worker makes of the documents."""
    normalize = clock.time("normalize (shared)", arabic.normalize)
    split = clock.time("split (shared)", quote.split)
    hashes = clock.time("hash passages", quote.hashes)
    for doc in docs:
        url = f"https://{doc['source']}/{hashlib.sha256(doc['id'].encode()).hexdigest()[:16]}"
        normal = normalize(doc["text"])
        tokens, quoted = split(normal)
        article = Article(
            extraction=Extraction(title=doc["title"], text=doc["text"], language=doc["lang"]),
            url=url,
            normalized_url=url,
            text_sha256=text_sha256(tokens),
            fingerprint=fingerprint(tokens),
            passages=hashes(tokens, quoted),
        )
        raw = RawPage(body=doc["id"].encode(), origin="benchmark", requested_url=url)
        yield Processed(
            page_id=raw.id, page=raw, compressed=compression.compress(raw.body), result=article
        )


def fill(connection: Connection, count: int, hashes_each: float) -> float:
    """Put the hashes of so many other articles into this week, and return bytes for a million."""
    if not count:
        return 0.0
    connection.execute(b"drop index rasid.passages_hash")
    connection.execute(
        b"insert into rasid.passages select (random() * 1.8e19 - 9e18)::bigint, "
        b"1e12 + number / %s from generate_series(1, %s) as number",
        (hashes_each, round(count * hashes_each)),
    )
    connection.execute(b"create index passages_hash on rasid.passages (hash)")
    connection.execute(b"vacuum analyze rasid.passages")
    row = connection.execute(
        b"select sum(pg_total_relation_size(relid)) from pg_partition_tree('rasid.passages')"
    ).fetchone()
    return float(str(row[0])) / count * 1e6 if row else 0.0


def store(connection: Connection, docs: Sequence[Row], clock: Clock, name: str) -> dict[str, int]:
    """Store the documents chunk by chunk, and return their articles by their names."""
    ids: dict[str, int] = {}
    known = stories.Documents(words_kept=100_000_000)
    look = clock.time(f"look, {name}", looking.look)
    items = list(articles(docs, clock))
    for first in range(0, len(items), CHUNK):
        chunk = items[first : first + CHUNK]
        decisions: list[Decision] = results.save(connection, chunk, 1)
        there = [decision.article_id or 0 for decision in decisions]
        stories.link(connection, known, there)
        look(
            connection,
            {i: item.result.passages for i, item in zip(there, chunk, strict=True)},  # type: ignore[union-attr]
        )
        ids.update(zip((doc["id"] for doc in docs[first : first + CHUNK]), there, strict=True))
    return ids


def carried(connection: Connection) -> dict[int, dict[int, tuple[int, int]]]:
    """Return for each article its quotations and where they stand."""
    found: dict[int, dict[int, tuple[int, int]]] = {}
    for quotation, article, begin, end in connection.execute(
        b"select quotation_id, article_id, text_start, text_end from media.quotation_articles"
    ):
        found.setdefault(int(str(article)), {})[int(str(quotation))] = (begin, end)  # type: ignore[assignment]
    return found


def judge(
    docs: Sequence[Row],
    pairs: Sequence[Row],
    ids: dict[str, int],
    found: dict[int, dict[int, tuple[int, int]]],
) -> None:
    """Print how much of the passages that were put in was found, and who shares what by mistake."""
    texts = {doc["id"]: doc["text"] for doc in docs}
    wanted: Counter[str] = Counter()
    got: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for pair in pairs:
        ours, theirs = found.get(ids[pair["a"]], {}), found.get(ids[pair["b"]], {})
        common = ours.keys() & theirs.keys()
        kind = pair["cls"]
        if pair.get("shared"):
            words = quote.Reading(texts[pair["b"]])
            covered = {
                index
                for quotation in common
                for index in range(*words.tokens_at(*theirs[quotation]))
            }
            planted = places(words.tokens, pair["shared"])
            wanted[kind] += len(planted)
            got[kind] += len(planted & covered)
        elif pair["label"] == "distinct":
            seen[kind] += 1
            if common:
                wrong[kind] += 1
            if common and kind == "seeds":
                print(f"  seeds that share a passage: {pair['a']}, {pair['b']}")
    for kind, count in sorted(wanted.items()):
        print(f"  {kind:20} words of passages {count:7}  found {got[kind] / count:.4f}")
    share = got.total() / wanted.total()
    print(f"  {'all':20} words of passages {wanted.total():7}  found {share:.4f}")
    for kind, count in sorted(seen.items()):
        print(f"  {kind:20} pairs {count:7}  with a quotation {wrong[kind]}")


def places(tokens: Sequence[str], passages: Sequence[str]) -> set[int]:
    """Return where the words of passages stand in a text."""
    found: set[int] = set()
    for passage in passages:
        wanted = arabic.tokens(passage)
        for first in range(len(tokens) - len(wanted) + 1 if wanted else 0):
            if tokens[first : first + len(wanted)] == wanted:
                found.update(range(first, first + len(wanted)))
                break
    return found


def main() -> None:
    """Store each set on a background of its own and print what was found, and the cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", type=Path, action="append", required=True, dest="sets")
    parser.add_argument("--background", type=int, default=1_000_000)
    given = parser.parse_args()
    for folder in given.sets:
        docs, pairs = read(folder)
        with product.servers() as (stack, _), connect(stack.database_url) as connection:
            measure(connection, folder, docs, pairs, given.background)


def measure(
    connection: Connection, folder: Path, docs: list[Row], pairs: list[Row], background: int
) -> None:
    """Store a set and print the table."""
    clock = Clock(connection)
    arabic.words("")
    tokens = [len(arabic.tokens(doc["text"])) for doc in docs[:500]]
    each = [len(quote.hashes(*quote.split(arabic.normalize(doc["text"])))) for doc in docs[:500]]
    per_article = sum(each) / len(each)
    size = fill(connection, background, per_article)
    publish = quotations.publish
    quotations.publish = clock.time("publish", publish)
    try:
        # As they come in life: texts of their own. Then those that were made to share passages.
        original = [doc for doc in docs if doc["id"] == doc["base"]]
        others = [doc for doc in docs if doc["id"] != doc["base"]]
        ids = store(connection, original, clock, "originals")
        ids |= store(connection, others, clock, "made to share")
    finally:
        quotations.publish = publish
    print(f"{folder.name}: {len(docs)} texts among {background} others")
    print(f"  words a text {sum(tokens) / len(tokens):.0f}, hashes {per_article:.1f}")
    judge(docs, pairs, ids, carried(connection))
    counts = {"look, originals": len(original), "look, made to share": len(others)}
    for name in clock.python:
        count = counts.get(name, len(docs))
        python, postgres = (c[name] / count * 1000 for c in (clock.python, clock.postgres))
        print(f"  {name:20} CPU ms a text: Python {python:.3f}, Postgres {postgres:.3f}")
    if background:
        print(f"  {size / 1e9:.2f} GB of hashes for a million articles of that length")


if __name__ == "__main__":
    main()
