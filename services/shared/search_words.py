"""An article's words and their stems go in; the tsvector that Postgres would make of it comes out.

What a word is, Postgres' parser decides. Where a text has only letters of alphabets, digits and
signs between them, `arabic.split` finds the very same words. Texts of other characters (CJK, Indic
scripts), and those that the limits of a tsvector are near to, are left to Postgres. So each vector
is the one that the function rasid.search_vector makes of the stored article.
"""

import re
import struct
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain, islice

from services.shared import arabic
from services.shared.contracts import SearchWords

#: Below what a tsvector and the SQL function cut: letters of a text, of a title, of a word; words.
_MAX_TEXT, _MAX_TITLE, _MAX_WORD, _MAX_WORDS = 74_000, 5_000, 400, 16_000
#: Bytes of the places of a word: so many each part has at most, and one more both together.
_MAX_PLACES = 2 * 255
_TITLE = 0xC000  # weight A, which a title's words have
#: Stands between title and text in the SQL function, which takes it away again.
_BETWEEN = "x0between0x"


def _chosen(ranges: Iterable[tuple[int, int]], categories: Collection[str]) -> str:
    """Return the characters of these categories that normalising leaves whole."""
    return "".join(
        char
        for first, last in ranges
        for char in map(chr, range(first, last + 1))
        if unicodedata.category(char) in categories and unicodedata.is_normalized("NFKD", char)
    )


#: Of Latin, Greek, Cyrillic, Armenian, Hebrew and Arabic.
LETTERS = _chosen([(0x61, 0x7A), (0xDF, 0x6FF)], {"Ll", "Lo"}).replace("ı", "")
#: Signs and spaces, which part words.
SEPARATORS = _chosen(
    [(0x80, 0x6FF), (0x2000, 0x2FFF), (0x3001, 0x3003), (0xFFFC, 0xFFFD), (0x1F300, 0x1FAFF)],
    {"Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "Sc", "Sk", "Sm", "So", "Zl", "Zp", "Zs"},
)
_STRANGE = re.compile(f"[^\x01-\x40\x5b-\x7f{re.escape(LETTERS + SEPARATORS)}]")
# 1e5 is a number to Postgres, and 1e5a two words.
_EXPONENT = re.compile("[0-9]e[0-9]")


def of(title: str | None, text: str, normal: str, tokens: Sequence[str]) -> SearchWords | None:
    """Return the words, or None where Postgres has to find them.

    `normal` is `arabic.normalize(text)` and `tokens` are `arabic.split(normal)`.
    """
    title = title or ""
    if len(title) > _MAX_TITLE or len(text) > _MAX_TEXT or len(tokens) > _MAX_WORDS:
        return None
    # One way to write i; Turkish has two.
    head = arabic.normalize(title).replace("ı", "i")
    if "ı" in normal:
        normal = normal.replace("ı", "i")
        tokens = [token.replace("ı", "i") for token in tokens]
    if not (_is_plain(head) and _is_plain(normal)):
        return None
    return SearchWords(arabic.split(head), tokens)


def _is_plain(normal: str) -> bool:
    return (
        len(normal) <= _MAX_TEXT
        and not _STRANGE.search(normal)
        and not _EXPONENT.search(normal)
        and _BETWEEN not in normal
    )


def vector(
    words: SearchWords, stems: Mapping[str, Sequence[str]], language: str | None
) -> bytes | None:
    """Return the tsvector in Postgres' binary form, or None where its limits are near.

    `stems` are those of words in the article's language, where they differ from the word.
    """
    between = len(words.title) + 1
    if between + len(words.text) > _MAX_WORDS:
        return None
    title = _places(words.title, _TITLE_PLACES)
    text = _places(words.text, islice(_PLACES, between, None))
    if max(map(len, chain(title, text)), default=0) > _MAX_WORD:
        return None
    mark = f"={language}/"
    lexemes = text | _stemmed(text, stems, mark)
    for lexeme, places in (title | _stemmed(title, stems, mark)).items():
        lexemes[lexeme] = _first(places) + _first(lexemes.get(lexeme, b""))
    pieces = [struct.pack(">i", len(lexemes))]
    for lexeme, places in lexemes.items():
        size = len(places)
        if size <= _MAX_PLACES:
            pieces += (lexeme.encode(), _COUNTS[size // 2], places)
        else:
            # Of a title and a text together one more is kept than of a text alone.
            kept = _MAX_PLACES + 2 * (places[0] >= _TITLE >> 8)
            pieces += (lexeme.encode(), _COUNTS[kept // 2], places[:kept])
    return b"".join(pieces)


def _places(words: Iterable[str], numbers: Iterable[bytes]) -> dict[str, bytes]:
    """Return where each word stands."""
    places: dict[str, bytes] = {}
    for word, number in zip(words, numbers, strict=False):
        if word in places:
            places[word] += number
        else:
            places[word] = number
    return places


def _stemmed(
    places: Mapping[str, bytes], stems: Mapping[str, Sequence[str]], mark: str
) -> dict[str, bytes]:
    """Return where stems stand that are no words of the same part."""
    found: dict[str, bytes] = {}
    several = set()
    for word in places.keys() & stems.keys():
        for stem in stems[word]:
            if stem in found:
                found[stem] += places[word]
                several.add(stem)
            elif stem not in places:
                found[stem] = places[word]
    for stem in several:
        found[stem] = _in_order(found[stem])
    return {mark + stem: where for stem, where in found.items()}


def _first(places: bytes) -> bytes:
    return places[:_MAX_PLACES]


def _in_order(places: bytes) -> bytes:
    count = len(places) // 2
    return struct.pack(f">{count}H", *sorted(struct.unpack(f">{count}H", places)))


_PLACES = [struct.pack(">H", place) for place in range(1, _MAX_WORDS + 2)]
_TITLE_PLACES = [struct.pack(">H", _TITLE | place) for place in range(1, _MAX_TITLE + 2)]
#: After the zero that ends a word: how many places follow.
_COUNTS = [b"\0" + struct.pack(">H", count) for count in range(_MAX_PLACES // 2 + 2)]
