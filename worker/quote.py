"""Texts go in; hashes that find shared passages, and the passages of two texts, come out.

A passage is a run of words that stands in two texts. Runs of six words are hashed, and of each
window of such hashes the least is kept (winnowing): of the same window everybody keeps the same
one, so a text that repeats 13 words of another between quotation marks, or 29 anywhere, shares a
kept hash with it. Texts that do are then compared word by word, which finds shorter passages too.

Hashes are stored and compared with what is hashed later: a change to how they are made only means
that passages of older articles are not found until theirs are made anew.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xxhash

from services.shared import arabic
from services.shared.arabic import Words

RUN = 6  # words hashed together
QUOTED_WINDOW = 8  # runs, where the text stands between quotation marks
WINDOW = 24  # runs, anywhere
MIN_TOKENS = 12  # words of a passage
MAX_GAP = 3  # words that may differ between two runs of one passage
#: Words at the end of longer texts are not looked at: these are no articles but archives.
MAX_TOKENS = 20_000
#: A run that stands more often in one text says nothing about where it comes from.
MAX_REPEATS = 8
#: Where so many numbers differ within passages, one in so many words at least, two reports are
#: made from one template.
TEMPLATE_NUMBERS = 3
TEMPLATE_WORDS = 50
#: Two texts that share so much of the longer one are copies, which stories tell of.
COPY_SHARE = 0.5

Hashes = npt.NDArray[np.uint64]

_QUOTED = re.compile(
    r'«[^«»]{20,2000}»|“[^“”]{20,2000}”|„[^„“”]{20,2000}[“”]|‹[^‹›]{20,2000}›|"[^"\n]{20,2000}"'
)
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Block:
    """Words that are the same in both texts, numbers aside: from where, and how many."""

    one: int
    other: int
    length: int


@dataclass(frozen=True, slots=True)
class Passage:
    """A run of words that stands in two texts: blocks in the order of both, little between them."""

    blocks: tuple[Block, ...]

    @property
    def one(self) -> tuple[int, int]:
        """Return the first word in the one text, and the word after the last."""
        return self.blocks[0].one, self.blocks[-1].one + self.blocks[-1].length

    @property
    def other(self) -> tuple[int, int]:
        """Return the first word in the other text, and the word after the last."""
        return self.blocks[0].other, self.blocks[-1].other + self.blocks[-1].length

    @property
    def tokens_count(self) -> int:
        """Return how many words both have."""
        return sum(block.length for block in self.blocks)

    def part(self, first: int, end: int) -> "Passage | None":
        """Return what lies between two words of the one text, or None where too little does."""
        blocks = []
        for block in self.blocks:
            start = max(block.one, first)
            length = min(block.one + block.length, end) - start
            if length > 0:
                blocks.append(Block(start, block.other + start - block.one, length))
        part = Passage(tuple(blocks))
        return part if part.tokens_count >= MIN_TOKENS else None

    def mirrored(self) -> "Passage":
        """Return the passage as the other text sees it."""
        return Passage(tuple(Block(b.other, b.one, b.length) for b in self.blocks))


def hashes(normal: str) -> tuple[int, ...]:
    """Return the hashes kept of a normalised text (`arabic.normalize`), 64 bits with sign."""
    tokens: list[str] = []
    quoted: list[tuple[int, int]] = []
    end = 0
    for match in _QUOTED.finditer(normal):
        tokens += arabic.split(normal[end : match.start()])
        first = len(tokens)
        tokens += arabic.split(match.group())
        quoted.append((first, len(tokens)))
        end = match.end()
    tokens += arabic.split(normal[end:])
    runs = _runs(tokens[:MAX_TOKENS])
    if not len(runs):
        return ()
    kept = [_winnow(runs, 0, len(runs), WINDOW)]
    for first, last in quoted:
        if first + RUN <= min(last, MAX_TOKENS):
            kept.append(_winnow(runs, first, min(last, MAX_TOKENS) - RUN + 1, QUOTED_WINDOW))
    chosen = np.unique(runs[np.concatenate(kept)]).view(np.int64)
    return tuple(chosen.tolist())


def shared(one: Words, other: Words) -> list[Passage]:
    """Return the passages of both texts, in the order of the one.

    None where the texts are copies of each other, or reports made from one template.
    """
    if other.tokens < one.tokens:
        # The order of the two must make no difference to what is found.
        mirrored = [passage.mirrored() for passage in shared(other, one)]
        return sorted(mirrored, key=lambda passage: passage.one)
    ours, theirs = one.tokens[:MAX_TOKENS], other.tokens[:MAX_TOKENS]
    passages = _apart(_chains(_blocks(_masked(ours), _masked(theirs))))
    differing = sum(
        ours[block.one + i] != theirs[block.other + i]
        for passage in passages
        for block in passage.blocks
        for i in range(block.length)
    )
    in_common = sum(passage.tokens_count for passage in passages)
    template = differing >= max(TEMPLATE_NUMBERS, in_common / TEMPLATE_WORDS)
    copies = in_common >= COPY_SHARE * max(len(ours), len(theirs))
    return [] if template or copies else passages


def place(words: Words, first: int, end: int) -> tuple[int, int]:
    """Return where words stand in their text: first character, and the character after the last."""
    return words.starts[first], words.ends[end - 1]


def tokens_at(words: Words, start: int, end: int) -> tuple[int, int]:
    """Return which words stand between two characters of the text; the reverse of `place`."""
    return bisect_left(words.starts, start), bisect_right(words.ends, end)


def _runs(tokens: Sequence[str]) -> Hashes:
    count = max(0, len(tokens) - RUN + 1)
    words = np.fromiter(
        (xxhash.xxh3_64_intdigest(token.encode("utf-8", "surrogatepass")) for token in tokens),
        np.uint64,
        len(tokens),
    )
    runs = np.zeros(count, np.uint64)
    for offset in range(RUN):
        runs = runs * _MULTIPLIER + words[offset : offset + count]
    # Every bit has to depend on every word, for the least is kept.
    runs ^= runs >> np.uint64(32)
    runs *= np.uint64(0xD6E8FEB86659FD93)
    return runs ^ (runs >> np.uint64(32))


def _winnow(runs: Hashes, first: int, end: int, window: int) -> npt.NDArray[np.intp]:
    """Return the places of the least hash of each window, the last of equal ones."""
    window = min(window, end - first)
    windows = np.lib.stride_tricks.sliding_window_view(runs[first:end], window)
    least = window - 1 - windows[:, ::-1].argmin(axis=1)
    return np.unique(least + np.arange(first, first + len(windows)))


def _masked(tokens: Sequence[str]) -> list[str]:
    return ["0" if token.isdigit() else token for token in tokens]


def _blocks(ours: Sequence[str], theirs: Sequence[str]) -> list[Block]:
    """Return the longest runs both have, of six words or more, in the order of ours."""
    own, their = _runs(ours), _runs(theirs)
    common = np.intersect1d(own, their)
    places: dict[int, list[int]] = {}
    for index in np.flatnonzero(np.isin(their, common)).tolist():
        places.setdefault(int(their[index]), []).append(index)
    repeats: dict[int, int] = {}
    found = np.flatnonzero(np.isin(own, common)).tolist()
    for index in found:
        repeats[int(own[index])] = repeats.get(int(own[index]), 0) + 1
    blocks, reached = [], dict[int, int]()
    for i in found:
        run = int(own[i])
        if repeats[run] > MAX_REPEATS or len(places[run]) > MAX_REPEATS:
            continue
        for j in places[run]:
            if reached.get(j - i, 0) > i:
                continue
            start, length = i, _same(ours, theirs, i, j)
            while start and start > i - j and ours[start - 1] == theirs[start - 1 + j - i]:
                start -= 1
            if length >= RUN:
                blocks.append(Block(start, start + j - i, i - start + length))
                reached[j - i] = i + length
    return sorted(blocks, key=lambda block: (block.one, block.other))


def _same(ours: Sequence[str], theirs: Sequence[str], i: int, j: int) -> int:
    most = min(len(ours) - i, len(theirs) - j)
    return next((n for n in range(most) if ours[i + n] != theirs[j + n]), most)


def _chains(blocks: Sequence[Block]) -> list[Passage]:
    """Put blocks that follow each other closely in both texts together."""
    chains: list[list[Block]] = []
    for block in blocks:
        for chain in reversed(chains[-2 * MAX_REPEATS :]):
            last = chain[-1]
            gaps = block.one - last.one - last.length, block.other - last.other - last.length
            if min(gaps) >= 0 and max(gaps) <= MAX_GAP:
                chain.append(block)
                break
        else:
            chains.append([block])
    passages = [Passage(tuple(chain)) for chain in chains]
    return [passage for passage in passages if passage.tokens_count >= MIN_TOKENS]


def _apart(passages: Sequence[Passage]) -> list[Passage]:
    """Leave out passages that mostly lie in a longer one, in either text."""
    chosen: list[Passage] = []
    for passage in sorted(passages, key=lambda passage: -passage.tokens_count):
        if not any(
            _inside(passage.one, longer.one) or _inside(passage.other, longer.other)
            for longer in chosen
        ):
            chosen.append(passage)
    return sorted(chosen, key=lambda passage: passage.one)


def _inside(short: tuple[int, int], long: tuple[int, int]) -> bool:
    return 2 * (min(short[1], long[1]) - max(short[0], long[0])) > short[1] - short[0]
