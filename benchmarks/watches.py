"""What watches cost: CPU a page of the whole pipeline without any, with 100 and with 10,000.

    PYTHONPATH=. .venv/bin/python -m benchmarks.watches [--pages 300] [--watches 0 100 10000 0]

Each number has a database of its own, and the same real pages go through Redis, a real worker and
Postgres. Watches are made of words of these pages: two words, three with an alternative or a
negation, a phrase of three, and one in twenty a prefix. Each number is run as often as it is named;
a machine that changes its pace shows in the runs without watches.
"""

import argparse
import os
import random
import re
from collections import Counter
from collections.abc import Sequence

import psycopg

from benchmarks import product
from benchmarks.pages import bodies, raw_pages
from benchmarks.pipeline import run_pipeline
from services.local import Stack
from services.shared import arabic
from services.shared import settings as settings_module
from services.shared.contracts import RawPage
from services.storage import connect, migrate, watches

TAG = re.compile(rb"<(script|style).*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)
PREFIXES = 20  # one watch in so many is a prefix
LETTERS = range(4, 20)


def queries(count: int) -> list[str]:
    """Return so many queries; the same ones each time."""
    texts = [arabic.tokens(TAG.sub(b" ", b).decode("utf-8", "replace")) for b in bodies()[:300]]
    shares = Counter(word for text in texts for word in set(text))
    # What people watch for: neither what is in every text nor what is in one alone.
    words = sorted(w for w, n in shares.items() if len(w) in LETTERS and 1 < n <= len(texts) / 20)
    chance, found = random.Random(1), []
    for number in range(count):
        one, two, three = chance.sample(words, 3)
        text = chance.choice(texts)
        place = chance.randrange(max(1, len(text) - 3))
        found.append(
            f"{one[:5]}* {two}"
            if number % PREFIXES == 0
            else [f"{one} {two}", f"{one} {two} or {one} {three}", f"{one} {two} -{three}",
                  '"' + " ".join(text[place : place + 3]) + '"'][number % 4]
        )  # fmt: skip
    return found


def run(pages: Sequence[RawPage], stack: Stack, number: int, name: str) -> tuple[str, float]:
    """Return a line of the table, and CPU seconds of worker and Postgres."""
    with psycopg.connect(stack.database_url, autocommit=True) as db:
        db.execute(f'create database "{name}"')
    url = stack.database_url.replace("/rasid?", f"/{name}?")
    migrate.migrate(url)
    with connect(url) as connection:
        for place, query in enumerate(queries(number)):
            watches.add(connection, str(place), query, language=None, source=None)
        connection.execute(b"vacuum analyze rasid.watch_keys")
    settings = settings_module.load(
        database_url=url,
        redis_url=stack.redis_url,
        redis_bodies_url=stack.redis_bodies_url,
    )
    cpu, _, _ = run_pipeline(pages, stack, settings, os.cpu_count() or 1)
    with connect(url) as connection:
        counts = connection.execute(
            b"select (select count(*) from rasid.articles),"
            b" (select count(*) from rasid.watch_matches)"
        ).fetchone() or (1, 0)
    per_page = {part: cpu[part] * 1000 / len(pages) for part in ("worker", "postgres")}
    line = "".join(f"{value:12.2f}" for value in per_page.values())
    return f"{number:8,}{line}{counts[0]:10,}{counts[1]:10,}", sum(per_page.values())


def main() -> None:
    """Run each and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=300)
    parser.add_argument("--watches", type=int, nargs="+", default=[0, 100, 10_000, 0])
    given = parser.parse_args()
    pages = list(raw_pages(given.pages))
    print(f"{'':8}{'CPU, ms a page':>24}")
    print(f"{'watches':>8}{'worker':>12}{'postgres':>12}{'articles':>10}{'matches':>10}{'':4}ratio")
    without: list[float] = []
    with product.servers() as (stack, _):
        for place, number in enumerate(given.watches):
            line, total = run(pages, stack, number, f"run_{place}")
            if number == 0:
                without.append(total)
            base = sum(without) / len(without) if without else total
            print(f"{line}{total / base:9.3f}", flush=True)


if __name__ == "__main__":
    main()
