"""One parsed page goes in; when it says it was published and modified comes out, with witnesses.

The order of the witnesses: JSON-LD, meta tags, microdata and <time>, the address, what stands
beside the headline. The running text is none, nor is a date in a list of other articles.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import islice

from lxml.html import HtmlElement

from worker import dates, jsonld, places
from worker.tree import squeeze, text_of


@dataclass(frozen=True, slots=True)
class Dated:
    """An instant, the witness it is taken from, and how that wrote it."""

    instant: dates.Instant
    witness: str
    seen: str


@dataclass(frozen=True, slots=True)
class Reading:
    """How dates are to be read: zone and language for what leaves them open, and the latest."""

    zone: tzinfo | None = None
    language: str | None = None
    latest: datetime | None = None

    def parse(self, witness: str, written: str) -> Dated | None:
        """Return the date, unless it lies after the page was fetched."""
        instant = dates.parse(written, dates.zone_of_city(written) or self.zone, self.language)
        if instant is None or (self.latest and instant.at > self.latest + timedelta(days=1)):
            return None
        return Dated(instant, witness, squeeze(written))


_PUBLISHED_META = re.compile(
    r"(?:^|[:._-])(?:article:|og:)?(?:published(?:_?time|_?date|-date)?|publi(?:sh|cation)[_-]?(?:date|time)"
    r"|pub-?date|date-?published|parsely-pub-date|issued|created|date|publishtime)$"
)
_NOT_PUBLISHED = re.compile("modif|updat|expir|birth|event|accept|retriev|revis|valid|copyright")
_MODIFIED_META = ("article:modified_time", "og:updated_time", "datemodified", "dcterms.modified")
_MODIFIED_WORDS = re.compile(
    r"\b(?:updat|modifi|revis|edited|aktualis|mis à jour|mise à jour|actualiz|aggiornat|güncell"
    r"|обновл|изменен)|تحديث|عدل|به‌?روز|更新",
    re.IGNORECASE,
)
_IN_ADDRESS = re.compile(
    r"[/_.-]((?:19|20)\d\d)[/_.-]?(0[1-9]|1[0-2]|(?<=/)[1-9](?=/))[/_.-]?"
    r"(0[1-9]|[12]\d|3[01]|(?<=/)[1-9](?=/))(?=[/_.-]|$)"
)

_LABEL = re.compile(
    r"date|time(?!line|r|d?out)|publi|posted|created|entry-meta|post-meta|byline|fecha|datum|تاريخ",
    re.IGNORECASE,
)
_MAX_TEXT = 90
_NEAR_AFTER, _NEAR_BEFORE, _FAR = 60, 25, 100
_MAX_CANDIDATES = 40


def published(
    root: HtmlElement,
    nodes: list[jsonld.Node],
    metas: dict[str, str],
    url: str | None,
    reading: Reading,
) -> Dated | None:
    """Return the date of publication, or None where the page states none."""
    stated = _first(_stated(root, nodes, metas), reading)
    if stated:
        return stated
    headline = places.headline(root)
    marked = _first(_marked(root, headline), reading)
    if marked:
        return marked
    in_address = _in_address(url, reading)
    beside = _beside_headline(root, headline, reading)
    if in_address and beside:
        apart = abs(beside.instant.at.date() - in_address.instant.at.date())
        return beside if apart <= timedelta(days=1) else in_address
    return beside or in_address


def modified(nodes: list[jsonld.Node], metas: dict[str, str], reading: Reading) -> Dated | None:
    """Return the date of the last change, or None where the page states none."""
    written = [("json_ld", jsonld.text(node.get("dateModified"))) for node in nodes]
    written += [("meta", metas[name]) for name in _MODIFIED_META if name in metas]
    return _first(iter(written), reading)


def _first(written: Iterator[tuple[str, str]], reading: Reading) -> Dated | None:
    found = (reading.parse(witness, value) for witness, value in written if value)
    return next((date for date in found if date), None)


def _stated(
    root: HtmlElement, nodes: list[jsonld.Node], metas: dict[str, str]
) -> Iterator[tuple[str, str]]:
    for node in nodes:
        for name in ("datePublished", "dateCreated", "uploadDate"):
            yield "json_ld", jsonld.text(node.get(name))
    for name, value in metas.items():
        if _PUBLISHED_META.search(name) and not _NOT_PUBLISHED.search(name):
            yield "meta", value
    for element in root.iterfind(".//*[@itemprop='datePublished']"):
        yield "microdata", element.get("datetime") or element.get("content") or text_of(element)


def _marked(root: HtmlElement, headline: HtmlElement | None) -> Iterator[tuple[str, str]]:
    """Yield the dates in <time> elements that belong to the article."""
    around = places.around(headline)
    times = [
        e for e in islice(root.iter("time"), _MAX_CANDIDATES) if not places.is_elsewhere(e, around)
    ]
    times.sort(key=lambda element: element.get("pubdate") is None)
    for element in times:
        label = f"{element.get('class', '')} {element.get('itemprop', '')}"
        if not _MODIFIED_WORDS.search(label) and not _MODIFIED_WORDS.search(_before(element)):
            yield "visible", element.get("datetime") or text_of(element)


def _in_address(url: str | None, reading: Reading) -> Dated | None:
    match = _IN_ADDRESS.search(url or "")
    return reading.parse("url", "-".join(match.groups())) if match else None


def _beside_headline(
    root: HtmlElement, headline: HtmlElement | None, reading: Reading
) -> Dated | None:
    """Return the date in a short line near the headline, or in one that is labelled as a date."""
    around, candidates = places.around(headline), list(_short_texts(root, headline))
    headline_place = next((place for place, e, _ in candidates if e is headline), None)
    near: list[tuple[int, Dated]] = []
    far: list[Dated] = []
    for place, element, text in candidates:
        date = _standing_alone(element, text, around, reading)
        if date is None:
            continue
        labelled = bool(_LABEL.search(_labels(element)))
        distance = _FAR if headline_place is None else place - headline_place
        if -_NEAR_BEFORE <= distance <= _NEAR_AFTER:
            # Below the headline before above it, near before far, labelled before bare.
            above = 0 if distance >= 0 else _NEAR_AFTER
            near.append((abs(distance) + above + (0 if labelled else 10), date))
        elif labelled:
            far.append(date)
    if near:
        return min(near, key=lambda ranked: ranked[0])[1]
    # Several dates far from the headline are those of other articles.
    return far[0] if len({date.instant.at.date() for date in far}) == 1 else None


def _standing_alone(
    element: HtmlElement, text: str, around: set[HtmlElement], reading: Reading
) -> Dated | None:
    """Return the date of a line that is one, unless it is of a change or of something else."""
    if not dates.stands_alone(text) or _MODIFIED_WORDS.search(text + _before(element)):
        return None
    if places.is_elsewhere(element, around):
        return None
    return reading.parse("visible", text)


def _short_texts(
    root: HtmlElement, headline: HtmlElement | None
) -> Iterator[tuple[int, HtmlElement, str]]:
    """Yield place, element and text of what is short and holds a year, and of the headline."""
    found = 0
    for place, element in enumerate(root.iter()):
        if element is headline:
            yield place, element, ""
        if not isinstance(element.tag, str) or element.tag in places.ELSEWHERE_TAGS:
            continue
        if len(element) > 8 or not _has_digit(element):  # noqa: PLR2004
            continue
        text = text_of(element)
        if len(text) <= _MAX_TEXT and re.search(r"\d{4}", text):
            found += 1
            yield place, element, text
            if found >= _MAX_CANDIDATES:
                return


def _has_digit(element: HtmlElement) -> bool:
    own = [element.text or "", *(child.tail or "" for child in element)]
    return any(character.isdigit() for text in own for character in text[:_MAX_TEXT])


def _labels(element: HtmlElement) -> str:
    parent = element.getparent()
    own = f"{element.tag} {element.get('class', '')} {element.get('id', '')}"
    return own if parent is None else f"{own} {parent.get('class', '')} {parent.get('id', '')}"


def _before(element: HtmlElement) -> str:
    """Return the words just before an element: "Last updated:"."""
    previous = element.getprevious()
    parent = element.getparent()
    if previous is not None:
        return f"{text_of(previous)[-40:]} {previous.tail or ''}"
    return (parent.text or "") if parent is not None else ""
