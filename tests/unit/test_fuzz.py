import os
import re
import resource
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.shared import combining, compression
from tests.fuzz.every import TARGETS
from tests.fuzz.target import FOUND, MEMORY_MB, Target, tried
from worker.limits import memory_limit

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = int(os.environ.get("RASID_FUZZ_EXAMPLES", "40"))
MARKS = "\u0301\u0323\u05b0\u0345\u0f73\u3099"


@pytest.fixture
def _bounded() -> Iterator[None]:
    """Give the test as much memory as a page may take, as workers do, and take no more away."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (memory_limit(MEMORY_MB), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_DATA, before)


@pytest.mark.usefixtures("_bounded")
@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_whatever_bytes_come(target: Target) -> None:
    """Each surface keeps its promises of any bytes: no error, no hang or bloat, a valid result."""

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(target.strategy() | st.sampled_from(list(target.seeds())))
    def run(data: bytes) -> None:
        tried(target, data[: target.most_bytes])

    run()


def test_what_was_found_stays_mended() -> None:
    """Whatever once crashed, hung or bloated a reader takes no 5 s and no memory over the limit."""
    command = [sys.executable, "-m", "tests.fuzz", "--kept"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert [line for line in done.stdout.splitlines() if "FAILED" in line] == []
    assert done.returncode == 0, done.stderr[-2000:]


def test_each_finding_is_told() -> None:
    """The list beside the findings says what each of them showed, and names no other."""
    told = re.findall(r"^\| `(.+?)` \|", (FOUND / "README.md").read_text("utf-8"), re.MULTILINE)
    kept = [f"{path.parent.name}/{path.name}" for t in TARGETS.values() for path in t.kept()]

    assert sorted(told) == sorted(kept)


@given(st.lists(st.sampled_from([*MARKS, MARKS * 10, "a", "ب", "ab" * 20])).map("".join))
def test_no_letter_bears_more_marks_than_any_script_has(text: str) -> None:
    """Of a run of marks thirty stay, wherever it begins; any other text stays as it is."""
    runs = re.split(f"([{MARKS}]+)", text)
    expected = "".join(run[:30] if run[:1] in (*MARKS,) else run for run in runs)

    assert combining.bounded(text) == expected
    assert combining.normalized("NFC", text) == unicodedata.normalize("NFC", expected)


def test_all_that_normal_forms_reorder_is_a_mark() -> None:
    """No character that a normal form makes into a mark is forgotten."""
    codes = (code for code in range(0x110000) if not 0xD800 <= code < 0xE000)
    marks = [
        chr(code)
        for code in codes
        if unicodedata.combining(unicodedata.normalize("NFKD", chr(code))[0])
    ]

    assert len(marks) > 800
    assert [mark for mark in marks if len(combining.bounded(mark * 40)) != 30] == []


@pytest.mark.parametrize("size", [0, 1, 999, 1000])
def test_a_frame_within_the_limit_is_unpacked(size: int) -> None:
    """What `compress` made comes back, up to the limit itself."""
    assert compression.decompress(compression.compress(bytes(size)), 1000) == bytes(size)


def test_a_frame_that_is_none_or_too_much_is_refused() -> None:
    """A frame beyond the limit, cut, with something after it, or none: an error says which."""
    whole = compression.compress(bytes(1001))
    for data, told in (
        (whole, "more than 1000 bytes"),
        (compression.compress(b"a")[:-1], "whole"),
        (compression.compress(b"a") + b"x", "whole"),
        (b"", "whole"),
        (b"nothing", "not a zstd frame"),
    ):
        with pytest.raises(ValueError, match=told):
            compression.decompress(data, 1000)


#: Unpacks its input where nearly no memory is left.
CRAMPED = """
import sys
from services.shared import compression
from worker.limits import limit_memory
frame = sys.stdin.buffer.read()
limit_memory(1)
try:
    compression.decompress(frame, 1000)
except MemoryError:
    print("no memory")
"""


def test_no_memory_is_no_fault_of_a_frame() -> None:
    """Where there is no memory to unpack a sound frame, nobody is told that it is none."""
    packer = compression.compressor()  # it does not know the size: 2 MB are asked for
    frame = packer.compress(bytes(1000)) + packer.flush()
    assert compression.decompress(frame, 1000) == bytes(1000)

    cramped = subprocess.run(
        [sys.executable, "-P", "-c", CRAMPED],
        input=frame,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )

    assert (cramped.stdout, cramped.stderr) == (b"no memory\n", b"")
