"""The README's first command: from nothing to articles, twice, with nothing left running."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.patience import PATIENCE_S, until

ROOT = Path(__file__).resolve().parents[2]


def demo(state: Path) -> subprocess.Popen[str]:
    """Start the demo."""
    keep = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "services.cli", "--state", str(state), "demo"],
        env={**keep, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def of_state(state: Path) -> Iterator[psutil.Process]:
    """Processes that name the state directory in their arguments or environment."""
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), *process.environ().values()]
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
        if any(str(state) in word for word in words) and process.pid != os.getpid():
            yield process


def gone(state: Path) -> list[list[str]]:
    """The processes that do not end; empty as soon as there are none."""
    end = time.monotonic() + PATIENCE_S
    while left := list(of_state(state)):
        if time.monotonic() > end:
            return [process.cmdline() for process in left]
        time.sleep(0.2)
    return []


def test_twice(tmp_path: Path) -> None:
    """The first run stores all and says why the rest is not there; the second changes nothing."""
    state = tmp_path / "state"
    outputs = []
    for _ in range(2):
        process = demo(state)
        output, errors = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, errors
        assert gone(state) == []
        outputs.append(output.split("\nTime\n")[0])

    assert outputs[0] == outputs[1]
    for words in (
        "مكتبة قديمة تفتح خزائن مخطوطاتها أمام الباحثين",
        "لا نخطط للتصعيد.. أمريكا تكشف عن سبب وجود قواتها في سوريا",
        "Port Calder puts its first thirty electric buses on the road",
        "robots_denied",
        "http_404",
        "same text as http://127.0.0.1",
        "not_article",
    ):
        assert words in outputs[0]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_killed_in_the_middle(tmp_path: Path, number: int) -> None:
    """Whoever ends the demo, by Ctrl-C or kill -9, everything that it started ends with it."""
    state = tmp_path / "state"
    process = demo(state)
    until((state / "log" / "crawl.log").exists)
    time.sleep(1)

    process.send_signal(number)
    process.communicate(timeout=PATIENCE_S)

    assert gone(state) == []
