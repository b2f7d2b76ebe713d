"""One parsed page goes in; its title, authors, dates and other fields come out, with witnesses.

Each field has its witnesses in a fixed order: JSON-LD, meta tags, microdata, visible marks. Running
text is no witness: a date or a name in it may be anyone's.
"""

import re
from dataclasses import dataclass, field
from datetime import tzinfo
from urllib.parse import urljoin

from lxml.html import HtmlElement

from worker import dates, jsonld, titles
from worker.tree import metas, squeeze, text_of

Witnessed = tuple[str, str]  # witness, value


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """What a page says of itself; nothing where it says nothing."""

    title: str | None = None
    #: Every way the page writes its title: what a headline repeated in the text is told by.
    titles: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    language: str | None = None
    published: dates.Instant | None = None
    published_seen: str | None = None
    modified: dates.Instant | None = None
    canonical_url: str | None = None
    site_name: str | None = None
    section: str | None = None
    description: str | None = None
    image_url: str | None = None
    tags: tuple[str, ...] = ()
    witnesses: dict[str, str] = field(default_factory=dict)


_PUBLISHED = [
    "article:published_time",
    "article:published",
    "og:published_time",
    "og:article:published_time",
    "datepublished",
    "date.issued",
    "dc.date.issued",
    "dcterms.created",
    "dcterms.issued",
    "dc.date",
    "dcterms.date",
    "publish-date",
    "publish_date",
    "publishdate",
    "pubdate",
    "publication_date",
    "parsely-pub-date",
    "sailthru.date",
    "cxenseparse:recs:publishtime",
    "date",
    "citation_publication_date",
]
_MODIFIED = [
    "article:modified_time",
    "og:updated_time",
    "datemodified",
    "dcterms.modified",
    "last-modified",
]
_AUTHOR = [
    "author",
    "article:author",
    "dc.creator",
    "parsely-author",
    "sailthru.author",
    "byl",
    "dcterms.creator",
]
_TITLE = ["og:title", "twitter:title", "dc.title", "parsely-title", "sailthru.title"]

_BYLINE_PREFIX = re.compile(
    r"^\W*(?:by|von|par|por|di|av|af|door|text|written by|reported by|autor(?:in)?|كتب(?:ت)?|بقلم"
    r"|إعداد|تحرير|حوار|المصدر|记者|記者|文)\s*[:：]?\s+",
    re.IGNORECASE,
)
_BETWEEN_NAMES = re.compile(
    r"\s*(?:,|;|،|\||\band\b|\bund\b|&|\bet\b|\by\b|\se\s|\s+و\s*(?=\w))\s*"
)
_NO_NAME = re.compile(r"https?:|@|\d{3}|^(?:admin|editor|staff|null|undefined)$", re.IGNORECASE)
_BYLINE_CLASS = re.compile(
    r"(?:^|[-_\s])(?:by-?line|author(?:s|-?name)?|writer|written-?by|creator|reporter)(?:[-_\s]|$)",
    re.IGNORECASE,
)
_MAX_AUTHORS = 8


def read(root: HtmlElement, url: str | None = None, zone: tzinfo | None = None) -> Fields:
    """Return the fields of a page; `zone` is that of its source, for times that name none."""
    page_metas, nodes = metas(root), jsonld.articles(root)
    witnesses: dict[str, str] = {}

    def keep(name: str, found: Witnessed | None) -> str | None:
        if found:
            witnesses[name] = found[0]
        return found[1] if found else None

    site_name = keep("site_name", _site_name(nodes, page_metas))
    candidates = _titles(root, nodes, page_metas, site_name)
    chosen = titles.choose(candidates)
    published, seen = _date(root, nodes, page_metas, zone)
    if published:
        witnesses["published_at"] = published[0]
    modified = _first_date(_modified(nodes, page_metas), zone)
    if modified:
        witnesses["modified_at"] = modified[0]
    author_witness, authors = _authors(root, nodes, page_metas, site_name)
    if authors:
        witnesses["authors"] = author_witness
    return Fields(
        title=keep("title", chosen),
        titles=tuple(title for _, title in candidates),
        authors=authors,
        language=_language(root, page_metas),
        published=published and published[1],
        published_seen=seen,
        modified=modified and modified[1],
        canonical_url=_canonical(root, page_metas, url),
        site_name=site_name,
        section=keep("section", _section(nodes, page_metas)),
        description=keep("description", _description(nodes, page_metas)),
        image_url=_absolute(page_metas.get("og:image") or page_metas.get("twitter:image"), url),
        tags=_tags(nodes, page_metas),
        witnesses=witnesses,
    )


def _meta(page_metas: dict[str, str], names: list[str]) -> str | None:
    return next((page_metas[name] for name in names if name in page_metas), None)


# --- Title ---


def _titles(
    root: HtmlElement, nodes: list[jsonld.Node], page_metas: dict[str, str], site_name: str | None
) -> list[Witnessed]:
    """Return every title the page gives itself, without the site's name, the best witness first."""
    found: list[Witnessed] = [
        ("json_ld", title) for node in nodes if (title := jsonld.text(node.get("headline")))
    ][:1]
    headings = [heading for element in root.iter("h1") if (heading := text_of(element))]
    title = squeeze(root.findtext(".//title"))
    raw_meta = [page_metas[name] for name in _TITLE if name in page_metas]
    reference = {word for text in (title, *raw_meta) for word in titles.words(text)}
    if headings:
        best = max(headings, key=lambda heading: titles.overlap(heading, reference))
        if not reference or titles.overlap(best, reference) > 0:
            found.append(("visible", best))
    others = [text for _, text in found]
    found += [("meta", titles.without_site(text, site_name, others)) for text in raw_meta[:1]]
    if title:
        found.append(
            ("meta", titles.without_site(title, site_name, [*others, *(t for _, t in found)]))
        )
    return [(witness, bare) for witness, text in found if (bare := titles.without_remains(text))]


def _site_name(nodes: list[jsonld.Node], page_metas: dict[str, str]) -> Witnessed | None:
    stated = _meta(page_metas, ["og:site_name", "application-name", "al:android:app_name"])
    if stated:
        return ("meta", stated)
    publisher = next((name for node in nodes for name in jsonld.names(node.get("publisher"))), None)
    return ("json_ld", publisher) if publisher else None


# --- Dates ---


def _date(
    root: HtmlElement, nodes: list[jsonld.Node], page_metas: dict[str, str], zone: tzinfo | None
) -> tuple[tuple[str, dates.Instant] | None, str | None]:
    written: list[Witnessed] = [
        ("json_ld", jsonld.text(node.get(name)))
        for node in nodes
        for name in ("datePublished", "dateCreated")
        if node.get(name)
    ]
    written += [("meta", page_metas[name]) for name in _PUBLISHED if name in page_metas]
    for element in root.iterfind(".//*[@itemprop='datePublished']"):
        value = element.get("datetime") or element.get("content") or text_of(element)
        written.append(("microdata", value))
    times = [element.get("datetime") for element in root.iter("time") if element.get("datetime")]
    written += [("visible", value) for value in times[:1] if value]
    found = _first_date(written, zone)
    seen = next((value for witness, value in written if found and witness == found[0]), None)
    return found, seen


def _modified(nodes: list[jsonld.Node], page_metas: dict[str, str]) -> list[Witnessed]:
    written = [("json_ld", jsonld.text(node.get("dateModified"))) for node in nodes]
    return written + [("meta", page_metas[name]) for name in _MODIFIED if name in page_metas]


def _first_date(written: list[Witnessed], zone: tzinfo | None) -> tuple[str, dates.Instant] | None:
    for witness, value in written:
        instant = dates.parse(value, zone)
        if instant:
            return witness, instant
    return None


# --- Authors ---


def _authors(
    root: HtmlElement, nodes: list[jsonld.Node], page_metas: dict[str, str], site_name: str | None
) -> tuple[str, tuple[str, ...]]:
    in_meta = _meta(page_metas, _AUTHOR)
    for witness, written in (
        ("json_ld", next((found for n in nodes if (found := jsonld.names(n.get("author")))), [])),
        ("meta", [in_meta] if in_meta else []),
        ("microdata", _marked_authors(root)),
        ("visible", _byline(root)),
    ):
        people = _people(written, site_name)
        if people:
            return witness, people
    return "", ()


def _people(written: list[str], site_name: str | None) -> tuple[str, ...]:
    site = titles.loose(site_name or "")
    names = [
        name
        for value in written
        for part in _BETWEEN_NAMES.split(_BYLINE_PREFIX.sub("", value))
        if (name := _person(part)) and titles.loose(name) != site
    ]
    return tuple(dict.fromkeys(names))[:_MAX_AUTHORS]


def _person(written: str) -> str:
    name = squeeze(_BYLINE_PREFIX.sub("", written)).strip(" ,;|-–—·•:")
    return name if 2 <= len(name) <= 60 and not _NO_NAME.search(name) else ""


def _marked_authors(root: HtmlElement) -> list[str]:
    marked = [
        element.get("content") or text_of(element)
        for element in root.iterfind(".//*[@itemprop='author']")
    ]
    marked += [text_of(element) for element in root.iterfind(".//*[@rel='author']")]
    return [text for text in marked if text and len(text) < 100][:_MAX_AUTHORS]


def _byline(root: HtmlElement) -> list[str]:
    for element in root.iter("a", "span", "div", "p", "address"):
        label = f"{element.get('class', '')} {element.get('id', '')}"
        if len(label) > 1 and _BYLINE_CLASS.search(label):
            text = text_of(element)
            if 3 < len(text) < 80 and not re.search(r"\d", text):
                return [text]
    return []


# --- The rest ---


def _language(root: HtmlElement, page_metas: dict[str, str]) -> str | None:
    return (
        root.get("lang")
        or root.get("{http://www.w3.org/XML/1998/namespace}lang")
        or _meta(page_metas, ["og:locale", "language", "content-language", "dc.language"])
    )


def _section(nodes: list[jsonld.Node], page_metas: dict[str, str]) -> Witnessed | None:
    for node in nodes:
        if section := jsonld.text(node.get("articleSection")):
            return ("json_ld", section)
    section = _meta(page_metas, ["article:section", "parsely-section", "section"]) or ""
    return ("meta", section) if section else None


def _description(nodes: list[jsonld.Node], page_metas: dict[str, str]) -> Witnessed | None:
    stated = _meta(page_metas, ["og:description", "description", "twitter:description"])
    if stated:
        return ("meta", stated)
    found = next((text for n in nodes if (text := jsonld.text(n.get("description")))), None)
    return ("json_ld", found) if found else None


def _tags(nodes: list[jsonld.Node], page_metas: dict[str, str]) -> tuple[str, ...]:
    written = next((n["keywords"] for n in nodes if n.get("keywords")), None)
    listed = written if isinstance(written, list) else [written or page_metas.get("keywords", "")]
    split = (re.split("[,،;]", jsonld.text(item)) for item in listed)
    return tuple(dict.fromkeys(tag for tags in split for item in tags if (tag := item.strip())))[
        :50
    ]


def _canonical(root: HtmlElement, page_metas: dict[str, str], url: str | None) -> str | None:
    for element in root.iter("link"):
        if (element.get("rel") or "").lower() == "canonical" and element.get("href"):
            return _absolute(element.get("href"), url)
    return _absolute(page_metas.get("og:url"), url)


def _absolute(address: str | None, url: str | None) -> str | None:
    if not address:
        return None
    try:
        joined = urljoin(url or "", address.strip())
    except ValueError:
        return None
    return joined if joined.startswith(("http://", "https://")) else None
