"""What a target is, how one input is tried with it, and how inputs are made from others.

A target takes bytes and asserts what the product promises of them. The same targets are run by
hypothesis, by a coverage-guided fuzzer and over the findings that are kept.
"""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st

from worker.limits import cpu_limit

#: What any input may take at most, in seconds of CPU.
SECONDS = 5.0
#: What any input may take at most beside the program itself: `page_memory_limit_mb`.
MEMORY_MB = 1024
FOUND = Path(__file__).with_name("found")
#: Legal, and unkind to whoever reads it.
NASTY = (
    *(b"\0", b"\xff", b"\xfe\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\x1b$B", b"\xed\xa0\x80", b"%"),
    *(b"\n", b"\r\n", b" ", b"\t", b'"', b"'", b"<", b">", b"&", b"=", b"/", b"\\", b"[", b"{"),
    *(b"]", b"}", b"nan", b"inf", b"1e999", b"-1", b"0", b"9" * 5000, b"99999-12-31", b"null"),
    *(b"2024-02-30T25:61:61+99:99", b"0001-01-01T00:00:00+14:00", b"9999-12-31T23:59:59-14:00"),
    *("ﷺ".encode(), "\u0301".encode(), "\u202e".encode(), "\u200c".encode(), "\ufeff".encode()),
    *("٣١/١٢/٢٠٢٤".encode(), "قالت الوزارة".encode(), "\U000e0041".encode(), "ﬃ".encode()),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One surface: `run` asserts its promises of any bytes."""

    name: str
    run: Callable[[bytes], None]
    #: Where mutation begins.
    seeds: Callable[[], Iterator[bytes]]
    #: What inputs are put together of: words of the format.
    pieces: tuple[bytes, ...]
    most_bytes: int = 16 * 1024

    @property
    def found(self) -> Path:
        """Return the folder of the findings that are kept."""
        return FOUND / self.name

    def kept(self) -> list[Path]:
        """Return the findings that are kept, in the order of their names."""
        return sorted(self.found.iterdir()) if self.found.is_dir() else []

    def strategy(self) -> st.SearchStrategy[bytes]:
        """Return made-up inputs: words of the format with anything between them."""
        word = st.sampled_from((*self.pieces, *NASTY))
        repeated = st.tuples(word, st.integers(1, 50)).map(lambda item: item[0] * item[1])
        other = st.text(max_size=12).map(lambda text: text.encode("utf-8", "surrogatepass"))
        part = word | word | repeated | other | st.binary(max_size=8)
        return st.lists(part, max_size=40).map(b"".join)


def tried(target: Target, data: bytes) -> None:
    """Run the target on one input.

    Raises:
        AssertionError: it took more than SECONDS, or broke another promise.
        PageTimeout: as the first, where the alarm could interrupt it.
    """
    began = time.process_time()
    with cpu_limit(SECONDS):
        target.run(data)
    taken = time.process_time() - began
    assert taken <= SECONDS, f"{taken:.1f} s of CPU"


def mutated(data: bytes, target: Target, most: int, seed: int) -> bytes:
    """Return the input with one to four changes that its format knows."""
    chance = random.Random(seed)
    for _ in range(chance.choice((1, 1, 2, 4))):
        data = chance.choice(_CHANGES)(data, target, chance)[:most]
    return data


def _place(data: bytes, chance: random.Random) -> int:
    """Return a place, more often one beside a mark of the format than any."""
    at = chance.randint(0, len(data))
    if chance.random() < 0.7:
        near = min(
            (p for mark in b"<>\"'\n&" if (p := data.find(bytes([mark]), at)) >= 0), default=at
        )
        return near + chance.randint(0, 1)
    return at


def _insert(data: bytes, target: Target, chance: random.Random) -> bytes:
    at = _place(data, chance)
    return data[:at] + chance.choice((*target.pieces, *target.pieces, *NASTY)) + data[at:]


def _replace(data: bytes, target: Target, chance: random.Random) -> bytes:
    start = _place(data, chance)
    end = min(_place(data, chance), start + 200)
    return data[:start] + chance.choice((*target.pieces, *NASTY)) + data[max(start, end) :]


def _repeat(data: bytes, _: Target, chance: random.Random) -> bytes:
    start = _place(data, chance)
    piece = data[start : start + chance.choice((1, 3, 8, 30, 200))]
    return data[:start] + piece * chance.choice((2, 3, 20, 300)) + data[start:]


def _drop(data: bytes, _: Target, chance: random.Random) -> bytes:
    start = _place(data, chance)
    return data[:start] + data[start + chance.choice((1, 2, 5, 20, 100)) :]


def _move(data: bytes, _: Target, chance: random.Random) -> bytes:
    start, to = _place(data, chance), _place(data, chance)
    piece = data[start : start + chance.choice((2, 10, 50, 300))]
    return data[:to] + piece + data[to:]


def _recoded(data: bytes, _: Target, chance: random.Random) -> bytes:
    encoding = chance.choice(("utf-16", "utf-16-le", "cp1256", "utf-8-sig", "utf-32", "gb18030"))
    return data.decode("utf-8", "replace").encode(encoding, "replace")


def _bit(data: bytes, _: Target, chance: random.Random) -> bytes:
    if not data:
        return data
    at = chance.randrange(len(data))
    return data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]


_CHANGES = (_insert, _insert, _insert, _replace, _repeat, _drop, _move, _bit, _bit, _recoded)
