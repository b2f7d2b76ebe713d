"""A text and what its page says go in; the language of the text comes out."""

import re
from collections.abc import Callable
from functools import cache

from worker import lexicon

_SAMPLE = 2000
# Letters that only one language of a script has tell it apart, in this order.
_ARABIC_SCRIPT = (
    ("ur", "ٹڈڑےں"),
    ("ps", "ټډړښځڅۍ"),
    ("ckb", "ێۆڕڵە"),
    ("ug", "ۇۈۋې"),
    ("fa", "پچژگکی"),
)
_SCRIPTS = (
    ("ar", re.compile("[\u0600-\u06ff]")),
    ("he", re.compile("[\u0590-\u05ff]")),
    ("ja", re.compile("[\u3040-\u30ff]")),
    ("ko", re.compile("[\uac00-\ud7af]")),
    ("zh", re.compile("[\u4e00-\u9fff]")),
    ("th", re.compile("[\u0e00-\u0e7f]")),
    ("el", re.compile("[\u0370-\u03ff]")),
    ("hy", re.compile("[\u0530-\u058f]")),
    ("ka", re.compile("[\u10a0-\u10ff]")),
)
_CONFIRMED = 0.15
_MACRO = {"nb": "no", "nn": "no", "bs": "hr"}
_WORD = re.compile(r"\w+")
_MANY = 0.3
_SOME = 0.1


def warm() -> None:
    """Load the language model (about a second, 100 MB) before workers fork."""
    _classifier()
    _stopwords()


def identify(text: str, declared: str | None) -> str | None:
    """Return the ISO 639 code of the text's language, or None for a text without letters.

    `declared` is what the page says, which is wrong on one page of thirty: it decides only between
    what the text leaves open.
    """
    sample = text[:_SAMPLE]
    letters = sum(map(str.isalpha, sample))
    if not letters:
        return None
    for language, script in _SCRIPTS:
        share = len(script.findall(sample)) / letters
        if share > (_SOME if language == "ja" else _MANY):
            return _of_arabic_script(sample, letters) if language == "ar" else language
    stated = primary(declared)
    if stated and _reads_as(sample, stated):
        return stated
    code, _ = _classifier()(sample)
    return stated if stated and _same(stated, code) else code


def primary(declared: str | None) -> str | None:
    """Return the language of a tag such as `ar-SY` or `en_US`."""
    match = re.match(r"\s*([A-Za-z]{2,3})(?:[-_]|\s*$|,)", declared or "")
    return match[1].lower() if match else None


def _of_arabic_script(sample: str, letters: int) -> str:
    for language, own in _ARABIC_SCRIPT:
        if sum(sample.count(letter) for letter in own) * 50 > letters:
            return language
    return "ar"


def _reads_as(sample: str, language: str) -> bool:
    """Tell whether the frequent words of a language confirm it: 2 ms cheaper than the model."""
    words = _WORD.findall(sample.casefold())
    own = _stopwords().get(_MACRO.get(language, language))
    if not own or not words:
        return False
    counts = {
        name: sum(map(frequent.__contains__, words)) for name, frequent in _stopwords().items()
    }
    count = sum(map(own.__contains__, words))
    return count >= len(words) * _CONFIRMED and count == max(counts.values())


@cache
def _stopwords() -> dict[str, frozenset[str]]:
    return {name: frozenset(words.split()) for name, words in lexicon.load("stopwords").items()}


def _same(one: str, other: str) -> bool:
    norwegian = {"no", "nb", "nn"}
    serbo_croatian = {"hr", "bs", "sr", "sh"}
    return one == other or any({one, other} <= group for group in (norwegian, serbo_croatian))


@cache
def _classifier() -> Callable[[str], tuple[str, float]]:
    # Loading takes a second: not before a text needs it.
    from py3langid.langid import classify  # noqa: PLC0415

    classify("warm")
    return classify  # type: ignore[no-any-return,unused-ignore]
