"""One parsed page goes in; what it says about the article comes out, each with its witness.

Site name, section, tags, picture, description and canonical address. The order of the witnesses:
JSON-LD and meta tags, microdata, what readers see.
"""

import html
import re
from collections.abc import Iterator
from itertools import islice
from urllib.parse import urljoin

from lxml import etree
from lxml.html import HtmlElement

from worker import tree
from worker.fields import jsonld, labels, marks, titles
from worker.fields.page import Page
from worker.tree import squeeze, text_of

Witnessed = tuple[str, str]  # witness, value

_TAG_METAS = ("article:tag", "og:article:tag", "news_keywords", "parsely-tags", "keywords")
_SECTION_METAS = ("article:section", "og:section", "parsely-section", "articlesection", "section")
_TRAILS = etree.XPath(
    "//*[contains(@class, 'readcrumb')] | //nav[contains(@aria-label, 'readcrumb')]"
)
_HOME_ADDRESS = re.compile(r"^(?:https?:)?(?://[^/?#]+)?/?$|^/(?:[a-z]{2}/?|index\.\w+)$")
_BETWEEN_TAGS = re.compile("[,،;؛]|、")
_MAX_TAGS, _MAX_TAG, _MAX_SECTION = 50, 80, 100
_MAX_STEPS, _MAX_TRAILS = 12, 5
_PICTURE_METAS = ("og:image", "og:image:url", "twitter:image", "twitter:image:src")


def site_name(page: Page) -> Witnessed | None:
    """Return the name of the outlet."""
    stated = tree.first(page.metas, ["og:site_name", "application-name", "al:android:app_name"])
    publishers = (
        name for node in page.data.articles for name in jsonld.names(node.get("publisher"))
    )
    return _first(
        ("meta", html.unescape(stated or "")),
        ("json_ld", next(publishers, None) or page.data.site_name or ""),
        ("microdata", marks.text(page.marks, "publisher")),
    )


def section(page: Page, title: str | None) -> Witnessed | None:
    """Return the section as stated, else the last step of the trail that leads to the page."""
    stated = (jsonld.text(node.get("articleSection")) for node in page.data.articles)
    found = _first(
        ("json_ld", next((text for text in stated if text), "")),
        ("meta", html.unescape(tree.first(page.metas, list(_SECTION_METAS)) or "")),
        ("microdata", marks.text(page.marks, "articleSection")),
        ("json_ld", _last_step([name for name, _ in page.data.trail], title)),
    )
    if found and len(found[1]) <= _MAX_SECTION:
        return found
    seen = _last_step(_seen_trail(page.root), title)
    return ("visible", seen) if seen else None


def description(page: Page) -> Witnessed | None:
    """Return the summary that the page gives to machines."""
    names = ["og:description", "description", "twitter:description", "dc.description"]
    told = (jsonld.text(node.get("description")) for node in page.data.articles)
    return _first(
        ("meta", html.unescape(tree.first(page.metas, names) or "")),
        ("json_ld", next((text for text in told if text), "")),
        ("microdata", marks.text(page.marks, "description")),
    )


def tags(page: Page) -> tuple[str, tuple[str, ...]] | None:
    """Return the witness and what the page says it is about, each once."""
    for witness, written in _written_tags(page):
        split = (part for item in written for part in _BETWEEN_TAGS.split(item))
        kept = {
            titles.loose(tag): tag for part in split if 0 < len(tag := squeeze(part)) <= _MAX_TAG
        }
        kept.pop("", None)
        if kept:
            return witness, tuple(kept.values())[:_MAX_TAGS]
    return None


def image_url(page: Page) -> Witnessed | None:
    """Return the absolute address of the article's picture."""
    shown = (jsonld.address(node.get("image")) for node in page.data.articles)
    thumbnails = (jsonld.address(node.get("thumbnailUrl")) for node in page.data.articles)
    links = page.marks.get("rel image_src", [])
    found = (
        *(("meta", page.metas.get(name)) for name in _PICTURE_METAS),
        *(("json_ld", address) for address in (*shown, *thumbnails)),
        *(("meta", link.get("href")) for link in links),
        ("microdata", marks.address(page.marks, "image")),
    )
    return _first(*((witness, _absolute(address, page.url) or "") for witness, address in found))


def canonical_url(page: Page) -> Witnessed | None:
    """Return the absolute address that the page states for itself."""
    links = (link.get("href") for link in page.marks.get("rel canonical", []))
    stated = (
        jsonld.address(node.get("url")) or jsonld.address(node.get("mainEntityOfPage"))
        for node in page.data.articles
    )
    found = (
        *(("meta", address) for address in links),
        ("meta", page.metas.get("og:url")),
        *(("json_ld", address) for address in stated),
    )
    return _first(*((witness, _absolute(address, page.url) or "") for witness, address in found))


def _first(*found: Witnessed) -> Witnessed | None:
    return next(((witness, value) for witness, value in found if value), None)


def _written_tags(page: Page) -> Iterator[tuple[str, list[str]]]:
    for node in page.data.articles:
        words = node.get("keywords")
        yield "json_ld", [jsonld.text(w) for w in (words if isinstance(words, list) else [words])]
    listed: dict[str, list[str]] = {name: [] for name in _TAG_METAS}
    for element in page.root.iter("meta"):
        name = (element.get("property") or element.get("name") or "").lower()
        if name in listed:
            listed[name].append(html.unescape(element.get("content") or ""))
    for name in _TAG_METAS[:-1]:
        yield "meta", listed[name]
    links = page.marks.get("rel tag", [])
    yield "visible", [text_of(a) for a in links if not page.is_elsewhere(a)]
    yield "meta", listed["keywords"]


# --- Trails: "Home > World > Asia > Headline" ---


def _last_step(names: list[str], title: str | None) -> str:
    """Return the last step that is neither the home page nor the article itself."""
    headline = titles.loose(title or "")
    steps = [
        name
        for name in names
        if titles.loose(name) and not labels.is_home(name) and len(name) <= _MAX_SECTION
    ]
    # A headline is often cut short in a trail.
    own = [step for step in steps if headline.startswith(titles.loose(step.rstrip(".…")))]
    return next((step for step in reversed(steps) if step not in own), "")


def _seen_trail(root: HtmlElement) -> list[str]:
    """Return the links of the trail that readers see: what is no link in it is the page itself.

    A trail begins at the home page; other things are called so too.
    """
    trails: list[HtmlElement] = _TRAILS(root)
    for trail in trails[:_MAX_TRAILS]:
        links = list(islice(trail.iter("a"), _MAX_STEPS))
        if links and (_is_home(links[0]) or labels.is_home(text_of(links[0]))):
            return [text_of(link) for link in links[1:]]
    return []


def _is_home(link: HtmlElement) -> bool:
    return bool(_HOME_ADDRESS.match((link.get("href") or "").strip()))


def _absolute(address: str | None, url: str | None) -> str | None:
    if not address:
        return None
    try:
        joined = urljoin(url or "", address.strip())
    except ValueError:
        return None
    return joined if joined.startswith(("http://", "https://")) else None
