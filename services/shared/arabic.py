"""Text goes in; one spelling of it, or its words in that spelling, comes out.

For keys, fingerprints and search only, never for text that is shown. Made for Arabic, where one
word is written in many ways, and harmless for other scripts: case, accents and invisible
characters go, what tells words apart stays.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import accumulate

from services.shared import combining

#: A change to anything below changes stored fingerprints: count up, and recompute them.
VERSION = 1

# Signs that readers skip over: vowel marks and hamza seats of Arabic, points of Hebrew and Syriac,
# accents. The vowel signs of Indic scripts and Thai are letters to their readers, and stay.
_SKIPPED_SIGNS = (
    (0x0300, 0x036F),
    (0x0483, 0x0489),
    (0x0591, 0x05C7),
    (0x0610, 0x061A),
    (0x064B, 0x065F),
    (0x0670, 0x0670),
    (0x06D6, 0x06ED),
    (0x0711, 0x074A),
    (0x0898, 0x08FF),
    (0x1AB0, 0x1AFF),
    (0x1DC0, 0x1DFF),
    (0x20D0, 0x20FF),
    (0xFE00, 0xFE2F),
)
_TATWEEL = 0x0640
# NFKD has split off the hamza of alef, waw and ya already.
_LETTERS = {
    "ٱ": "ا",
    "ى": "ي",
    "ی": "ي",
    "ې": "ي",
    "ێ": "ي",
    "ے": "ي",
    "ک": "ك",
    "ڪ": "ك",
    "ة": "ه",
    "ۃ": "ه",
    "ہ": "ه",
    "ھ": "ه",
    "ە": "ه",
    "ڤ": "ف",
    "ڨ": "ق",
}
# Two usual spellings of one stem, after the folding above.
_STEMS = (
    ("امريك", "اميرك"),
    ("انكليز", "انجليز"),
    ("انكلترا", "انجلترا"),
    ("اوروب", "اورب"),
    ("ديموقراط", "ديمقراط"),
    ("تليفزيون", "تلفزيون"),
    ("مسيول", "مسوول"),
)

#: All alphabets, and the invisible tags.
_CODES = (*range(0x20000), *range(0xE0000, 0xE1000))


def _table() -> dict[int, int | str | None]:
    # Every character of the alphabets is in the table: a look-up that fails costs ten times more.
    table: dict[int, int | str | None] = {code: code for code in range(0x3000)}
    for code in _CODES:
        category = unicodedata.category(chr(code))
        if category == "Nd":
            table[code] = str(unicodedata.digit(chr(code)))
        elif category == "Cf":
            table[code] = None
    for first, last in _SKIPPED_SIGNS:
        for code in range(first, last + 1):
            if unicodedata.category(chr(code)) in {"Mn", "Me"}:
                table[code] = None
    table[_TATWEEL] = None
    table.update({ord(letter): folded for letter, folded in _LETTERS.items()})
    return table


_FOLD = _table()
_DIGITS = {code: to for code, to in _FOLD.items() if isinstance(to, str) and to.isdigit()}
_IN_NUMBER = re.compile(r"(?<=[0-9])[.,\u066b\u066c](?=[0-9])")
# Scripts without spaces between words count by character; Indic signs belong to their word.
_TOKEN = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"
    r"|(?:[^\W_\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"
    "|[\u0900-\u0903\u093a-\u0963\u0980-\u0dff])+"
)


def digits(text: str) -> str:
    """Return `text` with the digits of all scripts as 0-9, and nothing else changed."""
    return text if text.isascii() else text.translate(_DIGITS)


def normalize(text: str) -> str:
    """Return `text` in one spelling; white space and punctuation stay. Idempotent."""
    if text.isascii():
        return _IN_NUMBER.sub("", text.casefold())
    text = combining.normalized("NFKD", text).casefold()
    text = unicodedata.normalize("NFC", text.translate(_FOLD))
    for variant, usual in _STEMS:
        text = text.replace(variant, usual)
    return _IN_NUMBER.sub("", text)


def tokens(text: str) -> list[str]:
    """Return the words of `text` in order, normalised; a CJK or Thai character is a word."""
    return split(normalize(text))


def split(normal: str) -> list[str]:
    """Return the words of a text that is normalised already."""
    return _TOKEN.findall(normal)


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a text as `tokens` returns them, and where each stands in the text.

    `text[starts[i]:ends[i]]` is word i as it is written, marks and tatweel included. A character
    that stands for several words (ﷺ) is the place of each of them.
    """

    tokens: list[str]
    starts: list[int]
    ends: list[int]


def words(text: str) -> Words:
    """Return the words of `text` with their places; slower than `tokens` alone."""
    pieces = _pieces().findall(text)
    folded = list(map(_fold_piece, pieces))
    ends = list(accumulate(map(len, pieces)))
    joined = "".join(folded)
    # For each character of `joined`, the piece it came from.
    owners = [number for number, piece in enumerate(folded) for _ in piece]
    if separators := {match.start() for match in _IN_NUMBER.finditer(joined)}:
        joined = "".join(c for i, c in enumerate(joined) if i not in separators)
        owners = [owner for i, owner in enumerate(owners) if i not in separators]
    found = Words([], [], [])
    stems = [pair for pair in _STEMS if pair[0] in joined]
    for match in _TOKEN.finditer(joined):
        first, last = owners[match.start()], owners[match.end() - 1]
        word = match.group()
        for variant, usual in stems:
            word = word.replace(variant, usual)
        found.tokens.append(word)
        found.starts.append(ends[first] - len(pieces[first]))
        found.ends.append(ends[last])
    return found


@cache
def _pieces() -> re.Pattern[str]:
    """Return what matches a character and all after it that are not normalised apart from it.

    Those are signs that are reordered or skipped, and what composes with a character before it. So
    a text normalised is its pieces normalised, one after the other.
    """
    composing = {*map(chr, range(0x1161, 0x1176)), *map(chr, range(0x11A8, 0x11C3))}
    for code in _CODES:
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):  # noqa: PLR2004 - a pair
            composing.add(chr(int(parts[1], 16)))
    attached = []
    for char in map(chr, _CODES):
        decomposed = unicodedata.normalize("NFKD", char)
        folded = decomposed.casefold().translate(_FOLD)
        if not folded or unicodedata.combining(decomposed[0]) or folded[0] in composing:
            attached.append(char)
    return re.compile(f"(?s:.)[{re.escape(''.join(attached))}]*")


@lru_cache(1 << 14)
def _fold_piece(piece: str) -> str:
    decomposed = combining.normalized("NFKD", piece).casefold()
    return unicodedata.normalize("NFC", decomposed.translate(_FOLD))
