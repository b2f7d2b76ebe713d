"""What processes do while their servers are away: each looks for them now and then."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import redis

from services.local import Stack
from services.queue import Queue
from services.shared.settings import Settings
from tests.factories import page
from tests.faults.product import Helper
from tests.patience import until

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = {"worker-0": "worker", "worker-1": "worker", "reconciler": "reconcile"}
STORES = ("broker", "bodies", "postgres")
#: A worker has three processes here, and each may lose what it holds open at the first moment.
AT_ONCE = 15


@pytest.mark.slow
def test_nobody_storms_a_server(settings: Settings, empty_redis: Stack, tmp_path: Path) -> None:
    """All servers away, then a broker that lets in and refuses: none is tried once a second.

    Not by any process, but for the moment in which all is lost, nor by one that was never
    connected. Back again, all go on.
    """
    queue = Queue(settings)
    address = urlsplit(settings.database_url or "")
    sockets = {
        "broker": str(empty_redis.broker_socket),
        "bodies": str(empty_redis.bodies_socket),
        "postgres": f"{parse_qs(address.query)['host'][0]}/.s.PGSQL.5432",
    }
    ways = {f"{name}.{store}": sockets[store] for name in PROGRAMS for store in STORES}
    proxy = Helper("tests.faults.proxy", json.dumps(ways))
    ports = proxy.hear()

    def tried() -> dict[str, int]:
        proxy.say(connections=True)
        asked = proxy.hear()
        return {name: sum(asked[f"{name}.{store}"] for store in STORES) for name in PROGRAMS}

    with ExitStack() as stack:
        stack.callback(proxy.close)

        def begin(name: str) -> None:
            at = {store: f"127.0.0.1:{ports[f'{name}.{store}']}" for store in STORES}
            env = {
                "DATABASE_URL": f"postgresql://{address.username}@{at['postgres']}{address.path}"
                "?sslmode=disable&gssencmode=disable",
                "REDIS_URL": f"redis://{at['broker']}/0",
                "REDIS_BODIES_URL": f"redis://{at['bodies']}/0",
            }
            stack.enter_context(_running(PROGRAMS[name], env, tmp_path / f"{name}.log"))

        begin("worker-0")
        begin("reconciler")
        _publish(queue, 60)
        _wait(queue)

        before, began = tried(), time.monotonic()
        proxy.say(mode="refuse", reset=True)
        begin("worker-1")
        _publish(queue, 20)
        time.sleep(8)
        away, seconds = tried(), time.monotonic() - began
        proxy.say(mode="pass")

        with redis.Redis(unix_socket_path=sockets["broker"]) as broker:
            limit = broker.config_get("maxmemory")["maxmemory"]
            broker.config_set("maxmemory", 1)
            full, began = tried(), time.monotonic()
            proxy.say(reset=True)
            time.sleep(8)
            refused, refusing = tried(), time.monotonic() - began
            broker.config_set("maxmemory", limit)
        _wait(queue)

    for name in PROGRAMS:
        processes = 3 if name.startswith("worker") else 1
        assert away[name] - before[name] <= AT_ONCE + processes * seconds
        assert refused[name] - full[name] <= AT_ONCE + processes * refusing


def _publish(queue: Queue, count: int) -> None:
    first = time.monotonic_ns()
    pages = [
        page(f"<p>{n}</p>", requested_url=f"https://example.org/{first + n}") for n in range(count)
    ]
    queue.publish(pages, "live")


def _wait(queue: Queue) -> None:
    until(lambda: queue.depth().total == 0)


@contextmanager
def _running(command: str, env: dict[str, str], log: Path) -> Iterator[None]:
    """Run a process of Rasid during the block, at whose end it must still be there."""
    quick = {"RASID_CONCURRENCY": "2", "RASID_REQUEUE_AFTER_S": "5", "RASID_RECONCILE_EVERY_S": "1"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "services.cli", command],
            env={**os.environ, "PYTHONPATH": str(ROOT), **quick, **env},
            stdout=output,
            stderr=output,
        )
        try:
            yield
            assert process.poll() is None, log.read_text("utf-8")[-20_000:]
        finally:
            process.kill()
            process.wait()
