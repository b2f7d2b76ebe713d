"""An RSS feed of any version or an Atom feed goes in; its items are listed.

Read by local names: half of the feeds there are get their namespaces wrong.
"""

import re
from urllib.parse import urljoin

from lxml import etree

from crawler.discovery.documents import Document
from crawler.discovery.listed import Entry, Listed
from crawler.discovery.xml import elements, name_of

_ITEMS = frozenset({"item", "entry"})
_ATOM = ("http://www.w3.org/2005/Atom", "http://purl.org/atom/ns#", "atom", "atom10")
_MEDIA = ("http://search.yahoo.com/mrss/", "http://search.yahoo.com/mrss", "media")
_BASE = "{http://www.w3.org/XML/1998/namespace}base"
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_ABOUT = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}about"
_PUBLISHED = ("pubDate", "published", "issued", "created", "date")
_MODIFIED = ("updated", "modified")
_HINTS = ("ttl", "updatePeriod", "updateFrequency")
_PERIODS = {
    "hourly": 3600.0,
    "daily": 86_400.0,
    "weekly": 7 * 86_400.0,
    "monthly": 30 * 86_400.0,
    "yearly": 365 * 86_400.0,
}
#: Where an item's address can stand, the best first. `origLink` is what a feed service replaced.
_LINKS = ("origLink", "link", "alternate", "other alternate", "guid", "about")


def read(document: Document, listed: Listed) -> None:
    """List the items."""
    base: str | None = None
    for item in elements(document, _ITEMS, listed.problems):
        if base is None:
            base = _channel(item, listed)
        fields = _fields(item)
        listed.add_item(
            Entry(
                [fields.get(name) for name in _LINKS],
                base=_based(item, base),
                title=fields.get("title") or fields.get("media title"),
                published=next((fields[name] for name in _PUBLISHED if name in fields), None),
                modified=next((fields[name] for name in _MODIFIED if name in fields), None),
                guid=fields.get("id"),
            )
        )


def _channel(item: etree._Element, listed: Listed) -> str:
    """Note what stands above the first item; return the address that relative links begin at."""
    parent = item.getparent()
    if parent is None:
        return listed.url
    base = listed.url
    hints: dict[str, str] = {}
    channels = [
        child for child in parent.iterchildren("*") if name_of(child)[1] == "channel"
    ]  # RSS 1.0
    for child in (part for above in (*channels, parent) for part in above.iterchildren("*")):
        name, text = name_of(child)[1], (child.text or "").strip()
        if name == "title" and text:
            listed.title = listed.title or text
        elif name == "language" and text:
            listed.language = listed.language or text
        elif name in _HINTS and text:
            hints.setdefault(name, text)
        elif name == "link" and text:
            # RSS has no base, and its address is often another host's: that of a feed service.
            base = _joined(listed.url, text)
    listed.language = listed.language or parent.get(_LANGUAGE)
    listed.ttl_s = _seconds(hints.get("ttl"), 60)
    period_s = _PERIODS.get(hints.get("updatePeriod", "").lower())
    times = _seconds(hints.get("updateFrequency", "1"), 1)
    listed.every_s = period_s / times if period_s and times else None
    return base


def _seconds(written: str | None, unit_s: float) -> float | None:
    """Return a number of minutes or times as a positive one; None if it is none."""
    if written is None or not re.fullmatch(r"[0-9]{1,7}", written):
        return None
    return int(written) * unit_s or None


def _based(element: etree._Element, base: str) -> str:
    """Return the base that `xml:base` gives an element, from the document's root down."""
    bases = [place.get(_BASE) for place in (element, *element.iterancestors())]
    for written in reversed(bases):
        base = _joined(base, written) if written else base
    return base


def _joined(base: str, address: str) -> str:
    try:
        return urljoin(base, address.strip())
    except ValueError:
        return base


def _fields(item: etree._Element) -> dict[str, str]:
    """Return the texts of an item's children by name, the first of each."""
    own = name_of(item)[0]
    fields: dict[str, str] = {}
    about = item.get(_ABOUT)
    if about and about.startswith(("http://", "https://")):
        fields["about"] = about
    for child in item.iterchildren("*"):  # no entity, which has no text to ask for
        space, name = name_of(child)
        text = "".join(child.itertext()).strip()
        if name == "link":
            _add_link(child, text, fields)
        elif name == "title" and text:
            fields.setdefault("media title" if space in _MEDIA and space != own else name, text)
        elif name in ("guid", "id") and text and space in (own, "", *_ATOM):
            fields.setdefault("id", text)
            is_address = text.startswith(("http://", "https://"))
            if name == "guid" and is_address and child.get("isPermaLink") != "false":
                fields.setdefault("guid", text)
        elif text and name in (*_PUBLISHED, *_MODIFIED, "origLink"):
            fields.setdefault(name, text)
    return fields


def _add_link(link: etree._Element, text: str, fields: dict[str, str]) -> None:
    href = link.get("href")
    relation = (link.get("rel") or "alternate").lower().rpartition("/")[2]
    if text:
        fields.setdefault("link", text)
    elif href and relation == "alternate":
        is_page = "html" in (link.get("type") or "html")
        written = link.get(_BASE)
        href = _joined(written, href) if written else href
        fields.setdefault("alternate" if is_page else "other alternate", href)
