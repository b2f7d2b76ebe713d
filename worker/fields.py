"""One parsed page goes in; its title, authors, dates and other fields come out, with witnesses.

Each field has its witnesses in a fixed order: JSON-LD, meta tags, microdata, visible marks. Running
text is no witness: a date or a name in it may be anyone's.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urljoin

from lxml.html import HtmlElement

from services.shared import urls
from services.shared.errors import InvalidUrl
from worker import authors, dates, jsonld, published, titles, tree
from worker.reading import Reading

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


def read(
    root: HtmlElement,
    url: str | None = None,
    latest: datetime | None = None,
    time_zone: str | None = None,
) -> Fields:
    """Return the fields of a page; a date after `latest`, when it was fetched, is not believed.

    `time_zone` is that of the source, for times on the page that name none.
    """
    metas, nodes = tree.metas(root), jsonld.articles(root)
    declared = _language(root, metas)
    how = Reading(dates.zone_named(time_zone), declared, latest)
    site_name = _site_name(nodes, metas)
    site = titles.Site(site_name[1] if site_name else None, _host(url))
    candidates = titles.candidates(root, nodes, metas, site)
    dated = published.read(root, nodes, metas, url, how)
    date, changed = dated.published, dated.modified
    people = authors.read(root, nodes, metas, site.name)
    found: dict[str, Witnessed | None] = {
        "site_name": site_name,
        "title": titles.choose(candidates),
        "section": _section(nodes, metas),
        "description": _description(nodes, metas),
    }
    witnesses = {name: value[0] for name, value in found.items() if value}
    witnesses |= {"published_at": date.witness} if date else {}
    witnesses |= {"modified_at": changed.witness} if changed else {}
    witnesses |= {"authors": people[0]} if people else {}
    values = {name: value[1] if value else None for name, value in found.items()}
    return Fields(
        title=values["title"],
        titles=tuple(title for _, title in candidates),
        authors=people[1] if people else (),
        language=declared,
        published=date.instant if date else None,
        published_seen=dated.seen,
        modified=changed.instant if changed else None,
        canonical_url=_canonical(root, metas, url),
        site_name=values["site_name"],
        section=values["section"],
        description=values["description"],
        image_url=_absolute(metas.get("og:image") or metas.get("twitter:image"), url),
        tags=_tags(nodes, metas),
        witnesses=witnesses,
    )


def _site_name(nodes: list[jsonld.Node], metas: dict[str, str]) -> Witnessed | None:
    stated = tree.first(metas, ["og:site_name", "application-name", "al:android:app_name"])
    if stated:
        return ("meta", stated)
    publisher = next((name for node in nodes for name in jsonld.names(node.get("publisher"))), None)
    return ("json_ld", publisher) if publisher else None


def _host(url: str | None) -> str | None:
    try:
        return urls.host(url) if url else None
    except InvalidUrl:
        return None


def _language(root: HtmlElement, metas: dict[str, str]) -> str | None:
    return (
        root.get("lang")
        or root.get("{http://www.w3.org/XML/1998/namespace}lang")
        or tree.first(metas, ["og:locale", "language", "content-language", "dc.language"])
    )


def _section(nodes: list[jsonld.Node], metas: dict[str, str]) -> Witnessed | None:
    for node in nodes:
        if section := jsonld.text(node.get("articleSection")):
            return ("json_ld", section)
    section = tree.first(metas, ["article:section", "parsely-section", "section"]) or ""
    return ("meta", section) if section else None


def _description(nodes: list[jsonld.Node], metas: dict[str, str]) -> Witnessed | None:
    stated = tree.first(metas, ["og:description", "description", "twitter:description"])
    if stated:
        return ("meta", stated)
    found = next((text for n in nodes if (text := jsonld.text(n.get("description")))), None)
    return ("json_ld", found) if found else None


def _tags(nodes: list[jsonld.Node], metas: dict[str, str]) -> tuple[str, ...]:
    written = next((n["keywords"] for n in nodes if n.get("keywords")), None)
    listed = written if isinstance(written, list) else [written or metas.get("keywords", "")]
    split = (re.split("[,،;]", jsonld.text(item)) for item in listed)
    return tuple(dict.fromkeys(tag for tags in split for item in tags if (tag := item.strip())))[
        :50
    ]


def _canonical(root: HtmlElement, metas: dict[str, str], url: str | None) -> str | None:
    for element in root.iter("link"):
        if (element.get("rel") or "").lower() == "canonical" and element.get("href"):
            return _absolute(element.get("href"), url)
    return _absolute(metas.get("og:url"), url)


def _absolute(address: str | None, url: str | None) -> str | None:
    if not address:
        return None
    try:
        joined = urljoin(url or "", address.strip())
    except ValueError:
        return None
    return joined if joined.startswith(("http://", "https://")) else None
