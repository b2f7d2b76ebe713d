"""Quality, races and cost of finding copies, through the real store on a Postgres of its own.

    .venv/bin/python -m benchmarks.duplicates quality --set DIR [--set DIR] [--processes 2]
    .venv/bin/python -m benchmarks.duplicates race [--stories 400] [--writers 8]
    .venv/bin/python -m benchmarks.duplicates cost --set DIR [--sizes 10000 1000000]

A set is a folder with docs.jsonl, an object a line: id, story, cls, severity, source, title, text.
Articles with one `story` are one story; those of cls update and excerpt are not counted. Pairwise:
of all pairs of articles put together, how many belong (precision), and the reverse (recall).

Cost is CPU of this process and of its Postgres backend, for fingerprints, bands, looking, comparing
and linking: storing the article itself is not in it. Articles beside those measured are random
rows, whose bands collide as often as those of real articles: a tenth are from shared pools.
"""

import argparse
import json
import multiprocessing
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import psycopg

from benchmarks import product
from services.shared import arabic, compression, urls
from services.shared.contracts import Article, Extraction, RawPage
from services.storage import Connection, connect, results, stories
from services.storage.rows import Processed
from worker import stories as worker_stories
from worker.fingerprint import SIGNATURE_VERSION, fingerprint, text_sha256, words_of
from worker.stories import Documents

NOT_COUNTED = ("update", "excerpt")
CHUNK = 10
NOW = datetime(2026, 1, 1, tzinfo=UTC)

Doc = dict[str, Any]


def docs_of(folder: Path) -> list[Doc]:
    """Return the documents, copies of one story next to each other: the hardest case for races."""
    by_story: dict[str, list[Doc]] = defaultdict(list)
    with (folder / "docs.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            doc = json.loads(line)
            by_story[doc["story"]].append(doc)
    names = sorted(by_story)
    random.Random(5).shuffle(names)
    return [doc for name in names for doc in by_story[name]]


def page_of(doc: Doc) -> Processed:
    """Return the document as the worker hands it to the store."""
    url = f"https://{doc['source']}/{doc['id']}"
    tokens = words_of(doc["text"])
    raw = RawPage(body=doc["id"].encode(), origin="set", requested_url=url, fetched_at=NOW)
    article = Article(
        extraction=Extraction(title=doc["title"], text=doc["text"]),
        url=url,
        normalized_url=urls.key(url),
        text_sha256=text_sha256(tokens),
        fingerprint=fingerprint(tokens),
    )
    body = compression.compress(raw.body)
    return Processed(page_id=raw.id, page=raw, compressed=body, result=article)


def store(connection: Connection, documents: Documents, docs: Sequence[Doc]) -> dict[str, int]:
    """Store and link a chunk; return the articles by document."""
    decisions = results.save(connection, [page_of(doc) for doc in docs], 1)
    ids = [int(str(decision.article_id)) for decision in decisions]
    worker_stories.link(connection, documents, ids)
    return dict(zip((doc["id"] for doc in docs), ids, strict=True))


@contextmanager
def database() -> Iterator[str]:
    """Run a Postgres with our schema for as long as it is needed."""
    with product.servers() as (stack, _):
        yield stack.database_url


def quality(folder: Path, processes: int) -> None:
    """Print how well a set is put together by several processes at once."""
    docs = docs_of(folder)
    with database() as url:

        def work(number: int, found: Any) -> None:
            share = docs[number::processes]
            with connect(url) as connection:
                documents = Documents()
                for first in range(0, len(share), CHUNK):
                    found.put(store(connection, documents, share[first : first + CHUNK]))
            found.put(None)

        context = multiprocessing.get_context("fork")
        found = context.Queue()
        began = time.monotonic()
        children = [context.Process(target=work, args=(n, found)) for n in range(processes)]
        for child in children:
            child.start()
        article_of: dict[str, int] = {}
        left = processes
        while left:
            chunk = found.get(timeout=600)
            left -= chunk is None
            article_of |= chunk or {}
        for child in children:
            child.join()
        wall = time.monotonic() - began
        with connect(url) as connection:
            rows = connection.execute(b"select article_id, story_id from media.story_articles")
            story_of = {int(str(i)): int(str(story)) for i, story in rows}
    told = {doc: story_of[article_id] for doc, article_id in article_of.items()}
    print(f"{folder}: {len(docs)} articles, {processes} processes, {wall:.0f} s")
    report_quality(docs, told)


def pairs(sizes: Counter[Any]) -> int:
    """Return how many pairs stand together in groups of these sizes."""
    return sum(n * (n - 1) // 2 for n in sizes.values())


def report_quality(docs: Sequence[Doc], told: dict[str, int]) -> None:
    """Print precision and recall, and what went wrong most."""
    counted = [doc for doc in docs if doc["cls"] not in NOT_COUNTED]
    right = pairs(Counter((told[doc["id"]], doc["story"]) for doc in counted))
    precision = right / max(1, pairs(Counter(told[doc["id"]] for doc in counted)))
    recall = right / max(1, pairs(Counter(doc["story"] for doc in counted)))
    originals = {doc["id"]: told[doc["id"]] for doc in docs}
    light = [doc for doc in counted if doc["severity"] == "light"]
    light_ok = sum(told[doc["id"]] == originals[doc["story"]] for doc in light)
    templates = [doc for doc in docs if doc["cls"] == "template"]
    seeds = [doc for doc in docs if doc["cls"] == "original" and doc["id"].startswith("seed-")]
    print(f"  pairwise precision {precision:.4f}, recall {recall:.4f}")
    print(f"  light reprints with their original {light_ok} of {len(light)}")
    distinct = len({told[doc["id"]] for doc in templates})
    print(f"  template reports merged {len(templates) - distinct} of {len(templates)}")
    print(f"  seeds {len(seeds)}, stories of them {len({told[doc['id']] for doc in seeds})}")
    by_told: dict[int, list[Doc]] = defaultdict(list)
    for doc in counted:
        by_told[told[doc["id"]]].append(doc)
    mixed = [group for group in by_told.values() if len({doc["story"] for doc in group}) > 1]
    stories_of = defaultdict(set)
    for doc in counted:
        stories_of[doc["story"]].add(told[doc["id"]])
    split = [story for story, parts in stories_of.items() if len(parts) > 1]
    print(f"  stories mixed {len(mixed)}, split {len(split)} of {len(stories_of)}")
    strays: Counter[str] = Counter()
    for story in split:
        main = Counter(told[d["id"]] for d in counted if d["story"] == story).most_common(1)[0][0]
        strays.update(d["cls"] for d in counted if d["story"] == story and told[d["id"]] != main)
    print(f"  split off: {dict(strays.most_common(6))}")
    for group in mixed[:8]:
        names = Counter(doc["story"] for doc in group)
        print(f"  mixed: {dict(names.most_common(3))}")


def race(count: int, writers: int) -> None:
    """Print how many stories fall apart when so many store copies of one at the same instant."""
    words = ["".join(random.Random(n).choices("بتجدرسعفقلمن", k=5)) for n in range(4000)]
    with database() as url:
        barrier = threading.Barrier(writers)
        errors: list[str] = []
        waits: list[float] = []

        def work(writer: int) -> None:
            with connect(url) as connection:
                documents = Documents()
                for number in range(count):
                    text = " ".join(random.Random(number).choices(words, k=200))
                    doc = {
                        "id": f"{number}-{writer}",
                        "source": f"outlet{writer}.example",
                        "title": "t",
                        "text": f"{text} {words[writer]} {words[-writer]}",
                    }
                    barrier.wait(120)
                    began = time.perf_counter()
                    try:
                        store(connection, documents, [doc])
                    except Exception as error:  # noqa: BLE001 - it is counted
                        errors.append(repr(error))
                    waits.append(time.perf_counter() - began)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(writers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with connect(url) as connection:
            sizes = [
                int(str(n))
                for (n,) in connection.execute(b"select articles_count from media.stories")
            ]
    waits.sort()
    print(f"{writers} writers, {count} stories: stored as {len(sizes)} stories")
    print(f"  split {len(sizes) - sum(n == writers for n in sizes)}, errors {len(errors)}")
    print(f"  {', '.join(errors[:3])}")
    print(f"  a copy stored and linked: median {waits[len(waits) // 2] * 1000:.1f} ms")


@dataclass
class Meter:
    """CPU seconds of this process and of a Postgres backend."""

    backend: psutil.Process
    here: float = 0.0
    there: float = 0.0

    def of(self, work: Callable[[], Any]) -> Any:
        """Do the work, and add what it took."""
        here, there = time.process_time(), self._backend()
        done = work()
        self.here += time.process_time() - here
        self.there += self._backend() - there
        return done

    def _backend(self) -> float:
        # Nanoseconds on the CPU; the usual clock ticks are too coarse for one chunk.
        stat = Path(f"/proc/{self.backend.pid}/schedstat").read_text("ascii")
        return int(stat.split()[0]) / 1e9


def fill(connection: psycopg.Connection[Any], have: int, size: int) -> None:
    """Add articles that only exist to be looked through, up to so many."""
    connection.execute(
        """
        insert into rasid.story_articles (
            article_id, story_id, version, looked_version, signature_version, tokens_count,
            seen_at, dated_at, outlet, sketch
        )
        select -n, -n, 1, 1, %(signature)s, 200 + n %% 700, now(), now(), 'outlet' || n %% 500,
            decode(md5(n::text) || md5('a' || n) || md5('b' || n) || md5('c' || n), 'hex')
        from generate_series(%(first)s::int, %(last)s::int) as n
        """,
        {"signature": SIGNATURE_VERSION, "first": have + 1, "last": size},
    )
    connection.execute(
        """
        insert into rasid.stories (
            id, representative_id, longest_id, longest_tokens_count, outlets, first_seen_at
        )
        select article_id, article_id, article_id, tokens_count, array[outlet], seen_at
        from rasid.story_articles where article_id between %(last)s and %(first)s
        """,
        {"first": -have - 1, "last": -size},
    )
    value = """
        case
            when random() < 0.9 then ((random() - 0.5) * 4294967294)::bigint::integer
            when random() < 0.98 then (random() * 20000)::integer
            else (random() * 3)::integer
        end
    """
    for _ in range(3):
        connection.execute(
            f"""
            insert into rasid.bands
            select -n, current_date - (random() * 25)::integer, {", ".join([value] * 8)}
            from generate_series(%(first)s::int, %(last)s::int) as n
            """,
            {"first": have + 1, "last": size},
        )
    connection.execute("vacuum analyze rasid.bands, rasid.story_articles, rasid.stories")


def measure(
    connection: Connection, documents: Documents, docs: Sequence[Doc]
) -> tuple[Meter, Meter]:
    """Store the articles; return what bands and links took, and what fingerprints did."""
    backend = psutil.Process(connection.info.backend_pid)
    linked, prints = Meter(backend), Meter(backend)
    publish = stories.publish

    def metered(*given: Any) -> None:
        linked.of(lambda: publish(*given))

    for first in range(0, len(docs), CHUNK):
        chunk = docs[first : first + CHUNK]
        pages = [page_of(doc) for doc in chunk]
        stories.publish = metered  # type: ignore[assignment]
        decisions = results.save(connection, pages, 1)
        stories.publish = publish
        ids = [int(str(decision.article_id)) for decision in decisions]
        linked.of(partial(worker_stories.link, connection, documents, ids))
        tokens = [arabic.tokens(doc["text"]) for doc in chunk]
        prints.of(partial(list, map(fingerprint, tokens)))
    return linked, prints


def cost(folder: Path, sizes: Sequence[int], count: int) -> None:
    """Print CPU an article, at so many articles stored, and the size of the bands."""
    docs = docs_of(folder)
    docs = [
        docs[n]
        for n in sorted(
            random.Random(1).sample(range(len(docs)), min(count * len(sizes), len(docs)))
        )
    ]
    share = len(docs) // len(sizes)
    with database() as url, connect(url) as connection:
        connection.execute(
            "alter table rasid.story_articles drop constraint story_articles_article_id_fkey"
        )
        documents = Documents()
        have = 0
        for number, size in enumerate(sizes):
            fill(connection, have, size)
            have = size
            mine = docs[number * share : (number + 1) * share]
            linked, prints = measure(connection, documents, mine)
            ((found,),) = connection.execute(
                "select sum(pg_total_relation_size(inhrelid)) from pg_inherits "
                "where inhparent = 'rasid.bands'::regclass"
            ).fetchall()
            size_of = int(str(found))
            python = (linked.here + prints.here) / len(mine) * 1000
            print(
                f"{size:>9,} articles: Python {python:.2f} ms (fingerprint "
                f"{prints.here / len(mine) * 1000:.2f}), Postgres "
                f"{linked.there / len(mine) * 1000:.2f} ms an article; bands "
                f"{size_of / size / 1000:.2f} GB a million",
                flush=True,
            )


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=("quality", "race", "cost"))
    parser.add_argument("--set", type=Path, action="append", default=[])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--stories", type=int, default=400)
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--articles", type=int, default=1000)
    given = parser.parse_args()
    if given.what == "race":
        race(given.stories, given.writers)
    for folder in given.set:
        if given.what == "quality":
            quality(folder, given.processes)
        elif given.what == "cost":
            cost(folder, given.sizes, given.articles)


if __name__ == "__main__":
    main()
