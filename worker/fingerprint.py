"""The words of a text go in; what exact duplicates share, and what near-duplicates share, come out.

Near-duplicates are found by MinHash over runs of three words: 64 minima of the text's hashed runs,
of which two texts share about as many as they share runs. Pairs of minima make bands, which an
index finds; the low bytes of all minima make the sketch, which says how alike two texts are before
either is read.

Whatever is computed here is stored and compared with what was computed years before: to change a
constant or an order, count SIGNATURE_VERSION up. Bands of different versions never meet.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import xxhash

from services.shared import arabic
from services.shared.contracts import BANDS, Fingerprint

#: Of all that bands and sketches are made of, the folding of words included.
SIGNATURE_VERSION = 100 + arabic.VERSION
RUN = 3  # words
MINIMA = 64
#: Texts with fewer words are compared for equality only: too little to tell a copy by.
MIN_TOKENS = 30
ROWS = 2  # minima in a band
TEXTS_KEPT = 32
BLOCK = 4096  # runs hashed at once, so that a long text needs no memory of its own

Hashes = npt.NDArray[np.uint64]

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


@lru_cache(TEXTS_KEPT)
def in_one_spelling(text: str) -> str:
    """Return `arabic.normalize` of a text. The last are kept: each is asked for twice."""
    return arabic.normalize(text)


def words_of(text: str) -> list[str]:
    """Return the words of a text, as `arabic.tokens` does."""
    return arabic.split(in_one_spelling(text))


def text_sha256(tokens: Sequence[str]) -> bytes:
    """Return 32 bytes, equal for texts of the same words however they are spelt or spaced."""
    return hashlib.sha256(" ".join(tokens).encode("utf-8", "replace")).digest()


def fingerprint(tokens: Sequence[str]) -> Fingerprint:
    """Return what near-duplicates share; without bands where the text is too short."""
    if len(tokens) < MIN_TOKENS:
        return Fingerprint(version=SIGNATURE_VERSION, tokens_count=len(tokens))
    minima = _minima(distinct(runs(word_hashes(tokens))))
    return Fingerprint(
        version=SIGNATURE_VERSION,
        tokens_count=len(tokens),
        bands=tuple(_bands(minima)),
        sketch=minima.astype(np.uint8).tobytes(),
    )


def word_hashes(tokens: Sequence[str]) -> Hashes:
    """Return a hash for each word; odd where it is no mere word: a number, a code."""
    return np.fromiter(map(_word_hash, tokens), np.uint64, len(tokens))


def runs(words: Hashes) -> Hashes:
    """Return a hash for each run of three words; the only one of fewer words is of them all."""
    length = min(RUN, len(words))
    if not length:
        return words
    count = len(words) - length + 1
    combined = np.zeros(count, np.uint64)
    for offset in range(length):
        combined = combined * _MULTIPLIER + words[offset : offset + count]
    return mix(combined)


def distinct(values: Hashes) -> Hashes:
    """Return the different values in order: np.unique hashes them, and takes ten times as long."""
    ordered = np.sort(values)
    first = np.ones(len(ordered), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return ordered[first]


def mix(values: Hashes) -> Hashes:
    """Return the values with every bit depending on every other (the finalizer of MurmurHash3)."""
    mixed = values ^ (values >> np.uint64(33))
    mixed *= np.uint64(0xFF51AFD7ED558CCD)
    mixed ^= mixed >> np.uint64(33)
    mixed *= np.uint64(0xC4CEB9FE1A85EC53)
    mixed ^= mixed >> np.uint64(33)
    return mixed


@lru_cache(1 << 17)
def _word_hash(word: str) -> int:
    value = xxhash.xxh3_64_intdigest(word.encode("utf-8", "surrogatepass"))
    return value & ~1 if word.isalpha() else value | 1


def _constants(count: int, seed: int) -> Hashes:
    return mix((np.arange(1, count + 1, dtype=np.uint64) + np.uint64(seed)) * _MULTIPLIER)


_FACTORS = _constants(MINIMA, 1 << 32) | np.uint64(1)
_ADDENDS = _constants(MINIMA, 2 << 32)
_BAND_SALTS = _constants(BANDS, SIGNATURE_VERSION << 32)


def _minima(hashes: Hashes) -> Hashes:
    """Return the least hash of all runs under each of 64 hash functions, 32 bits each."""
    least = np.full(MINIMA, np.iinfo(np.uint64).max, np.uint64)
    for first in range(0, len(hashes), BLOCK):
        hashed = hashes[first : first + BLOCK, None] * _FACTORS
        hashed += _ADDENDS
        np.minimum(least, hashed.min(axis=0), out=least)
    return least >> np.uint64(32)


def _bands(minima: Hashes) -> list[int]:
    rows = minima[: BANDS * ROWS].reshape(BANDS, ROWS)
    keys = mix((rows[:, 0] << np.uint64(32) | rows[:, 1]) ^ _BAND_SALTS) >> np.uint64(32)
    return keys.astype(np.uint32).view(np.int32).tolist()  # type: ignore[no-any-return]
