"""What partitions of captures by day cost who stores pages and who looks a body up.

    .venv/bin/python -m benchmarks.captures [--days 90] [--bodies 200] [--chunks 300]

One table, as it was before, and so many days' partitions hold the same bodies. Stored are chunks
of ten bodies of 10 kB, each chunk a transaction. Milliseconds a chunk or a body: the median of wall
time, and CPU of the server's process.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import psutil

from benchmarks import product
from services.storage import Connection, connect, queries

ONE_TABLE = b"""
    create table one (
        sha256 bytea primary key, body bytea not null,
        first_seen_at timestamptz not null default now(),
        last_seen_at timestamptz not null default now()
    );
    alter table one alter column body set storage external
"""
STORE_ONE = b"""
    insert into one (sha256, body) values (%(sha256)s, %(body)s)
    on conflict (sha256) do update set last_seen_at = excluded.last_seen_at
    where one.last_seen_at < excluded.last_seen_at - interval '1 day'
"""
PAGE = b"""
    insert into rasid.raw_pages (
        id, origin, headers, capture_sha256, captured_on, outcome, reason, extractor_version
    ) values (%s, '', '{}', %s, %s, 'rejected', 'soft_404', 1)
"""
JOINED = b"""
    select octet_length(c.body) from rasid.raw_pages as p
    join rasid.captures as c on c.captured_on = p.captured_on and c.sha256 = p.capture_sha256
    where p.id = %s
"""
SIZE = 10_000


def _timed(server: psutil.Process, times: int, act: Callable[[int], object]) -> str:
    walls, before = [], server.cpu_times()
    for number in range(times):
        began = time.perf_counter()
        act(number)
        walls.append(1000 * (time.perf_counter() - began))
    after = server.cpu_times()
    cpu = 1000 * (after.user + after.system - before.user - before.system) / times
    return f"{statistics.median(walls):7.3f} ms median, {cpu:7.3f} ms CPU of the server"


def _chunks(connection: Connection, statement: bytes, chunks: int) -> Callable[[int], object]:
    bodies = [
        [{"sha256": os.urandom(32), "body": os.urandom(SIZE)} for _ in range(10)]
        for _ in range(chunks)
    ]

    def store(number: int) -> None:
        with connection.transaction(), connection.cursor() as cursor:
            cursor.executemany(statement, bodies[number])

    return store


def main() -> None:
    """Fill, store and look up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--bodies", type=int, default=200, help="of each day")
    parser.add_argument("--chunks", type=int, default=300)
    args = parser.parse_args()
    with product.servers() as (stack, _), connect(stack.database_url) as connection:
        connection.execute(ONE_TABLE)
        places = _fill(connection, args.days, args.bodies)
        ((pid,),) = connection.execute(b"select pg_backend_pid()").fetchall()
        server = psutil.Process(int(str(pid)))
        print(f"{args.days} days, {len(places):,} bodies")
        new = queries("articles").add_capture
        for label, statement in (("one table", STORE_ONE), ("by day", new)) * 2:
            act = _chunks(connection, statement, args.chunks)
            print(f"store 10 bodies, {label:22}", _timed(server, args.chunks, act))
        sql = queries("captures")
        looks: tuple[tuple[str, bytes, Callable[[int], Any], bool | None], ...] = (
            ("one table", b"select body from one where sha256 = %s",
             lambda n: (places[n][1],), None),
            ("its day", sql.body,
             lambda n: {"day": places[n][0], "sha256": places[n][1]}, False),
            ("any day", sql.body_of_any_day, lambda n: {"sha256": places[n][1]}, None),
            ("joined with its page", JOINED, lambda n: (str(n),), None),
        )  # fmt: skip
        for label, statement, values, prepare in looks:

            def look(
                number: int,
                statement: bytes = statement,
                values: Callable[[int], Any] = values,
                prepare: bool | None = prepare,
            ) -> None:
                found = connection.execute(
                    statement,
                    values(number * 7 % len(places)),
                    prepare=prepare,
                )
                assert found.fetchone()

            print(f"look up, {label:30}", _timed(server, 1000, look))


def _fill(connection: Connection, days: int, bodies: int) -> list[tuple[date, bytes]]:
    places: list[tuple[date, bytes]] = []
    today = date.today()  # noqa: DTZ011 - any day will do
    for ago in range(days):
        day = today - timedelta(days=ago)
        connection.execute(b"select rasid.make_captures(%s)", [day])
        with connection.transaction(), connection.cursor() as cursor:
            rows = [(os.urandom(32), os.urandom(SIZE)) for _ in range(bodies)]
            cursor.executemany(b"insert into one (sha256, body) values (%s, %s)", rows)
            cursor.executemany(
                b"insert into rasid.captures (captured_on, sha256, body) values (%s, %s, %s)",
                [(day, *row) for row in rows],
            )
            pages = [(str(len(places) + n), sha256, day) for n, (sha256, _) in enumerate(rows)]
            cursor.executemany(PAGE, pages)
            places += [(day, sha256) for sha256, _ in rows]
    connection.execute(b"analyze")
    return places


if __name__ == "__main__":
    main()
