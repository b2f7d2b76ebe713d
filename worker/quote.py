"""Texts go in; hashes that find shared passages, and the passages of two texts, come out.

A passage is words in a row that stand in two texts. Shingles of six words are hashed, and of each
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
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from services.shared import arabic
from services.shared.arabic import Words
from worker.fingerprint import Hashes, distinct, mix, word_hashes

SHINGLE = 6  # words hashed together
QUOTED_WINDOW = 8  # shingles, where the text stands between quotation marks
WINDOW = 24  # shingles, anywhere
MIN_TOKENS = 12  # words of a passage
MAX_GAP = 3  # words that may differ between two blocks of one passage
#: Words at the end of longer texts are not looked at: these are no articles but archives.
MAX_TOKENS = 20_000
#: A shingle that stands more often in one text says nothing about where it comes from.
MAX_REPEATS = 8
#: Where so many numbers differ within passages, one in so many words at least, two reports are
#: made from one template.
TEMPLATE_NUMBERS = 3
TEMPLATE_WORDS = 50
#: Two texts that share so much of the longer one are copies, which stories tell of.
COPY_SHARE = 0.5

_QUOTED = re.compile(
    r'«[^«»]{20,2000}»|“[^“”]{20,2000}”|„[^„“”]{20,2000}[“”]|‹[^‹›]{20,2000}›|"[^"\n]{20,2000}"'
)
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


class Reading:
    """The words of a text; their places are made only for paragraphs where one is asked for."""

    def __init__(self, text: str) -> None:
        """Read the text."""
        self._paragraphs = text.split("\n")
        words = [arabic.tokens(paragraph) for paragraph in self._paragraphs]
        self.tokens = [token for found in words for token in found]
        #: Of each paragraph, and of the end: characters and words before it.
        self._starts = [0, *accumulate(len(paragraph) + 1 for paragraph in self._paragraphs)]
        self._tokens = [0, *accumulate(map(len, words))]
        self._places: dict[int, Words] = {}

    def place(self, first: int, end: int) -> tuple[int, int]:
        """Return where words stand: first character, and the character after the last."""
        start, words, before = self._at(bisect_right(self._tokens, first) - 1)
        stop, last_words, last_before = self._at(bisect_right(self._tokens, end - 1) - 1)
        return (
            start + words.starts[first - before],
            stop + last_words.ends[end - 1 - last_before],
        )

    def tokens_at(self, start: int, end: int) -> tuple[int, int]:
        """Return which words stand between two characters; the reverse of `place`."""
        first, words, before = self._at(bisect_right(self._starts, start) - 1)
        last, last_words, last_before = self._at(bisect_left(self._starts, end) - 1)
        return (
            before + bisect_left(words.starts, start - first),
            last_before + bisect_right(last_words.ends, end - last),
        )

    def _at(self, paragraph: int) -> tuple[int, Words, int]:
        if paragraph not in self._places:
            self._places[paragraph] = arabic.words(self._paragraphs[paragraph])
        return self._starts[paragraph], self._places[paragraph], self._tokens[paragraph]


@dataclass(frozen=True, slots=True)
class Block:
    """Words that are the same in both texts, numbers aside: from where, and how many."""

    one: int
    other: int
    length: int


@dataclass(frozen=True, slots=True)
class Passage:
    """Words that stand in two texts: blocks in the order of both, little between them."""

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


def split(normal: str) -> tuple[list[str], list[tuple[int, int]]]:
    """Return the words of a normalised text, and the ranges of those between quotation marks."""
    tokens: list[str] = []
    quoted = []
    end = 0
    for match in _QUOTED.finditer(normal):
        tokens += arabic.split(normal[end : match.start()])
        first = len(tokens)
        tokens += arabic.split(match.group())
        quoted.append((first, len(tokens)))
        end = match.end()
    return tokens + arabic.split(normal[end:]), quoted


def hashes(tokens: Sequence[str], quoted: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """Return the hashes kept of what `split` returned: 64 bits with sign each."""
    shingles = _shingles(tokens[:MAX_TOKENS])
    if not len(shingles):
        return ()
    kept = [_winnow(shingles, 0, len(shingles), WINDOW)]
    for first, last in quoted:
        end = min(last, MAX_TOKENS) - SHINGLE + 1
        if end > first:
            kept.append(_winnow(shingles, first, end, QUOTED_WINDOW))
    chosen = distinct(shingles[np.concatenate(kept)]).view(np.int64)
    return tuple(chosen.tolist())


def shared(one: list[str], other: list[str]) -> list[Passage]:
    """Return the passages that the words of two texts have in common, in the order of the one.

    None where the texts are copies of each other, or reports made from one template.
    """
    ours, theirs = one[:MAX_TOKENS], other[:MAX_TOKENS]
    if theirs < ours:
        # The order of the two must make no difference to what is found.
        mirrored = [passage.mirrored() for passage in shared(theirs, ours)]
        return sorted(mirrored, key=lambda passage: passage.one)
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


def _shingles(tokens: Sequence[str]) -> Hashes:
    words = word_hashes(tokens)
    count = max(0, len(tokens) - SHINGLE + 1)
    shingles = np.zeros(count, np.uint64)
    for offset in range(SHINGLE):
        shingles = shingles * _MULTIPLIER + words[offset : offset + count]
    return mix(shingles)


def _winnow(shingles: Hashes, first: int, end: int, window: int) -> npt.NDArray[np.intp]:
    """Return the places of the least hash of each window, the last of equal ones."""
    window = min(window, end - first)
    windows = np.lib.stride_tricks.sliding_window_view(shingles[first:end], window)
    least = window - 1 - windows[:, ::-1].argmin(axis=1)
    return np.unique(least + np.arange(first, first + len(windows)))


def _masked(tokens: Sequence[str]) -> list[str]:
    return ["0" if token.isdigit() else token for token in tokens]


def _blocks(ours: Sequence[str], theirs: Sequence[str]) -> list[Block]:
    """Return the longest blocks, of six words or more, in the order of ours."""
    own, their = _shingles(ours), _shingles(theirs)
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
        shingle = int(own[i])
        if repeats[shingle] > MAX_REPEATS or len(places[shingle]) > MAX_REPEATS:
            continue
        for j in places[shingle]:
            if reached.get(j - i, 0) > i:
                continue
            start, length = i, _same(ours, theirs, i, j)
            while start and start > i - j and ours[start - 1] == theirs[start - 1 + j - i]:
                start -= 1
            if length >= SHINGLE:
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
