"""A section page goes in; the articles it links to are listed, and its navigation is not.

By structure alone, never by the site's name. Each address is weighed by its path (a date, an id, a
slug of words), by the text that links to it (a headline is a sentence), and by its place (a
heading, a menu); then by its kin, for a site's articles have addresses of one shape.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from lxml import etree

from crawler.discovery import weights
from crawler.discovery.documents import Document
from crawler.discovery.listed import Entry, Listed
from services.shared import urls
from services.shared.errors import InvalidUrl

#: An address with this weight is an article's.
ENOUGH = 1.25
MOST_ANCHORS = 5000
#: Of the text of an anchor, so much is looked at.
MOST_TEXT = 400
#: So many elements above an anchor are asked for the time of the item they hold.
ITEM_HEIGHT = 4

_MENU_TAGS = {"nav", "footer", "menu"}
_MENU_ROLES = {"navigation", "menu", "menubar", "contentinfo", "banner", "search"}
_MENU = re.compile(
    r"(?:^|[-_\s])(?:nav\w*|menus?|submenu|megamenu|footer\w*|breadcrumbs?|pagination|pager|tags?"
    r"|share|social\w*|toolbar|topbar|langs?|languages?)(?:$|[-_\s])",
    re.IGNORECASE,
)
_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
#: Elements of an item: what is in them is no part of the page's own head.
_ITEMS = {"article", "li", "main"}


@dataclass
class Target:
    """One address that the page links to, and what all its anchors say of it."""

    url: str
    key: str
    text: str = ""
    heading: bool = False
    in_menu: bool = True
    bookmark: bool = False
    aside: bool = False
    time: str | None = None
    weight: float = 0.0
    blocks: set[str] = field(default_factory=set)


def read(document: Document, listed: Listed, elsewhere: frozenset[str]) -> None:
    """List the articles; `elsewhere` are the keys of links that other pages have, too."""
    root = tree_of(document.text)
    if root is None:
        listed.problems["unknown_format"] += 1
        return
    listed.language = root.get("lang") or root.get("{http://www.w3.org/XML/1998/namespace}lang")
    title = root.find(".//title")
    listed.title = title.text if title is not None else None
    targets = targets_of(root, listed.url)
    listed.page_keys = frozenset(targets)
    for target in articles(targets, listed.url, elsewhere):
        listed.add(Entry([target.url], title=target.text, published=target.time))


def tree_of(text: str) -> etree._Element | None:
    """Return the page as a tree, or None if nothing of it can be read."""
    parser = etree.HTMLParser(encoding="utf-8", no_network=True, huge_tree=False)
    try:
        root: etree._Element | None = etree.fromstring(text.encode("utf-8", "replace"), parser)
    except (etree.XMLSyntaxError, ValueError):
        return None
    return root


def articles(
    targets: Mapping[str, Target], url: str, elsewhere: frozenset[str]
) -> Iterator[Target]:
    """Yield what the page at `url` links to as articles, in its order."""
    here = urlsplit(url)
    shapes: dict[str, list[float]] = defaultdict(list)
    lengths: dict[str, list[float]] = defaultdict(list)
    for target in targets.values():
        for block in target.blocks:
            lengths[block].append(weights.length(target.text))
    for target in targets.values():
        target.weight = _own_weight(target, here.path) - 2.5 * (target.key in elsewhere)
        repeated = [lengths[block] for block in target.blocks if len(lengths[block]) >= 3]  # noqa: PLR2004
        if repeated:
            # Items of one list are alike: of headlines, or of names of sections.
            mean = max(sum(block) / len(block) for block in repeated)
            target.weight += 1.0 if mean >= 25 else -1.0 if mean < 14 else 0.0  # noqa: PLR2004
        shapes[weights.shape(target.url)].append(target.weight)
    for target in targets.values():
        kin = shapes[weights.shape(target.url)]
        common = sum(kin) / len(kin)
        share = 0.5 if len(kin) > 2 else 0.25  # noqa: PLR2004
        if (1 - share) * target.weight + share * common >= ENOUGH:
            yield target


def targets_of(root: etree._Element, url: str) -> dict[str, Target]:
    """Return the addresses within the site that the page links to, by their keys."""
    site, own = urls.site(url), urls.key(url)
    base = _base(root, url)
    menus: dict[etree._Element, bool] = {}
    targets: dict[str, Target] = {}
    for count, anchor in enumerate(root.iter("a")):
        if count >= MOST_ANCHORS:
            break
        href = (anchor.get("href") or "").strip()
        if not href or href.startswith(("#", "javascript:", "mailto:", "tel:")):
            continue
        try:
            address = urls.clean(urljoin(base, href[:4000]))
            key = urls.key(address)
            if urls.site(address) != site or key == own:
                continue
        except (InvalidUrl, ValueError):
            continue
        target = targets.setdefault(key, Target(address, key))
        _note(target, anchor, in_menu=_in_menu(anchor, menus))
    return targets


def _base(root: etree._Element, url: str) -> str:
    found = root.find(".//base[@href]")
    try:
        return url if found is None else urljoin(url, found.get("href", ""))
    except ValueError:
        return url


def _note(target: Target, anchor: etree._Element, *, in_menu: bool) -> None:
    text = " ".join(_text(anchor).split())
    if len(text) > len(target.text):
        target.text = text
    relations = (anchor.get("rel") or "").lower().split()
    target.bookmark |= "bookmark" in relations
    target.aside |= bool({"tag", "author", "category", "license", "next", "prev"} & set(relations))
    target.heading |= _in_heading(anchor)
    target.in_menu &= in_menu
    target.blocks.add(_block(anchor))
    if target.time is None:
        target.time = _time(anchor)


def _text(anchor: etree._Element) -> str:
    parts: list[str] = []
    length = 0
    for part in anchor.itertext():
        parts.append(part)
        length += len(part)
        if length > MOST_TEXT:
            break
    return " ".join(parts)[:MOST_TEXT]


def _in_heading(anchor: etree._Element) -> bool:
    above = anchor.getparent()
    for _ in range(3):
        if above is None:
            break
        if above.tag in _HEADINGS:
            return True
        above = above.getparent()
    return any(child.tag in _HEADINGS for child in list(anchor)[:20])


def _in_menu(element: etree._Element, menus: dict[etree._Element, bool]) -> bool:
    """Return whether an element above is a menu; each element is asked once."""
    path: list[etree._Element] = []
    place = element.getparent()
    while place is not None and place not in menus:
        path.append(place)
        place = place.getparent()
    known = menus[place] if place is not None else False
    for above in reversed(path):
        known = menus[above] = known or _is_menu(above)
    return known


def _is_menu(element: etree._Element) -> bool:
    tag = element.tag
    if tag in _MENU_TAGS or (element.get("role") or "").lower() in _MENU_ROLES:
        return True
    if tag in ("body", "html", "main", "article", "h1", "h2", "h3"):
        return False
    names = f"{element.get('class') or ''} {element.get('id') or ''}"
    return len(names) < 200 and bool(_MENU.search(names))  # noqa: PLR2004


def _block(anchor: etree._Element) -> str:
    """Return what a list's items have in common: the elements around the anchor, and classes."""
    parts = []
    place: etree._Element | None = anchor
    for _ in range(4):
        if place is None:
            break
        parts.append(f"{place.tag}.{(place.get('class') or '')[:60]}")
        place = place.getparent()
    return ">".join(parts)


def _time(anchor: etree._Element) -> str | None:
    """Return the time of the item that the anchor is in, if the item is told by its element."""
    place = anchor
    for _ in range(ITEM_HEIGHT):
        above = place.getparent()
        if above is None:
            return None
        place = above
        if place.tag in _ITEMS:
            break
    if place.tag not in ("article", "li"):
        return None
    times = [time.get("datetime") for time in place.iter("time")]
    return times[0] if len(times) == 1 else None


def _own_weight(target: Target, here: str) -> float:
    weight = weights.path(target.url, here) + weights.text(target.text)
    weight += 1.5 * target.heading + 1.5 * target.bookmark
    weight -= 2.5 * target.in_menu + 3.0 * target.aside
    return weight
