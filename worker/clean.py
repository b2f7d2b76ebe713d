"""The paragraphs an extractor took go in; the article's own, without what is around, come out.

By position and shape first: a phrase of the lexicon removes only a short line in the place that it
is known from, never a sentence of the body. Headings are marked with `## `.
"""

import re
from collections import Counter
from collections.abc import Iterable
from functools import cache

from services.shared import arabic
from worker import lexicon, titles

HEADING = "## "

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
_MIN_SENTENCE = 60
_MIN_PARAGRAPH = 80
_MIN_TITLE = 8
_TWICE = 2
_HEAD_LINES = 10
_MIN_LEFT = 2


def clean(lines: Iterable[str], page_titles: Iterable[str]) -> list[str]:
    """Return the body's paragraphs in order."""
    known = {loose for title in page_titles if len(loose := titles.loose(title)) > _MIN_TITLE}
    kept = [line for line in map(str.strip, lines) if line]
    kept = _without_foot(_without_section(_without_head(kept, known)))
    kept = [line for line in kept if not _starts(line, "line", _MAX_LINE)] or kept
    return _without_repeats(kept)


def _is_sentence(line: str) -> bool:
    return len(line) >= _MIN_SENTENCE and bool(_SENTENCE_END.search(line))


def _without_head(lines: list[str], known: set[str]) -> list[str]:
    """Cut the headline where it is repeated, and buttons, date and byline above the body."""
    for place, line in enumerate(lines[:_HEAD_LINES]):
        if len(lines) > place + 1 and titles.loose(line) in known:
            lines = lines[place + 1 :]
            break
        if _is_sentence(line):
            break
    first = next((i for i, line in enumerate(lines[:_HEAD_LINES]) if _is_sentence(line)), 0)
    kept = [line for line in lines[:first] if not _is_head(line, known)]
    return kept + lines[first:]


def _is_head(line: str, known: set[str]) -> bool:
    if len(line) > _MAX_HEAD:
        return False
    if len(line) < _MAX_BYLINE and (_DATE_LINE.match(line) or _BYLINE.match(line)):
        return True
    return titles.loose(line) in known or _starts(line, "head", _MAX_HEAD)


def _without_section(lines: list[str]) -> list[str]:
    """Cut what begins with the heading of other articles or comments.

    Up to the next long sentence: such a box also stands in the middle of a body.
    """
    kept, place = lines[:_MIN_LEFT], _MIN_LEFT
    while place < len(lines):
        if _starts(lines[place], "section", _MAX_SECTION) and not _is_sentence(lines[place]):
            place += 1
            while place < len(lines) and not _is_paragraph(lines[place]):
                place += 1
        else:
            kept.append(lines[place])
            place += 1
    return kept


def _is_paragraph(line: str) -> bool:
    return len(line) >= _MIN_PARAGRAPH and _is_sentence(line)


def _without_foot(lines: list[str]) -> list[str]:
    end = len(lines)
    while end > _MIN_LEFT and _is_foot(lines[end - 1]):
        end -= 1
    return lines[:end]


def _is_foot(line: str) -> bool:
    if line.startswith(HEADING) or _starts(line, "line", _MAX_LINE):
        return True
    if len(line) > _MAX_LINE:
        return False
    words = f" {' '.join(arabic.tokens(line))} "
    found = sum(f" {phrase}" in words for phrase in _phrases("tail"))
    # One such word may stand in a sentence of the body, two hardly.
    if found > (1 if _is_sentence(line) else 0):
        return True
    return len(line) < _MAX_DATE and bool(_DATE_LINE.match(line))


def _starts(line: str, place: str, longest: int) -> bool:
    if len(line) > longest:
        return False
    words = f"{' '.join(arabic.tokens(line))} "
    if not words.startswith(_phrases(place)):
        return False
    # A sentence may begin with one such word ("Advertisement revenue fell"), hardly with two.
    return not _is_sentence(line) or any(
        words.startswith(phrase) for phrase in _phrases(place) if " " in phrase.strip()
    )


@cache
def _phrases(place: str) -> tuple[str, ...]:
    """Return the phrases of all languages for one place, as the words of a line are written."""
    languages = lexicon.load("cleaning").values()
    phrases = {
        " ".join(arabic.tokens(phrase)) for words in languages for phrase in words.get(place, [])
    }
    end = "" if place == "tail" else " "
    return tuple(sorted(f"{phrase}{end}" for phrase in phrases))


def _without_repeats(lines: list[str]) -> list[str]:
    """Cut a sentence that stands twice; what stands more often is a refrain."""
    counts = Counter(map(titles.loose, filter(_is_sentence, lines)))
    seen: set[str] = set()
    kept = []
    for line in lines:
        loose = titles.loose(line)
        if counts[loose] == _TWICE and loose in seen:
            continue
        seen.add(loose)
        kept.append(line)
    return kept
