"""One parsed page goes in; its title, authors, dates and other fields come out, with witnesses.

Each field has its witnesses in a fixed order: JSON-LD, meta tags, microdata, visible marks. Running
text is no witness: a date or a name in it may be anyone's.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.shared import urls
from services.shared.contracts import Label
from services.shared.errors import InvalidUrl
from worker import tree
from worker.fields import about, authors, dates, labels, published, titles
from worker.fields.page import Page
from worker.fields.reading import Reading


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
    labels: tuple[Label, ...] = ()
    comments_count: int | None = None
    witnesses: dict[str, str] = field(default_factory=dict)


def read(page: Page, latest: datetime | None = None, time_zone: str | None = None) -> Fields:
    """Return the fields of a page; a date after `latest`, when it was fetched, is not believed.

    `time_zone` is that of the source, for times on the page that name none.
    """
    declared = _language(page)
    how = Reading(dates.zone_named(time_zone), declared, latest)
    site_name = about.site_name(page)
    site = titles.Site(site_name[1] if site_name else None, _host(page.url))
    candidates = titles.candidates(page.root, page.data.articles, page.metas, site)
    dated = published.read(page, how)
    date, changed = dated.published, dated.modified
    title = titles.choose(candidates, page.url)
    section = about.section(page, title[1] if title else None)
    found: dict[str, tuple[str, Any] | None] = {
        "site_name": site_name,
        "title": title,
        "authors": authors.read(page, site.name),
        "section": section,
        "description": about.description(page),
        "canonical_url": about.canonical_url(page),
        "image_url": about.image_url(page),
        "tags": about.tags(page),
        "comments_count": labels.comments_count(page),
    }
    labelled = labels.labels(page, section[1] if section else None)
    witnesses = {name: value[0] for name, value in found.items() if value}
    witnesses |= {f"labels.{label}": witness for label, witness in labelled.items()}
    witnesses |= {"published_at": date.witness} if date else {}
    witnesses |= {"modified_at": changed.witness} if changed else {}
    return Fields(
        **{name: value[1] for name, value in found.items() if value},
        titles=tuple(title for _, title in candidates),
        language=declared,
        published=date.instant if date else None,
        published_seen=dated.seen,
        modified=changed.instant if changed else None,
        labels=tuple(sorted(labelled)),
        witnesses=witnesses,
    )


def _host(url: str | None) -> str | None:
    try:
        return urls.host(url) if url else None
    except InvalidUrl:
        return None


def _language(page: Page) -> str | None:
    return (
        page.root.get("lang")
        or page.root.get("{http://www.w3.org/XML/1998/namespace}lang")
        or tree.first(page.metas, ["og:locale", "language", "content-language", "dc.language"])
    )
