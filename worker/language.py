"""A text and what its page says go in; the language of the text comes out."""

import re
from collections.abc import Callable
from functools import cache

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
_MANY = 0.3
_SOME = 0.1


def warm() -> None:
    """Load the language model (about a second, 100 MB) before workers fork."""
    _classifier()


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
    code, _ = _classifier()(sample)
    stated = primary(declared)
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
