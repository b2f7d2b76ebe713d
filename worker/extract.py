"""A raw page goes in; its text and fields, or the reason why it is no article, come out.

Pure: no file, no network, no clock.
"""

import dataclasses
import re
from datetime import datetime, timedelta
from typing import Any

from lxml.html import HtmlElement

from services.shared.contracts import Extraction, RawPage, Rejection
from services.shared.settings import MIB
from worker import body, clean, fields, language, rules, tree
from worker.body import comments, kinds, plain, refusals
from worker.decode import decode
from worker.fields import dates, places, titles
from worker.fields.page import Page
from worker.fields.page import read as read_page

_HTTP_ERROR = 400
_MIN_CHARACTERS = 120
#: trafilatura's time grows with the square of the paragraphs: here it takes seconds.
_MAX_TAGS, _MAX_ELEMENTS = 150_000, 40_000
#: The same for what stands in one line of text: each word in a tag of its own.
_MAX_INLINE = 15_000
_INLINE_TAGS = frozenset({"a", "b", "em", "font", "i", "img", "small", "span", "strong", "sub"}) | {
    *("sup", "tt", "u", "var", "kbd", "strike", "del", "code", "q"),
}
#: Of text: a long novel. What is longer is no article, and takes seconds.
_MAX_CHARACTERS = 2_000_000
#: Clocks differ, and so do notions of the zone: a date so far ahead of the fetch is still believed.
_AHEAD = timedelta(days=1)
_WIDEST_OFFSET, _QUARTER = timedelta(hours=14), timedelta(minutes=15)
_LONG_BLANK = re.compile(r"\s{20,}")
_TEXT_GENERATOR = '<meta name="generator" content="rasid-text">'


def warm() -> None:
    """Do once what is slow the first time, before workers fork."""
    language.warm()
    dates.warm()
    page = "<html><body><article>" + "<p>Some words of a paragraph.</p>" * 20 + "</article></body>"
    extract(RawPage(body=page.encode(), origin="warm"))


def extract(
    page: RawPage, max_body_bytes: int = 20 * MIB, judged: list[clean.Line] | None = None
) -> Extraction | Rejection:
    """Return what the page says, or why it is refused.

    `judged`, a list to be filled, is told the fate of every line that was taken for the body.
    """
    text = _text(page, max_body_bytes)
    if isinstance(text, Rejection):
        return text
    extraction = _read(text, page, [] if judged is None else judged)
    if isinstance(extraction, Rejection):
        return extraction
    refused = refusals.refuse(extraction.title, extraction.text) or _too_short(extraction)
    return _refused(refused, extraction) if refused else extraction


def _text(page: RawPage, max_body_bytes: int) -> str | Rejection:
    refused = _refuse(page, max_body_bytes)
    if refused:
        return refused
    decoded = decode(page.body, page.headers.get("content-type"))
    if isinstance(decoded, Rejection):
        return decoded
    if not decoded.text.strip():
        return Rejection(reason="empty_body", detail="white space only")
    if decoded.text.count("<") > _MAX_TAGS:
        return Rejection(reason="too_large", detail=f"more than {_MAX_TAGS} tags")
    return decoded.text


def _read(text: str, page: RawPage, judged: list[clean.Line]) -> Extraction | Rejection:
    if _is_plain(page, text):
        return _too_long() if len(text) > _MAX_CHARACTERS else _document(text.splitlines())
    root = tree.parse(text)
    if root is None:
        return Rejection(reason="no_text", detail="no element in it")
    if refused := _too_much(text, root):
        return refused
    if _was_text(text):
        return _document(_lines_in(root))
    bare = tree.is_bare(root) and not page.rules
    selected = rules.select(root, page.rules)
    parsed = read_page(root, page.url)
    extraction = _page(parsed, selected, text, page, judged)
    if bare:
        extraction = _bare(extraction, text)
    refused = _not_article(parsed, extraction)
    return _refused(refused, extraction) if refused else extraction


def _too_much(text: str, root: HtmlElement) -> Rejection | None:
    """Refuse what would take seconds; small pages are not even counted."""
    tags = text.count("<")
    if len(text) > _MAX_CHARACTERS and tree.is_longer(root, _MAX_CHARACTERS):
        return _too_long()
    if _was_text(text):
        return None
    if tags > _MAX_ELEMENTS and sum(1 for _ in root.iter()) > _MAX_ELEMENTS:
        return Rejection(reason="too_large", detail=f"more than {_MAX_ELEMENTS} elements")
    if tags > _MAX_INLINE and any(map(_is_crowded, root.iter())):
        return Rejection(reason="too_large", detail=f"more than {_MAX_INLINE} elements in one line")
    return None


def _is_crowded(element: HtmlElement) -> bool:
    inline = (child for child in element if child.tag in _INLINE_TAGS)
    return len(element) > _MAX_INLINE and sum(1 for _ in inline) > _MAX_INLINE


def _too_long() -> Rejection:
    return Rejection(reason="too_large", detail=f"more than {_MAX_CHARACTERS} characters of text")


def _refused(rejection: Rejection, extraction: Extraction) -> Rejection:
    """Return the rejection with what the source's rules missed: that may be its cause."""
    return dataclasses.replace(rejection, rules_missed=extraction.rules_missed)


def _not_article(parsed: Page, extraction: Extraction) -> Rejection | None:
    said = refusals.refuse(extraction.title, extraction.text)
    return said or kinds.refuse(parsed, extraction.text)


def _refuse(page: RawPage, max_body_bytes: int) -> Rejection | None:
    if page.status is not None and page.status >= _HTTP_ERROR:
        return Rejection(reason="http_error", detail=f"status {page.status}")
    if not page.body.strip():
        return Rejection(reason="empty_body", detail=f"{len(page.body)} bytes")
    if len(page.body) > max_body_bytes:
        return Rejection(reason="too_large", detail=f"{len(page.body)} bytes")
    return None


def _too_short(extraction: Extraction) -> Rejection | None:
    if not extraction.text:
        return Rejection(reason="no_text", detail="nothing reads as text")
    if len(extraction.text) < _MIN_CHARACTERS:
        return Rejection(reason="too_short", detail=f"{len(extraction.text)} characters")
    return None


# --- Text documents ---


def _is_plain(page: RawPage, text: str) -> bool:
    return page.headers.get("content-type", "").startswith("text/plain") and "</" not in text


def _was_text(text: str) -> bool:
    """Tell a text file that the importer made into a page."""
    return _TEXT_GENERATOR in text[:300]


def _lines_in(root: HtmlElement) -> list[str]:
    return [element.text or "" for element in root.iter("p")]


def _document(lines: list[str]) -> Extraction:
    # The patterns for lines look for white space; a megabyte of it would take them hours.
    found = plain.read([_LONG_BLANK.sub(" ", line) for line in lines])
    text = "\n\n".join(found.paragraphs)
    identified = language.identify(text or found.title or "", None)
    return Extraction(
        title=found.title,
        text=text,
        authors=found.authors,
        language=identified,
        published_at=found.published.at if found.published else None,
        published_at_precision=found.published.precision if found.published else None,
        published_at_seen=found.published_seen,
        site_name=found.site_name,
        section=found.section,
        dateline=found.dateline,
        captions=found.captions,
        comments=found.comments,
        witnesses={**found.witnesses, **({"language": "detected"} if identified else {})},
    )


def _bare(by_head: Extraction, text: str) -> Extraction:
    """Read a page without structure by its lines, and let its head add what they do not say."""
    by_lines = _document(tree.lines(text))
    if by_head.witnesses.get("title") == "json_ld" or len(by_lines.text) < len(by_head.text) / 2:
        return by_head
    stated = {
        field.name: getattr(by_lines, field.name) or getattr(by_head, field.name)
        for field in dataclasses.fields(Extraction)
    }
    witnesses = {**by_head.witnesses, **by_lines.witnesses}
    return Extraction(**{**stated, "witnesses": witnesses})


# --- Pages ---


def _page(
    parsed: Page, selected: rules.Selected, markup: str, page: RawPage, judged: list[clean.Line]
) -> Extraction:
    found = fields.read(parsed, page.fetched_at, page.time_zone)
    captions, said = places.captions(parsed.root, parsed.around), comments.read(parsed.root)
    lines = list(selected.lines) or body.lines(parsed, markup, found.description)
    known = (*found.titles, selected.title) if selected.title else found.titles
    fates = clean.judge(_without(lines, captions), known)
    judged += fates
    text = "\n\n".join(line.text for line in fates if line.cut is None)
    identified = language.identify(text or found.title or "", found.language)
    title, witnesses = found.title, dict(found.witnesses)
    if identified:
        witnesses["language"] = "detected"
    published = found.published.at if found.published else None
    precision = found.published.precision if found.published else None
    if title is None and page.feed_title:
        title, witnesses["title"] = page.feed_title, "feed"
    if page.feed_published_at and (
        published is None or _same_clock(published, page, witnesses["published_at"])
    ):
        published, precision, witnesses["published_at"] = page.feed_published_at, "second", "feed"
    extraction = Extraction(
        title=title,
        text=text,
        authors=found.authors,
        language=identified,
        published_at=published,
        published_at_precision=precision,
        published_at_seen=found.published_seen,
        modified_at=found.modified.at if found.modified else None,
        canonical_url=found.canonical_url,
        site_name=found.site_name,
        section=found.section,
        description=found.description,
        image_url=found.image_url,
        tags=found.tags,
        labels=found.labels,
        comments_count=found.comments_count,
        captions=captions,
        comments=said,
        witnesses=witnesses,
    )
    return _by_rules(extraction, selected, page) if page.rules else extraction


def _same_clock(shown: datetime, page: RawPage, witness: str) -> bool:
    """Tell a time that the page shows without its zone from the feed's time of the same moment.

    Both then are apart by the offset of a zone, which is a number of quarters of an hour.
    """
    if witness != "visible" or page.time_zone or page.feed_published_at is None:
        return False
    apart = abs(shown - page.feed_published_at.replace(second=0, microsecond=0))
    return apart <= _WIDEST_OFFSET and not apart % _QUARTER


def _by_rules(extraction: Extraction, selected: rules.Selected, page: RawPage) -> Extraction:
    """Let what the source's rules selected stand in place of what the page was found to say."""
    stated: dict[str, Any] = {"title": selected.title, "authors": selected.authors}
    zone = dates.zone_named(page.time_zone)
    date = dates.parse(selected.date, zone, extraction.language) if selected.date else None
    if date and not (page.fetched_at and date.at > page.fetched_at + _AHEAD):
        stated |= {"published_at": date.at, "published_at_precision": date.precision}
    stated = {name: value for name, value in stated.items() if value}
    ruled = stated.keys() - {"published_at_precision"}
    witnesses = {**extraction.witnesses, **dict.fromkeys(sorted(ruled), "rule")}
    # A date that cannot be read is as good as none.
    unread = ("date",) if selected.date and "published_at" not in stated else ()
    stated |= {"published_at_seen": selected.date} if "published_at" in stated else {}
    missed = (*selected.missed, *unread)
    return dataclasses.replace(extraction, **stated, witnesses=witnesses, rules_missed=missed)


def _without(lines: list[str], captions: tuple[str, ...]) -> list[str]:
    known = {titles.loose(caption) for caption in captions}
    return [line for line in lines if titles.loose(line) not in known] if known else lines
