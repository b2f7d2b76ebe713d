"""One parsed page goes in; when it says it was published and modified comes out, with witnesses.

The order of the witnesses: JSON-LD, meta tags, microdata and <time>, the address, what stands
beside the headline. The running text is none, nor is a date in a list of other articles.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta, timezone

from worker.fields import dates, jsonld, shown
from worker.fields.page import Page
from worker.fields.reading import Dated, Reading
from worker.tree import squeeze, text_of

_PUBLISHED_META = re.compile(
    r"(?:^|[:._-])(?:article:|og:)?(?:published(?:_?time|_?date|-date)?|publi(?:sh|cation)[_-]?(?:date|time)"
    r"|pub-?date|date-?published|parsely-pub-date|issued|created|date|publishtime)$"
)
_NOT_PUBLISHED = re.compile("modif|updat|expir|birth|event|accept|retriev|revis|valid|copyright")
_MODIFIED_META = ("article:modified_time", "og:updated_time", "datemodified", "dcterms.modified")
_IN_ADDRESS = re.compile(
    r"[/_.-]((?:19|20)\d\d)[/_.-]?(0[1-9]|1[0-2]|(?<=/)[1-9](?=/))[/_.-]?"
    r"(0[1-9]|[12]\d|3[01]|(?<=/)[1-9](?=/))(?=[/_.-]|$)"
)
_COUNTRY = re.compile(r"https?://[^/:?#]+\.(?P<country>[a-z]{2})(?=[/:?#]|$)", re.IGNORECASE)
_MONTH_FIRST_IN = frozenset({"us", "ph"})
#: Two letters that are sold for what they spell, or where both orders are usual.
_NO_COUNTRY = re.compile("ai|ca|cc|co|eu|fm|gg|gl|im|io|is|la|ly|me|sh|so|to|tv|vc|ws|")
_MAX_PAGE, _MAX_SEEN, _MAX_MARKED = 200_000, 100, 10
_JUST_ABOVE = -5
_DAY = timedelta(days=1)
#: Offsets that are in use, nearest to UTC first: hours before and after.
_OFFSETS = tuple(timezone(timedelta(hours=sign * h)) for h in range(1, 11) for sign in (-1, 1))


@dataclass(frozen=True, slots=True)
class Dates:
    """When a page says it was published and modified, and what it wrote of it."""

    published: Dated | None = None
    modified: Dated | None = None
    #: The date as written; also where that names no day, such as an age or a day without its year.
    seen: str | None = None


def read(page: Page, reading: Reading) -> Dates:
    """Return what the page says of its dates; nothing where it says nothing."""
    stated = _first(_stated(page), reading)
    modified = _first(_modified(page), reading)
    in_address = _in_address(page.url, reading)
    if stated:
        stated = _in_order(stated, [in_address, modified], page, reading)
        return Dates(_on_the_day_of_address(stated, in_address, reading), modified, stated.seen)
    beside = shown.near(page, reading)
    found = _best(beside) or _only(shown.far(page, reading))
    if found:
        found = _in_order(found, [in_address, modified], page, reading)
    if in_address and found and not _same_day(found, in_address):
        found = in_address
    changed = _changed(beside)
    # A page that tells only when it was changed last does not say when it was published.
    published = found or in_address
    seen = published.seen if published else _unread(page)
    return Dates(published, modified or changed, seen)


def _unread(page: Page) -> str | None:
    """Return what the page has for a date and no day can be read from, or nothing."""
    stated = (squeeze(written)[:_MAX_SEEN] for _, written in _stated(page))
    return next((w for w in stated if re.search(r"\d", w)), None) or shown.undated(page)


def _in_order(found: Dated, others: list[Dated | None], page: Page, reading: Reading) -> Dated:
    """Return a date such as 3/4/2024 with day and month in the order that the page follows.

    That is the one that brings it to another date of the page; else the one that other dates in
    figures need; else the one of the country in the address; else that of the language.
    """
    if not dates.is_ambiguous(found.seen):
        return found
    readings = (replace(reading, month_first=order) for order in (False, True))
    both = [date for r in readings if (date := r.parse(found.witness, found.seen))]
    agreeing = [d for d in both if any(other and _same_day(d, other) for other in others)]
    if len(agreeing) == 1:
        return agreeing[0]
    order = dates.order(text_of(page.root)[:_MAX_PAGE])
    if order is None:
        order = _order_in_country(page.url)
    if order is None:
        return found
    return replace(reading, month_first=order).parse(found.witness, found.seen) or found


def _order_in_country(url: str | None) -> bool | None:
    match = _COUNTRY.match(url or "")
    country = match["country"].lower() if match else ""
    return None if _NO_COUNTRY.fullmatch(country) else country in _MONTH_FIRST_IN


def _same_day(first: Dated, second: Dated) -> bool:
    """Tell two dates that are the same, but for the zone."""
    return abs(first.instant.at.date() - second.instant.at.date()) <= _DAY


def _on_the_day_of_address(stated: Dated, in_address: Dated | None, reading: Reading) -> Dated:
    """Return the same instant in an offset that gives the day that the page's address has.

    Machines write UTC, in which an evening in America is the next day.
    """
    instant = stated.instant
    if in_address is None or instant.precision == "day" or instant.at.utcoffset():
        return stated
    day = in_address.instant.at.date()
    if abs(day - instant.at.date()) != _DAY:
        return stated
    for zone in filter(None, (reading.zone, *_OFFSETS)):
        local = instant.at.astimezone(zone)
        if local.date() == day:
            return replace(stated, instant=replace(instant, at=local))
    return stated


def _best(beside: list[shown.Shown]) -> Dated | None:
    return next((date.date for date in beside if date.kind != "modified"), None)


def _changed(beside: list[shown.Shown]) -> Dated | None:
    """Return when the page was changed last; high above the headline that is the site's clock."""
    changes = (date for date in beside if date.kind == "modified")
    return next((c.date for c in changes if c.distance and c.distance >= _JUST_ABOVE), None)


def _only(dates_shown: list[shown.Shown]) -> Dated | None:
    """Return the date far from the headline where all agree: others are of other articles."""
    for kinds in ({"published"}, {"published", ""}):
        found = [date.date for date in dates_shown if date.kind in kinds]
        if len({date.instant.at.date() for date in found}) == 1:
            return found[0]
    return None


def _modified(page: Page) -> Iterator[tuple[str, str]]:
    for node in page.data.articles:
        yield "json_ld", jsonld.text(node.get("dateModified"))
    for name in _MODIFIED_META:
        yield "meta", page.metas.get(name, "")


def _first(written: Iterator[tuple[str, str]], reading: Reading) -> Dated | None:
    found = (reading.parse(witness, value) for witness, value in written if value)
    return next((date for date in found if date), None)


def _stated(page: Page) -> Iterator[tuple[str, str]]:
    for node in page.data.articles:
        for name in ("datePublished", "dateCreated", "uploadDate"):
            yield "json_ld", jsonld.text(node.get(name))
    for name, value in page.metas.items():
        if _PUBLISHED_META.search(name) and not _NOT_PUBLISHED.search(name):
            yield "meta", value
    for element in page.marks.get("datePublished", [])[:_MAX_MARKED]:
        written = element.get("datetime") or element.get("content") or shown.short(element)
        yield "microdata", written


def _in_address(url: str | None, reading: Reading) -> Dated | None:
    match = _IN_ADDRESS.search(url or "")
    return reading.parse("url", "-".join(match.groups())) if match else None
