"""Commands and processes with passwords that lead nowhere: none of them says one."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

import pytest

from services.local import Stack
from tests.patience import PATIENCE_S, until

ROOT = Path(__file__).resolve().parents[2]
POSTGRES, REDIS = "s3cret-of-Postgres", "s3cret@of:Redis/&"
SECRETS = ("s3cret", quote(REDIS, safe=""), "of-Postgres", "of:Redis", "of%3ARedis")
AWAY = {
    "DATABASE_URL": f"postgresql://rasid:{POSTGRES}@127.0.0.1:1/rasid",
    "REDIS_URL": f"redis://rasid:{quote(REDIS, safe='')}@127.0.0.1:1/0",
}
NONE = {
    "DATABASE_URL": f"postgresql://rasid:{POSTGRES}@127.0.0.1:port/rasid",
    "REDIS_URL": f"redis://rasid:{REDIS}@127.0.0.1:port/0",
}
COMMANDS = ("status", "articles", "migrate", "dead-letters list", "follow --once", "search x")
ADDRESS = re.compile(rb"http://127\.0\.0\.1:\d+")
PROCESSES = ("worker", "reconcile", "crawl", "dashboard", "import seeds")


def started(
    command: str, env: Mapping[str, str], log: int | BinaryIO = subprocess.PIPE
) -> subprocess.Popen[bytes]:
    """Start a command that tells all it can tell."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "services.cli", *command.split()],
        env={**os.environ, "PYTHONPATH": str(ROOT), "LOG_LEVEL": "DEBUG", **env},
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd=ROOT,
    )


def titles(group: list[subprocess.Popen[bytes]]) -> bytes:
    """Return what `ps` shows of these processes."""
    found = b""
    for process in group:
        for name in ("cmdline", "comm"):
            with contextlib.suppress(OSError):
                found += Path(f"/proc/{process.pid}/{name}").read_bytes()
    return found


def shown(address: bytes) -> bytes:
    """Return what the dashboard there answers while both stores are away."""
    told = b""
    for path in ("/", "/status.json", "/metrics", "/readyz"):
        try:
            with urllib.request.urlopen(address.decode() + path, timeout=PATIENCE_S) as answer:
                told += answer.read()
        except urllib.error.HTTPError as error:
            told += error.read()
    return told


@pytest.fixture
def refusing(empty_redis: Stack) -> dict[str, str]:
    """Addresses of servers that are there and let nobody in by this name."""
    host = quote(str(empty_redis.broker_socket.parent), safe="")
    return {
        "DATABASE_URL": f"postgresql://nobody:{POSTGRES}@/rasid?host={host}",
        "REDIS_URL": f"unix://nobody:{quote(REDIS, safe='')}@{empty_redis.broker_socket}?db=0",
        "REDIS_BODIES_URL": f"unix://nobody:{quote(REDIS, safe='')}@{empty_redis.bodies_socket}",
    }


def test_no_password_is_said(refusing: dict[str, str], tmp_path: Path) -> None:
    """Servers away, refusing, or no addresses at all: no output and no title holds a password."""
    file = tmp_path / "database_url"
    file.write_text(AWAY["DATABASE_URL"], "utf-8")
    by_file = {"DATABASE_URL_FILE": str(file), "REDIS_URL": AWAY["REDIS_URL"]}
    ending = [started(command, by_file) for command in COMMANDS]
    ending += [started("status", env) for env in (NONE, refusing)]
    ending += [started("articles", env) for env in (NONE, refusing)]
    said = [process.communicate(timeout=PATIENCE_S)[0] for process in ending]
    assert all(process.returncode for process in ending), said
    logs = [tmp_path / command.split()[0] for command in PROCESSES]
    running = []
    for command, log in zip(PROCESSES, logs, strict=True):
        with log.open("wb") as output:
            running.append(started(command, {**AWAY, "RASID_DASHBOARD_PORT": "0"}, output))
    # An import waits in silence, and the dashboard has more to say before its address.
    until(lambda: all(log.stat().st_size for log in logs[:-1]))
    until(lambda: ADDRESS.search(logs[3].read_bytes()), logs[3].read_bytes)
    time.sleep(2)
    said += map(shown, ADDRESS.findall(logs[3].read_bytes())[:1])
    assert b"</html>" in said[-1]
    said.append(titles(running))
    for process in running:
        process.send_signal(signal.SIGTERM)
    for process in running:
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    said += [log.read_bytes() for log in logs]

    text = [output.decode("utf-8", "replace") for output in said]
    assert all(text[:-1])
    assert [line for line in text if any(secret in line for secret in SECRETS)] == []
