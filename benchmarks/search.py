"""Time of a search among a million articles, and what an article costs to be found.

    PYTHONPATH=. .venv/bin/python -m benchmarks.search [--articles 1000000] [--state DIR]

Articles are made: 150 words each, drawn by Zipf's law from the words of the labelled pages and
seeds, published over two years. A query is taken from an article that has it: words by how many
articles have them (rare: at most 1 in 1000, common: at least 1 in 10), phrases, prefixes. Plain is
what one would write without media.search: the same vectors and index, all matches ranked by
ts_rank. Each is asked once to warm up. CPU is that of the server's process, which a busy machine
changes little. With --state the articles stay there, and a second run finds them (some 6 GB a
million).
"""

import argparse
import random
import re
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import psycopg

from benchmarks import product
from benchmarks.pages import ROOT, bodies
from services.shared import arabic

WORDS = 150
RARE, COMMON = 0.001, 0.1  # share of articles that have a word
VOCABULARY = 200_000
TAG = re.compile(rb"<(script|style).*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)
ADD = """
    insert into rasid.articles (
        id, normalized_url_sha256, normalized_url, url, title, text, authors, language,
        published_at, tags, labels, captions, comments, witnesses, text_sha256, content_sha256,
        extractor_version, page_id, capture_sha256, origin, observed_at
    ) overriding system value
    select
        id, sha256(id::text::bytea), 'a/' || id, 'https://a/' || id, title, text, '{}', 'ar', at,
        '{}', '{}', '{}', '[]', '{}', '', '', 1, '', '', 'benchmark', now()
    from made where id % %(parts)s = %(part)s and id between %(first)s and %(last)s
"""
# As rasid.search_vector, but for the normalising: the words are made of normal ones.
INDEX = """
    insert into rasid.article_search (article_id, at, created_at, words)
    select
        id, at, now(),
        (exact::text || ' ' || rasid.search_stems(text, exact, 'ar'))::tsvector
        || array_to_tsvector(rasid.time_lexemes(at) || '@l/ar'::text)
    from made
    cross join lateral (
        select setweight(to_tsvector('simple', title), 'A') || to_tsvector('simple', text) as exact
    ) as words
    where id % %(parts)s = %(part)s and id between %(first)s and %(last)s
"""
PLAIN = """
    select article_id, ts_rank(words, query) as rank
    from rasid.article_search, to_tsquery('simple', %s) as query
    where words @@ query order by rank desc limit 20
"""
SEARCH = "select article_id, matches, matches_from from media.search(%s)"


def vocabulary() -> list[str]:
    """Return words, the most common first: real ones, then real ones with a number."""
    counts: Counter[str] = Counter()
    for body in bodies():
        counts.update(arabic.tokens(TAG.sub(b" ", body).decode("utf-8", "replace")))
    for path in (ROOT / "seeds").glob("*.txt"):
        counts.update(arabic.tokens(path.read_text("utf-8")))
    words = [word for word, _ in counts.most_common(VOCABULARY) if len(word) > 1]
    return words + [f"{words[n % len(words)]}{n}" for n in range(VOCABULARY - len(words))]


def made(count: int, words: list[str]) -> Iterator[tuple[int, str, str]]:
    """Yield id, title and text of made articles; the same ones each time."""
    chance = np.random.default_rng(1)
    weights = 1 / (np.arange(len(words)) + 2.7)
    cumulated = np.cumsum(weights / weights.sum())
    for first in range(0, count, 10_000):
        drawn = np.searchsorted(cumulated, chance.random((min(10_000, count - first), WORDS)))
        for number, row in enumerate(drawn.tolist(), first + 1):
            text = [words[min(n, len(words) - 1)] for n in row]
            yield number, " ".join(text[:8]), " ".join(text[8:])


def build(url: str, count: int, words: list[str]) -> None:
    """Fill the tables and index them."""
    began = time.monotonic()
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("create unlogged table made (id bigint, title text, text text, at timestamptz)")
        db.execute("drop index rasid.article_search_words")
        with db.cursor().copy("copy made (id, title, text) from stdin") as copy:
            for row in made(count, words):
                copy.write_row(row)
        db.execute(
            "update made set at = now() - (%s - id) * interval '730 days' / %s", (count, count)
        )
        db.execute("create index on made (id)")
        db.execute("analyze made")
        db.execute("update rasid.stemmers set used = language in ('ar', 'en')")

    def part(number: int) -> None:
        with psycopg.connect(url, autocommit=True) as db:
            for first in range(0, count, 50_000):
                span = {"parts": 2, "part": number, "first": first + 1, "last": first + 50_000}
                for statement in (ADD, INDEX):
                    db.execute(re.sub(r"%(?!\()", "%%", statement).encode(), span)

    parts = [threading.Thread(target=part, args=(number,)) for number in range(2)]
    for thread in parts:
        thread.start()
    for thread in parts:
        thread.join()
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("drop table made")
        db.execute("set maintenance_work_mem = '1GB'")
        db.execute("create index article_search_words on rasid.article_search using gin (words)")
        db.execute("vacuum analyze rasid.article_search")
        db.execute("vacuum analyze rasid.articles")
    print(f"{count:,} articles made in {time.monotonic() - began:,.0f} s")


def queries(db: psycopg.Connection[Any], count: int, each: int) -> dict[str, list[str]]:
    """Return queries by kind, each of words that one article has."""
    rows = db.execute(
        "select word, ndoc from ts_stat('select words from rasid.article_search"
        f" where article_id % {max(1, count // 20_000)} = 0')"
        " where word !~ '^[=@]'"
    ).fetchall()
    sampled = min(count, 20_000)
    share = {str(word): int(str(n)) / sampled for word, n in rows}
    chance = random.Random(1)
    names = ("rare rare", "rare common", "middle middle", "common common", "phrase")
    kinds: dict[str, list[str]] = {name: [] for name in (*names, "common phrase", "prefix")}
    while any(len(found) < each for found in kinds.values()):
        (text,) = db.execute(
            "select text from rasid.articles where id = %s", (chance.randint(1, count),)
        ).fetchone() or ("",)
        words = [word for word in str(text).split() if word in share and len(word) > 2]  # noqa: PLR2004 - of letters
        rare = [w for w in words if share[w] <= RARE]
        common = [w for w in words if share[w] >= COMMON]
        middle = [w for w in words if RARE < share[w] < COMMON]
        place = chance.randrange(len(words) - 1)
        made_now = {
            "rare rare": chance.sample(rare, 2) if len(rare) > 1 else [],
            "rare common": [chance.choice(rare), chance.choice(common)] if rare and common else [],
            "middle middle": chance.sample(middle, 2) if len(middle) > 1 else [],
            "common common": chance.sample(common, 2) if len(common) > 1 else [],
        }
        for kind, pair in made_now.items():
            if len(set(pair)) == 2:  # noqa: PLR2004 - two words
                kinds[kind].append(" ".join(pair))
        pair = words[place : place + 2]
        often = all(share[w] >= COMMON / 5 for w in pair)
        kinds["common phrase" if often else "phrase"].append('"' + " ".join(pair) + '"')
        kinds["prefix"].append(f"{chance.choice(words)[:4]}*")
    return {kind: found[:each] for kind, found in kinds.items()}


def plain(query: str) -> str:
    """Return the query as to_tsquery wants it."""
    if query.startswith('"'):
        return " <-> ".join(query.strip('"').split())
    return " & ".join(query.replace("*", ":*").split())


def cpu_ms(pid: int) -> float:
    """Return the CPU time of a process, as exact as the system tells it."""
    exact = Path(f"/proc/{pid}/schedstat")
    if exact.exists():
        return int(exact.read_text().split()[0]) / 1e6
    times = psutil.Process(pid).cpu_times()
    return (times.user + times.system) * 1000


def measure(
    db: psycopg.Connection[Any], ask: Callable[[str], tuple[str, tuple[str]]], asked: list[str]
) -> str:
    """Return p50 and p95 of wall time, and p95 of the server's CPU time, in ms."""
    for query in asked:
        db.execute(*ask(query)).fetchall()
    walls, cpus = [], []
    for query in asked:
        before, began = cpu_ms(db.info.backend_pid), time.perf_counter()
        db.execute(*ask(query)).fetchall()
        walls.append((time.perf_counter() - began) * 1000)
        cpus.append(cpu_ms(db.info.backend_pid) - before)
    found = (statistics.median(walls), p95(walls), statistics.median(cpus), p95(cpus))
    return "".join(f"{value:8.1f}" for value in found)


def p95(values: list[float]) -> float:
    """Return the value that one in twenty exceeds."""
    return sorted(values)[int(len(values) * 0.95)]


def cost(db: psycopg.Connection[Any], count: int) -> None:
    """Print what storing an article adds for search: of its text alone, and with the index."""
    ids = list(range(1, min(count, 2_000) + 1))
    texts = db.execute(
        "select count(*), avg(length(text)) from rasid.articles where id = any(%s)", (ids,)
    ).fetchone() or (1, 0)
    for name, statement in {
        "vectors alone": "select count(rasid.search_vector(title, text, language, source, now()))"
        " from rasid.articles where id = any(%s)",
        "written, ten a statement": "select rasid.index_articles(%s)",
    }.items():
        before = cpu_ms(db.info.backend_pid)
        step = 10 if "ten" in name else len(ids)
        for first in range(0, len(ids), step):
            db.execute(statement.encode(), (ids[first : first + step],))
        cpu = cpu_ms(db.info.backend_pid) - before
        print(f"{name}: {cpu / len(ids):.2f} ms of CPU an article of {texts[1]:.0f} letters")


def main() -> None:
    """Make the articles if they are not there, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--articles", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=100, help="of each kind")
    parser.add_argument("--state", type=Path)
    given = parser.parse_args()
    with (
        product.servers(given.state, durable=False) as (stack, _),
        psycopg.connect(stack.database_url, autocommit=True) as db,
    ):
        (there,) = db.execute("select count(*) from rasid.article_search").fetchone() or (0,)
        if there != given.articles:
            build(stack.database_url, given.articles, vocabulary())
        report(db, given.articles, given.queries)
        cost(db, given.articles)


def report(db: psycopg.Connection[Any], count: int, each: int) -> None:
    """Print sizes, and for each kind of query the times of media.search and of the plain one."""
    sizes = db.execute(
        "select pg_size_pretty(pg_table_size('rasid.article_search')),"
        " pg_size_pretty(pg_relation_size('rasid.article_search_words'))"
    ).fetchone()
    print("vectors and index:", *(sizes or ()))
    db.execute("set jit = off")
    print(f"{'':16}{'media.search, ms':>32}{'plain, ms':>32}")
    print(f"{'':16}" + f"{'p50':>8}{'p95':>8}{'CPU 50':>8}{'CPU 95':>8}" * 2 + f"{'matches':>10}")
    for kind, asked in queries(db, count, each).items():
        few = asked[: max(5, each // 20)]  # the plain way takes long
        line = measure(db, lambda query: (SEARCH, (query,)), asked)
        line += measure(db, lambda query: (PLAIN, (plain(query),)), few)
        totals = [
            int(str(row[0]))
            for query in few
            for row in db.execute(
                "select count(*) from rasid.article_search where words @@ to_tsquery('simple', %s)",
                (plain(query),),
            )
        ]
        print(f"{kind:16}{line}{statistics.median(totals):10,.0f}", flush=True)


if __name__ == "__main__":
    main()
