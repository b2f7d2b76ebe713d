"""One parsed page goes in; the dates that it shows its readers as the article's come out.

Dates stand beside the headline, or in an element that is marked as a date. A date in a sentence of
the text, in a list of other articles or in the page's chrome is none of these.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Literal

from lxml.html import HtmlElement

from worker.fields import dates, places
from worker.fields.page import Page
from worker.fields.reading import Dated, Reading
from worker.tree import squeeze

Kind = Literal["published", "modified", ""]


@dataclass(frozen=True, slots=True)
class Shown:
    """A date that readers see: what it is called, and how far from the headline it stands.

    `distance` counts elements in document order, negative above the headline; None is far away.
    """

    date: Dated
    kind: Kind
    distance: int | None
    #: The element is for dates: <time>, or one whose class or id says so.
    is_marked: bool

    @property
    def rank(self) -> int:
        """Return how little it looks like the date of the article: below, near, marked is best."""
        distance = _FAR if self.distance is None else self.distance
        above = 0 if distance >= 0 else _NEAR_AFTER
        return abs(distance) + above + (0 if self.is_marked or self.kind else _UNMARKED)


_WORDS = re.compile(
    r"(?P<modified>\b(?:last\s+)?(?:updat|modifi|revis|edited|amended|changed\b|reviewed\b)\w*"
    r"|\b(?:aktualis|geändert|bearbeitet|stand:|mis(?:e)?\s+à\s+jour|actualiz|aggiornat|güncell"
    r"|bijgewerkt|uppdatera|oppdater|opdater|päivitet|zaktualiz|frissít|обновл|изменен|оновлен)\w*"
    r"|تحديث|عدل|تعديل|به‌?روز|ویرایش|更新|עודכן|עדכון)"
    r"|(?P<published>\b(?:publish|posted\b|created\b|veröffentlicht|publié|publicad|pubblicat"
    r"|gepubliceerd|publicerad|publisert|yayın|опубликован|опубліковано)\w*"
    r"|نشر|تاريخ|انتشار|発表|发布|發布|公開|פורסם)",
    re.IGNORECASE,
)
_MARKED = re.compile(
    r"date(?!lin)|time(?!line|r|d?out)|publi|posted|created|entry-meta|post-meta|byline|fecha|datum|تاريخ",
    re.IGNORECASE,
)
#: An instant that scripts of the page show in the reader's own zone: seconds or milliseconds.
_INSTANT = re.compile(r"data-(?:unix-?)?(?:time|timestamp|utime)", re.ASCII)
_SECONDS = re.compile(r"(1\d{9})(?:\d{3})?", re.ASCII)
#: What an element is called that shows it.
_SHOWS = re.compile(
    r"(?<![a-z])(?:_?time-?stamp|time-?ago|ago|moment|(?:pub\w*-?)?date(?:time)?)(?![a-z])",
    re.IGNORECASE,
)
_DIGIT = re.compile(r"\d")
_FOUR_DIGITS = re.compile(r"\d{4}")
#: From one day to another: how long something went on.
_SPAN = re.compile(r"(?:19|20)\d\d[-/.]\d\d?[-/.]\d\d?\s*(?:[-–—]|to)\s*(?:19|20)\d\d[-/.]\d")
_MAX_TEXT, _MAX_CHILDREN, _MAX_BEFORE = 120, 8, 40
_NEAR_AFTER, _NEAR_BEFORE, _FAR, _UNMARKED = 60, 25, 100, 10
_MAX_CANDIDATES, _MAX_LIKELY = 40, 200


def near(page: Page, reading: Reading) -> list[Shown]:
    """Return the dates that stand beside the headline, the likeliest first."""
    if page.headline is None:
        return []
    after = enumerate(islice(_following(page.headline), _NEAR_AFTER), 1)
    before = enumerate(islice(_preceding(page.headline), _NEAR_BEFORE), 1)
    found = [shown for d, e in after for shown in _shown(e, d, page.around, reading)]
    found += [shown for d, e in before for shown in _shown(e, -d, page.around, reading)]
    return sorted(found, key=lambda shown: shown.rank)


def far(page: Page, reading: Reading) -> list[Shown]:
    """Return the dates anywhere on the page, in its order.

    Where there is a headline for others to stand beside, only those in marked elements.
    """
    likely = islice((e for e in page.root.iter() if _may_be(e)), _MAX_LIKELY)
    found = islice(
        (s for e in likely for s in _shown(e, None, page.around, reading)), _MAX_CANDIDATES
    )
    return [shown for shown in found if page.headline is None or shown.is_marked]


def undated(page: Page) -> str | None:
    """Return what stands below the headline instead of a date ("منذ 3 ساعات"), or nothing."""
    if page.headline is None:
        return None
    for element in islice(_following(page.headline), _NEAR_BEFORE):
        if not isinstance(element.tag, str) or element.tag in places.ELSEWHERE_TAGS:
            continue
        text = short(element)
        if 0 < len(text) <= _MAX_BEFORE and dates.is_undated(text):
            return None if _is_elsewhere(element, page.around, 1) else text
    return None


def short(element: HtmlElement) -> str:
    """Return the text of an element on one line, or nothing where it is too long for a date."""
    pieces: list[str] = []
    length = 0
    for piece in islice(element.itertext(), _MAX_TEXT):
        bare = squeeze(piece[: 2 * _MAX_TEXT])
        length += len(bare) + bool(bare)
        if length > _MAX_TEXT + 1:
            return ""
        pieces.append(bare)
    return squeeze(" ".join(pieces))


def _shown(
    element: HtmlElement, distance: int | None, around: set[HtmlElement], reading: Reading
) -> Iterator[Shown]:
    if not _may_be(element):
        return
    is_marked = element.tag == "time" or bool(_MARKED.search(_labels(element)))
    for kind, written in _written(element):
        if not dates.stands_alone(written, reading.language):
            continue
        if _is_elsewhere(element, around, distance):
            return
        date = reading.parse("visible", written)
        if date:
            yield Shown(date, kind, distance, is_marked)


def _may_be(element: HtmlElement) -> bool:
    """Tell an element that can hold a date by itself, at little cost."""
    if not isinstance(element.tag, str) or element.tag in places.ELSEWHERE_TAGS:
        return False
    if element.tag == "time" or _by_machine(element):
        return True
    few = len(element) <= _MAX_CHILDREN and _has_digit(element)
    return few and bool(_FOUR_DIGITS.search(short(element)))


def _has_digit(element: HtmlElement) -> bool:
    if element.text and _DIGIT.search(element.text, 0, _MAX_TEXT):
        return True
    return any(child.tail and _DIGIT.search(child.tail, 0, _MAX_TEXT) for child in element)


def _written(element: HtmlElement) -> Iterator[tuple[Kind, str]]:
    """Yield each date in the element as it is written, with what it is called."""
    text = short(element)
    machine = element.get("datetime") if element.tag == "time" else None
    machine = machine or _by_machine(element)
    classes = _apart(f"{element.get('class', '')} {_box(element).get('class', '')}")
    label = f"{_before(element)} {classes} {element.get('itemprop', '')}"
    if machine and dates.parse(machine):
        yield _kind(f"{label} {text}"), machine
        return
    # What a date with a colon after it heads is not the article.
    if _FOUR_DIGITS.search(text) and not text.endswith(":") and not _SPAN.search(text):
        yield from _labelled(text, _kind(label))


def _by_machine(element: HtmlElement) -> str:
    """Return the instant in an attribute of an element that shows a date, as a date is written.

    Clocks, countdowns, players and whole pages have such attributes as well.
    """
    for name, value in element.attrib.items():
        if _INSTANT.fullmatch(name) and (match := _SECONDS.fullmatch(value)):
            text = squeeze(element.text)
            own = f"{element.get('class', '')} {element.get('id', '')}"
            shows = _SHOWS.search(own) or dates.is_undated(text)
            if len(element) or len(text) > _MAX_BEFORE or not shows or dates.parse(text):
                return ""
            return datetime.fromtimestamp(int(match[1]), UTC).isoformat()
    return ""


def _labelled(text: str, kind: Kind) -> Iterator[tuple[Kind, str]]:
    """Yield the parts of a line at its labels: "3 March 2021, updated 5 March 2021"."""
    marks = list(_WORDS.finditer(text))
    ends = [mark.start() for mark in marks] + [len(text)]
    parts = [text[mark.start() : end] for mark, end in zip(marks, ends[1:], strict=True)]
    if len(marks) == 1 and not dates.parse(parts[0]):
        if any(map(str.isdigit, parts[0])):
            return  # "3 March 2021, last update 13:00" is the clock of the site
        kind, parts = _kind(parts[0]), []  # the label stands after the date
    yield kind, text[: ends[0]]
    for part in parts:
        yield _kind(part), part


def _kind(label: str) -> Kind:
    match = _WORDS.search(label)
    if match is None:
        return ""
    return "modified" if match["modified"] else "published"


def _is_elsewhere(element: HtmlElement, around: set[HtmlElement], distance: int | None) -> bool:
    """Tell a date of something else. An article's own footer can stand right below its headline."""
    if distance is not None and 0 < distance <= _NEAR_BEFORE:
        footers = element.iterancestors("footer")
        around = around | {f for f in footers if next(f.iterancestors("article"), None) is not None}
    return places.is_elsewhere(element, around)


def _labels(element: HtmlElement) -> str:
    parent = element.getparent()
    own = f"{element.get('class', '')} {element.get('id', '')}"
    return own if parent is None else f"{own} {parent.get('class', '')} {parent.get('id', '')}"


def _box(element: HtmlElement) -> HtmlElement:
    """Return the box that holds this element alone, else the element itself."""
    parent = element.getparent()
    if parent is None or len(parent) > 1 or squeeze(parent.text) or squeeze(element.tail):
        return element
    return parent


def _apart(names: str) -> str:
    """Return the words of classes: "field--name-changed", "post__updatedAt"."""
    return " ".join(re.findall("[a-z]+|[A-Z][a-z]+", names))


def _before(element: HtmlElement) -> str:
    """Return the words just before an element ("Last updated:"), after any number there."""
    previous, parent = element.getprevious(), element.getparent()
    if previous is not None:
        words = f"{short(previous)} {previous.tail or ''}"
    elif parent is not None and _box(element) is parent:
        before = parent.getprevious()
        words = "" if before is None else squeeze(f"{short(before)} {before.tail or ''}")
        words = words if words.endswith(":") else ""
    else:
        words = (parent.text or "") if parent is not None else ""
    return re.split(r"\d", words[-_MAX_BEFORE:])[-1]


def _following(element: HtmlElement) -> Iterator[HtmlElement]:
    """Yield the elements after this one's start in document order."""
    while True:
        following = element[0] if len(element) else element.getnext()
        while following is None:
            element = element.getparent()
            if element is None:
                return
            following = element.getnext()
        element = following
        yield element


def _preceding(element: HtmlElement) -> Iterator[HtmlElement]:
    """Yield the elements before this one in document order, the nearest first."""
    while True:
        previous = element.getprevious()
        if previous is None:
            previous = element.getparent()
        else:
            while len(previous):
                previous = previous[-1]
        if previous is None:
            return
        element = previous
        yield element
