"""A text goes in; the same comes out, but no letter bears more marks than any script has.

To put a text into a normal form takes time that grows with the square of the marks on one letter:
a hundred thousand of them, which are 200 kB, take minutes.
"""

import re
import unicodedata
from functools import cache

#: As Unicode's stream-safe text format has it (UAX 15); no writing comes near.
MOST_MARKS = 30
#: Signs of Tibetan and of Japanese in half its width: marks only when they are taken apart.
_OF_MARKS = "\u0f73\u0f75\u0f81\uff9e\uff9f"
_FIRST, _LAST = 0x300, 0x1FFFF


def bounded(text: str) -> str:
    """Return the text without the marks that follow MOST_MARKS others."""
    if text.isascii():
        return text
    one, many = _patterns()
    # Of a run that is too long, one of each 31 characters is a part; few texts have a mark there.
    step = MOST_MARKS + 1
    found = (match.start() * step for match in one.finditer(text[::step]))
    if any(many.search(text, max(0, at - MOST_MARKS), at + step) for at in found):
        return many.sub(_kept, text)
    return text


def normalized(form: str, text: str) -> str:
    """Return the bounded text in a normal form of Unicode (NFC, NFKD ...), in bounded time."""
    return unicodedata.normalize(form, bounded(text))  # type: ignore[arg-type]


def _kept(match: re.Match[str]) -> str:
    return match[0][:MOST_MARKS]


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return what matches a mark, and too many of them."""
    ranges: list[list[int]] = []
    for code in range(_FIRST, _LAST + 1):
        if unicodedata.combining(chr(code)) or chr(code) in _OF_MARKS:
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    marks = "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)
    return re.compile(f"[{marks}]"), re.compile(f"[{marks}]{{{MOST_MARKS + 1},}}")
