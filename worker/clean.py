"""The paragraphs an extractor took go in; the article's own, without what is around, come out.

By position and shape first: a phrase of the lexicon removes only a short line in the place that it
is known from, never a sentence of the body. Headings are marked with `## `.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal

from services.shared import arabic
from worker import lexicon
from worker.fields import titles
from worker.tree import HEADING

_DATE = (
    r"(?:\d{1,2}[:h]\d{2}|\d{4}[-/.年]\s?\d{1,2}"
    r"|\d{1,2}[./-]\s?\d{1,2}[./-]\s?\d{2,4}|(?:19|20)\d\d)"
)
_DATE_LINE = re.compile(rf"^.{{0,45}}{_DATE}.{{0,30}}$")
_BYLINE = re.compile(
    r"^\W*(?:by|von|par|por|di|av|af|door|autor(?:in)?|text|kirjoittaja|przez|كتبت?|بقلم|إعداد|حوار"
    r"|نوشته|記者)\s*:?\s.{2,60}$",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?؟…。！？۔:؛;][\"'”’»)\]]*$|[\"”’»)]\s*[.。۔]$")
_MAX_LINE, _MAX_HEAD, _MAX_SECTION, _MAX_BYLINE, _MAX_DATE = 220, 120, 70, 90, 60
_MAX_NOTICE, _MAX_RIGHTS = 400, 100
_MENU = re.compile(r"(?:[^|]+\|){3}")
_MIN_SENTENCE = 60
_MIN_PARAGRAPH = 80
_MIN_TITLE = 8
_TWICE = 2
_HEAD_LINES = 10
_MIN_LEFT = 2


#: Why a line is cut, by what it is or where it stands.
Reason = Literal[
    "title",  # the headline again
    "above_title",
    "byline",
    "date",
    "head",  # a phrase of the lexicon above the body
    "section",  # the heading of other articles or comments, and what follows it
    "tail",  # phrases of the lexicon, a menu or a heading, below the body
    "line",  # a phrase of the lexicon that is cut anywhere
    "repeat",
]
Cuts = dict[int, Reason]


@dataclass(frozen=True, slots=True)
class Line:
    """A line that an extractor took, and why it is not the article's; None where it is."""

    text: str
    cut: Reason | None = None


def clean(lines: Iterable[str], page_titles: Iterable[str]) -> list[str]:
    """Return the body's paragraphs in order."""
    return [line.text for line in judge(lines, page_titles) if line.cut is None]


def judge(lines: Iterable[str], page_titles: Iterable[str]) -> list[Line]:
    """Return every line that is not empty, in order, with its fate."""
    known = {loose for title in page_titles if len(loose := titles.loose(title)) > _MIN_TITLE}
    texts = [line for line in map(str.strip, lines) if line]
    cuts: Cuts = {}
    for find in (_titles, _head, _section, _foot, _anywhere, _repeats):
        left = [place for place in range(len(texts)) if place not in cuts]
        found = find([texts[place] for place in left], known)
        cuts |= {left[place]: reason for place, reason in found.items()}
    return [Line(text, cuts.get(place)) for place, text in enumerate(texts)]


def _is_sentence(line: str) -> bool:
    return len(line) >= _MIN_SENTENCE and bool(_SENTENCE_END.search(line))


# --- The steps: each finds what to cut in the lines that the steps before it left ---


def _titles(lines: list[str], known: set[str]) -> Cuts:
    """Find the headline where it is repeated, and what stands above it."""
    for place, line in enumerate(lines[:_HEAD_LINES]):
        if len(lines) > place + 1 and titles.loose(line) in known:
            return {**dict.fromkeys(range(place), "above_title"), place: "title"}
        if _is_sentence(line):
            break
    return {}


def _head(lines: list[str], known: set[str]) -> Cuts:
    """Find buttons, date and byline above the body."""
    first = next((i for i, line in enumerate(lines[:_HEAD_LINES]) if _is_sentence(line)), 0)
    found = {place: _head_reason(line, known) for place, line in enumerate(lines[:first])}
    return {place: reason for place, reason in found.items() if reason}


def _head_reason(line: str, known: set[str]) -> Reason | None:
    if len(line) > _MAX_HEAD:
        return None
    if len(line) < _MAX_BYLINE and _DATE_LINE.match(line):
        return "date"
    if len(line) < _MAX_BYLINE and _BYLINE.match(line):
        return "byline"
    if titles.loose(line) in known:
        return "title"
    return "head" if _starts(line, "head", _MAX_HEAD) else None


def _section(lines: list[str], _: set[str]) -> Cuts:
    """Find what begins with the heading of other articles or comments.

    Up to the next long sentence: such a box also stands in the middle of a body.
    """
    found: Cuts = {}
    inside = False
    for place, line in enumerate(lines[_MIN_LEFT:], _MIN_LEFT):
        opens = _starts(line, "section", _MAX_SECTION) and not _is_sentence(line)
        inside = opens or (inside and not _is_paragraph(line))
        if inside:
            found[place] = "section"
    return found


def _is_paragraph(line: str) -> bool:
    return len(line) >= _MIN_PARAGRAPH and _is_sentence(line)


def _foot(lines: list[str], _: set[str]) -> Cuts:
    found: Cuts = {}
    for place in range(len(lines) - 1, _MIN_LEFT - 1, -1):
        reason = _foot_reason(lines[place])
        if reason is None:
            break
        found[place] = reason
    return found


def _foot_reason(line: str) -> Reason | None:
    if line.startswith(HEADING):
        return "tail"
    if _starts(line, "line", _MAX_LINE):
        return "line"
    if _is_notice(line):
        return "tail"
    return "date" if len(line) < _MAX_DATE and _DATE_LINE.match(line) else None


def _is_notice(line: str) -> bool:
    """Tell a menu in one line, who owns the page, and what the lexicon knows."""
    if len(line) > _MAX_NOTICE:
        return False
    if line.startswith("©") and len(line) <= _MAX_RIGHTS:
        return True
    if _MENU.match(line) and not _is_sentence(line):
        return True
    words = f" {_words(line)}"
    phrases = sum(f" {phrase}" in words for phrase in _phrases("tail"))
    # One such word may stand in a sentence of the body, two hardly, three only in a long notice.
    allowed = 2 if len(line) > _MAX_LINE else 1 if _is_sentence(line) else 0
    return phrases > allowed


def _anywhere(lines: list[str], _: set[str]) -> Cuts:
    found = [place for place, line in enumerate(lines) if _starts(line, "line", _MAX_LINE)]
    # A page of nothing but such lines is one that the lexicon misreads.
    return dict.fromkeys(found, "line") if len(found) < len(lines) else {}


def _repeats(lines: list[str], _: set[str]) -> Cuts:
    """Find a sentence that stands twice; what stands more often is a refrain."""
    counts = Counter(map(titles.loose, filter(_is_sentence, lines)))
    seen: set[str] = set()
    found: Cuts = {}
    for place, line in enumerate(lines):
        loose = titles.loose(line)
        if counts[loose] == _TWICE and loose in seen:
            found[place] = "repeat"
        seen.add(loose)
    return found


# --- Shapes and phrases ---


def _starts(line: str, place: str, longest: int) -> bool:
    if len(line) > longest:
        return False
    words = _words(line)
    if not words.startswith(_phrases(place)):
        return False
    # A sentence may begin with one such word ("Advertisement revenue fell"), hardly with two.
    return not _is_sentence(line) or any(
        words.startswith(phrase) for phrase in _phrases(place) if " " in phrase.strip()
    )


@lru_cache(maxsize=1024)  # a line is asked about for each place
def _words(line: str) -> str:
    """Return the words of a line as those of the lexicon are written, with a space at the end."""
    return f"{' '.join(arabic.tokens(line))} "


@cache
def _phrases(place: str) -> tuple[str, ...]:
    """Return the phrases of all languages for one place, as the words of a line are written."""
    languages = lexicon.load("cleaning").values()
    phrases = {
        " ".join(arabic.tokens(phrase)) for words in languages for phrase in words.get(place, [])
    }
    end = "" if place == "tail" else " "
    return tuple(sorted(f"{phrase}{end}" for phrase in phrases))
