"""What the dashboard costs beside a million articles: the stores, its own process, its visitors.

    PYTHONPATH=. .venv/bin/python -m benchmarks.dashboard [--articles 1000000] [--state DIR]

Articles are made, 1.5 kB of text each, of 34 sources over 60 days, with a page and a link for each
and some feeds. CPU is that of the server's process, which a busy machine changes little.
"""

import argparse
import http.client
import subprocess
import time
from contextlib import closing
from pathlib import Path

import psutil
import psycopg

from benchmarks import product
from benchmarks.search import cpu_ms
from services.shared.settings import Settings
from services.storage import connect, queries, status

SOURCES, DAYS = 34, 60
FILL = (
    """
    insert into rasid.sources (name, title, home_page_url)
    select 'source-' || n, 'جريدة ' || n, 'https://' || n || '.example/'
    from generate_series(1, %(sources)s) as n
    """,
    """
    insert into rasid.feeds (source, url, host, kind, poll_every_s)
    select 'source-' || (n %% %(sources)s + 1), 'https://' || n || '.example/rss', n || '.example',
        'feed', 300
    from generate_series(1, %(sources)s * 6) as n
    """,
    """
    insert into rasid.articles (
        normalized_url_sha256, normalized_url, url, source, title, text, authors, language, tags,
        labels, captions, comments, witnesses, text_sha256, content_sha256, extractor_version,
        page_id, capture_sha256, origin, observed_at, created_at
    )
    select
        sha256(n::text::bytea), 'https://' || n, 'https://' || n,
        'source-' || (n %% %(sources)s + 1), 'title', repeat('كلمة ', 170), '{}', 'ar', '{}', '{}',
        '{}', '[]', '{}', '', '', 1, '', '', 'benchmark', now(),
        now() - (%(articles)s - n) * interval '1 day' * %(days)s / %(articles)s
    from generate_series(1, %(articles)s) as n
    """,
    """
    insert into rasid.raw_pages (
        id, requested_url, origin, source, headers, capture_sha256, outcome, reason, article_id,
        extractor_version, processed_at
    )
    select
        md5(id::text), url, url, source, '{"content-type": "text/html; charset=utf-8"}', '',
        case when id %% 9 > 0 then 'created' else 'rejected' end,
        case when id %% 9 = 0 then (array['not_article', 'too_short'])[id %% 2 + 1] end,
        case when id %% 9 > 0 then id end, 1, created_at
    from rasid.articles
    """,
    """
    insert into rasid.links (
        normalized_url_sha256, normalized_url, url, host, source, title, state, reason,
        first_seen_at, page_id
    )
    select
        normalized_url_sha256, normalized_url, url, source || '.example', source, 'title',
        case when id %% 50 > 0 then 'fetched' else 'failed' end,
        case when id %% 50 = 0 then 'http_404' end, created_at, md5(id::text)
    from rasid.articles
    """,
    "vacuum analyze",
)


def build(url: str, articles: int) -> None:
    """Fill the tables."""
    values = {"articles": articles, "sources": SOURCES, "days": DAYS}
    with psycopg.connect(url, autocommit=True) as db:
        for statement in FILL:
            began = time.monotonic()
            db.execute(statement.encode(), values)
            print(f"  {statement.split('(')[0].strip()}: {time.monotonic() - began:.0f} s")


def store(url: str) -> None:
    """Print what each question costs."""
    sql = queries("status")
    with connect(url) as db:
        db.execute(b"set max_parallel_workers_per_gather = 0")  # whose CPU would not be seen
        edges = db.execute(sql.first_ids).fetchall()
        values = {"first_ids": [row[2] for row in edges], "since_id": edges[24][2]}
        for name in sql._queries:  # noqa: SLF001 - each of them
            if name == "set_aside":
                continue
            text = getattr(sql, name)
            db.execute(text, values if b"%(" in text else None)
            before, began = cpu_ms(db.info.backend_pid), time.monotonic()
            for _ in range(3):
                db.execute(text, values if b"%(" in text else None).fetchall()
            cpu = (cpu_ms(db.info.backend_pid) - before) / 3
            print(f"{name:20} {cpu:8.1f} ms CPU {(time.monotonic() - began) / 3 * 1e3:8.1f} ms")
        db.execute(b"reset max_parallel_workers_per_gather")
        began = time.monotonic()
        status.read(db)
        status.activity(db)
        print(f"all of it: {(time.monotonic() - began) * 1e3:.0f} ms")


def visitors(settings: Settings) -> None:
    """Print what the process costs, and a page that somebody asks for."""
    argv, env = product.command("dashboard", "--port", "0"), product.environ(settings)
    process = subprocess.Popen(argv, env=env, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr
        place = next(line.split("/")[2] for line in process.stderr if line.startswith("Dashboard"))

        def ask(path: str, times: int = 1) -> list[float]:
            """Ask over one connection, and return how long it took each time."""
            with closing(http.client.HTTPConnection(place)) as connection:
                took = []
                for _ in range(times):
                    began = time.monotonic()
                    connection.request("GET", path)
                    connection.getresponse().read()
                    took.append((time.monotonic() - began) * 1e3)
                return took

        print(f"first page, with a reading of the stores: {ask('/')[0]:.0f} ms")
        for path in ("/", "/status.json", "/metrics", "/healthz"):
            before = cpu_ms(process.pid)
            times = sorted(took for _ in range(10) for took in ask(path, 100))
            cpu = (cpu_ms(process.pid) - before) / 1000
            each = f"{1000 / cpu:,.0f} a second of CPU; median {times[500]:.1f} ms"
            print(f"{path:14} {cpu:.2f} ms CPU, {each}")
        memory = psutil.Process(process.pid).memory_full_info()
        print(f"memory: {memory.uss / 1e6:.0f} MB of its own, {memory.rss / 1e6:.0f} in all")
    finally:
        process.terminate()
        process.communicate()


def main() -> None:
    """Make the articles if they are not there, and print what each part costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--articles", type=int, default=1_000_000)
    parser.add_argument("--state", type=Path)
    given = parser.parse_args()
    with product.servers(given.state, durable=False) as (stack, settings):
        with psycopg.connect(stack.database_url) as db:
            there = db.execute("select exists (select from rasid.articles)").fetchone()
        if there == (False,):
            build(stack.database_url, given.articles)
        store(stack.database_url)
        visitors(settings)


if __name__ == "__main__":
    main()
