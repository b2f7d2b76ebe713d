"""Articles a second and peak memory of `rasid export`, against psql and a plain Python loop.

    PYTHONPATH=. .venv/bin/python -m benchmarks.export [--articles 100000] [--words 300]

Each way is a process of its own and writes all columns of the same articles. CPU is user and system
time of that process and, beside it, of the server's session that served it; memory is the process's
peak resident size. psql's lines have its own escapes and keys in jsonb's order. The loop reads rows
as dictionaries, as a program without `rasid export` would.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg

from benchmarks import product
from benchmarks.pipeline import cpu_of
from services.local import Stack, binaries

ROOT = Path(__file__).resolve().parents[1]
FILL = """
    insert into rasid.articles (
        normalized_url_sha256, normalized_url, url, title, text, authors, language, published_at,
        tags, labels, captions, comments, witnesses, text_sha256, content_sha256,
        extractor_version, page_id, capture_sha256, origin, observed_at
    )
    select
        sha256(n::text::bytea), 'a.example/' || n, 'https://a.example/' || n,
        'عنوان الخبر رقم ' || n,
        (
            select string_agg(word[1 + (hashint8(n * 1000 + i) & 7)], ' ')
            from generate_series(1, %(words)s::bigint) as i
        ),
        array['كاتب'], 'ar', timestamptz '2026-01-01' + n * interval '1 minute', '{}', '{}', '{}',
        '[]', '{"title": "json_ld", "published_at": "meta", "authors": "json_ld"}',
        sha256(n::text::bytea), sha256(n::text::bytea), 1, 'p' || n, '', 'benchmark', now()
    from generate_series(%(first)s::bigint, %(last)s::bigint) as n, (
        select array['أعلنت','الوزارة','أمس','عن','مشروع','جديد','في','العاصمة'] as word
    ) as words
"""
LOOP = """
import json, sys, psycopg
from psycopg.rows import dict_row
with psycopg.connect(sys.argv[1]) as db, open(sys.argv[2], "w", encoding="utf-8") as file:
    with db.cursor("rows", row_factory=dict_row) as cursor:
        for row in cursor.execute("select * from media.articles order by id"):
            file.write(json.dumps(row, ensure_ascii=False, default=str) + "\\n")
"""
PEAK = re.compile(r"VmHWM:\s+(\d+) kB")
COPY = r"\copy (select to_jsonb(a) from media.articles as a order by id) to "


def ways(url: str, folder: Path) -> dict[str, tuple[list[str], Path]]:
    """Return the command of each way, and what it writes."""
    rasid = [sys.executable, "-P", "-m", "services.cli", "export"]
    psql = [str(binaries.postgres_bin() / "psql"), "-qX", url, "-c"]
    loop = [sys.executable, "-c", LOOP, url]
    copied, looped = folder / "psql.jsonl", folder / "loop.jsonl"
    return {
        "psql \\copy": ([*psql, f"{COPY}'{copied}'"], copied),
        "Python loop": ([*loop, str(looped)], looped),
        **{
            f"rasid export {name}": ([*rasid, f"{folder}/{name}"], folder / name)
            for name in ("a.jsonl", "a.jsonl.zst", "a.jsonl.gz", "a.parquet", "parts/")
        },
    }


def size(path: Path) -> int:
    """Return the bytes of a file or of the files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def measure(command: list[str], stack: Stack, url: str) -> tuple[float, float, float, float]:
    """Run one way; return wall seconds, its CPU, the server's CPU, and its peak memory in MB."""
    server, began = cpu_of([stack.pids()["postgres"]]), time.monotonic()
    child = subprocess.Popen(
        command,
        env={**os.environ, "DATABASE_URL": url, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
    )
    memory = 0.0
    # Not ru_maxrss: it begins with the size of the process that has started this one.
    while not (ended := os.wait4(child.pid, os.WNOHANG))[0]:
        if found := PEAK.search(Path(f"/proc/{child.pid}/status").read_text("utf-8")):
            memory = int(found[1]) / 1024
        time.sleep(0.02)
    _, status, used = ended
    child.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - began
    if child.returncode:
        raise SystemExit(f"{command}: exit status {child.returncode}")
    time.sleep(0.2)  # until the server has noted what the session used
    server = cpu_of([stack.pids()["postgres"]]) - server
    return wall, used.ru_utime + used.ru_stime, server, memory


def main() -> None:
    """Fill a store, export it in each way, and print how they compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--articles", type=int, default=100_000)
    parser.add_argument("--words", type=int, default=300, help="in each article's text")
    parser.add_argument("--only", default="", help="ways with this in their names")
    asked = parser.parse_args()
    with product.servers(durable=False) as (stack, _), tempfile.TemporaryDirectory() as folder:
        url = stack.database_url
        with psycopg.connect(url, autocommit=True) as connection:
            for first in range(1, asked.articles + 1, 10_000):
                last = min(first + 9_999, asked.articles)
                connection.execute(FILL, {"first": first, "last": last, "words": asked.words})
            connection.execute("vacuum analyze rasid.articles")
        paces = {}
        for name, (command, path) in ways(url, Path(folder)).items():
            if asked.only not in name:
                continue
            wall, own, server, memory = measure(command, stack, url)
            paces[name] = asked.articles / (own + server)
            print(
                f"{name:26} {asked.articles / wall:7,.0f} rows/s"
                f" {1e6 * own / asked.articles:6.1f} us CPU/row"
                f" {1e6 * server / asked.articles:6.1f} us server {memory:5.0f} MB peak"
                f" {size(path) / 2**20:7,.0f} MB written",
                flush=True,
            )
    base = next(iter(paces))
    print(f"rows a CPU second, both sides; {base} = 1:")
    for name, pace in paces.items():
        print(f"  {name:26} {pace / paces[base]:.2f}")


if __name__ == "__main__":
    main()
