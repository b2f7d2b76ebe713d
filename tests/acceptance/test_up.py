"""`rasid up`: everything on one machine, and a page that tells how it is."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S, until

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def up(state: Path, port: int) -> Iterator[list[str]]:
    """Run it; give what it has said until all runs, and see that it ends."""
    sources = state.parent / "sources.yaml"
    sources.write_text("sources: []\n", "utf-8")
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env |= {"PYTHONPATH": str(ROOT), "RASID_SOURCES": str(sources)}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "services.cli", "--state", str(state), "up"],
        env=env | {"RASID_DASHBOARD_PORT": str(port)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    with process:
        try:
            said = []
            for line in process.stderr:
                said.append(line)
                if line.startswith("Postgres: "):
                    break
            assert process.poll() is None, said
            yield said
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE_S) == 128 + signal.SIGINT
        finally:
            process.kill()


def read(address: str) -> str:
    """Return the page; nothing while nobody serves it."""
    try:
        with urllib.request.urlopen(address, timeout=PATIENCE_S) as answer:
            text: str = answer.read().decode()
    except OSError:
        return ""
    return text


@pytest.mark.slow
def test_up_serves_the_dashboard(tmp_path: Path) -> None:
    """It says where the page is, and there it is; where its port is taken, all else runs."""
    with up(tmp_path / "state", 0) as said:
        (address,) = [line.split()[1] for line in said if line.startswith("Dashboard: ")]
        until(lambda: "All is well" in read(address))

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with up(tmp_path / "state", port) as said:
            words = " ".join("".join(said).split())

    assert "It runs without a dashboard: " in words
    assert f"port {port}: another program does" in words
