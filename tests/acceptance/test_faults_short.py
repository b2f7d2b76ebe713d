"""The short form of the fault harness, `tests.faults`: each kind of fault once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.faults import FAULTS

ROOT = Path(__file__).resolve().parents[2]
#: At the same time; their faults together are all kinds. Each ends by itself, whatever hangs.
RUNS = 2


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_every_kind_of_fault(tmp_path: Path) -> None:
    """Whatever fails, each page ends exactly once as on a calm day, and nothing is left over."""
    most = -(-len(FAULTS) // RUNS)
    command = [sys.executable, "-P", "-m", "tests.faults", "--longest", "3"]
    logs = [tmp_path / f"{seed}.log" for seed in range(RUNS)]
    runs = []
    try:
        for seed, log in enumerate(logs):
            with log.open("wb") as output:
                runs.append(
                    subprocess.Popen(
                        [*command, "--seed", str(seed), "--most", str(most), "--verbose"],
                        stdout=output,
                        stderr=subprocess.STDOUT,
                        env={**os.environ, "PYTHONPATH": str(ROOT)},
                    )
                )
        codes = [run.wait() for run in runs]
    finally:
        for run in runs:
            run.terminate()
            run.wait()

    told = [log.read_text("utf-8") for log in logs]
    assert codes == [0] * RUNS, "\n".join(
        text[-15_000:] for text, code in zip(told, codes, strict=True) if code
    )
    never = [name for name in FAULTS if not any(f" {name}(" in text for text in told)]
    assert never == [name for name in FAULTS if f"skipped: {name}:" in told[0]]
