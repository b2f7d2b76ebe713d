"""The demo's texts go in (`pages/*.txt`); the files of a small news site come out, by their path.

The site is made to be as real sites are: the same article in several dresses, one without a
declared charset, twin addresses, a reprint, a section page, a link that leads nowhere, and one that
robots.txt forbids. All of it is fiction.
"""

import hashlib
import html
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import format_datetime
from pathlib import Path
from string import Template
from typing import Literal, cast, get_args

from services.demo.words import WORDS, Words

FOLDER = Path(__file__).with_name("pages")
Dress = Literal["bare", "json_ld", "microdata", "opengraph", "windows-1256"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """An article as its author wrote it."""

    path: str
    title: str
    author: str
    published: datetime
    language: str
    section: str
    dress: Dress
    description: str
    paragraphs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """What the server answers at one path."""

    body: bytes
    content_type: str = "text/html; charset=utf-8"
    last_modified: datetime | None = None

    @property
    def etag(self) -> str:
        """Return a strong validator of the body."""
        return f'"{hashlib.sha256(self.body).hexdigest()[:20]}"'


def read_stories() -> dict[str, Story]:
    """Return the stories of the folder, by the name of their file."""
    return {path.stem: _story(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.txt"))}


def _story(text: str) -> Story:
    head, _, body = text.partition("\n\n")
    fields = dict(line.split(": ", 1) for line in head.splitlines())
    if fields["dress"] not in get_args(Dress):
        raise ValueError(f"no dress {fields['dress']!r}")
    return Story(
        path=fields["path"],
        title=fields["title"],
        author=fields["author"],
        published=datetime.fromisoformat(fields["published"]),
        language=fields["language"],
        section=fields["section"],
        dress=cast("Dress", fields["dress"]),
        description=fields.get("description", ""),
        paragraphs=tuple(body.strip().split("\n\n")),
    )


def resources(base_url: str) -> dict[str, Resource]:
    """Return every file of the site whose address is `base_url` (with a slash at its end)."""
    stories = read_stories()
    base = base_url.rstrip("/")
    reprint = replace(stories["clinic"], path="/ar/local/wadi-clinics", title=REPRINT_TITLE)
    shown = [*stories.values(), reprint]
    files = {story.path: _article(story, shown, base) for story in shown}
    library = stories["library"]
    files[f"{library.path}/amp"] = files[library.path]
    files["/"] = _section(WORDS["en"].site, [stories["buses"], stories["library"]], "en")
    files[ECONOMY] = _section(
        WORDS["ar"].sections["economy"],
        [story for story in shown if story.language == "ar"],
        "ar",
    )
    newest = max(story.published for story in stories.values())
    feed = _feed(base, stories)
    files["/feed.xml"] = Resource(
        body=feed.encode(), content_type="application/rss+xml", last_modified=newest
    )
    sitemap = _sitemap(base, [*(stories[name] for name in IN_SITEMAP), reprint], library)
    files["/sitemap.xml"] = Resource(
        body=sitemap.encode(), content_type="application/xml", last_modified=newest
    )
    robots = f"User-agent: *\nDisallow: /private/\n\nSitemap: {base}/sitemap.xml\n"
    files["/robots.txt"] = Resource(body=robots.encode(), content_type="text/plain")
    return files


REPRINT_TITLE = "حافلات طبية تجوب قرى الوادي"
ECONOMY = "/ar/economy"
#: In the feed and nowhere on the site: answered with 404.
REMOVED = "/en/2026/11/removed"
IN_FEED = ("buses", "short", "harbour", "clinic", "chess", "manuscripts", "library", "draft")
IN_SITEMAP = ("harbour", "wetland", "saffron", "bakery")


# --- Feed and sitemap ---


def _feed(base: str, stories: Mapping[str, Story]) -> str:
    items = [
        (f"{base}{story.path}?utm_source=rss&utm_medium=feed", story.title, story.published)
        for story in (stories[name] for name in IN_FEED)
    ]
    items.append((base + REMOVED, "A page that is gone", stories["buses"].published))
    told = "".join(
        f"<item><title>{html.escape(title)}</title><link>{html.escape(url)}</link>"
        f"<pubDate>{format_datetime(published)}</pubDate></item>\n"
        for url, title, published in items
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0"><channel>\n'
        f"<title>Rasid demo</title><link>{base}/</link>"
        f"<description>All news</description>\n{told}</channel></rss>\n"
    )


def _sitemap(base: str, stories: Iterable[Story], library: Story) -> str:
    entries = [(story.path, story.published.isoformat()) for story in stories]
    entries.append((f"{library.path}/amp", library.published.isoformat()))
    entries.append((ECONOMY, "2026-11-18"))
    told = "".join(
        f"<url><loc>{base}{path}</loc><lastmod>{modified}</lastmod></url>\n"
        for path, modified in entries
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{told}</urlset>\n'
    )


# --- Pages ---

PAGE = Template("""<!DOCTYPE html>
<html lang="$language" dir="$direction">
<head>
$head
</head>
<body>
<header class="site-header"><a class="logo" href="/">$site</a>
<nav><ul><li><a href="/">$home</a></li>$sections</ul></nav></header>
<main>
$main
</main>
<aside class="newsletter"><p>$newsletter</p><form action="/subscribe"><input name="email"></form>
</aside>
<footer><p>$rights</p></footer>
</body>
</html>
""")

ARTICLE = Template("""<article$scope>
<h1$headline>$title</h1>
<p class="meta"><span class="author"$by>$author</span> · $date</p>
<div class="share">$share</div>
<div class="article-body"$body>
$paragraphs
</div>
</article>
<section class="related"><h3>$related_title</h3><ul>$related</ul></section>
<section class="comments"><h3>$comments_title</h3>
$comments
</section>""")


def _article(story: Story, others: Iterable[Story], base: str) -> Resource:
    words = WORDS[story.language]
    micro = story.dress == "microdata"
    comments_title, comments = words.comments
    related = [
        other
        for other in others
        if other.language == story.language
        and other.path != story.path
        and not other.path.startswith("/private/")
    ]
    main = ARTICLE.substitute(
        scope=' itemscope itemtype="https://schema.org/NewsArticle"' if micro else "",
        headline=' itemprop="headline"' if micro else "",
        by=' itemprop="author"' if micro else "",
        body=' itemprop="articleBody"' if micro else "",
        title=html.escape(story.title),
        author=html.escape(story.author),
        date=_shown_date(story),
        share=_share(words),
        paragraphs="\n".join(f"<p>{html.escape(text)}</p>" for text in story.paragraphs),
        related_title=words.related,
        related=_items(related[:4]),
        comments_title=comments_title,
        comments="\n".join(
            f'<div class="comment"><b>{who}</b> <span>{when}</span><p>{said}</p></div>'
            for who, when, said in comments
        ),
    )
    head = "\n".join(_head(story, base))
    return _resource(_page(story.language, head, main), story)


def _resource(page: str, story: Story) -> Resource:
    if story.dress == "windows-1256":
        # As on many a real Arabic site: neither the header nor the page names the charset.
        body = page.encode("windows-1256")
        return Resource(body=body, content_type="text/html", last_modified=story.published)
    return Resource(body=page.encode(), last_modified=story.published)


def _shown_date(story: Story) -> str:
    shown = f"{story.published:%d/%m/%Y %H:%M}"
    if story.dress == "microdata":
        stamp = story.published.isoformat()
        return f'<time itemprop="datePublished" datetime="{stamp}">{shown}</time>'
    return f"<span>{shown}</span>"


def _share(words: Words) -> str:
    buttons = "".join(
        f'<a class="btn" href="#{name.lower()}">{name}</a>' for name in ("WhatsApp", "X", "Mail")
    )
    return f"<span>{words.share}</span>{buttons}"


def _items(stories: Iterable[Story]) -> str:
    return "".join(
        f'<li><a href="{story.path}">{html.escape(story.title)}</a></li>' for story in stories
    )


def _head(story: Story, base: str) -> Iterator[str]:
    title, about = html.escape(story.title), html.escape(story.description)
    stamp = story.published.isoformat()
    if story.dress != "windows-1256":
        yield '<meta charset="utf-8">'
    yield f"<title>{title} | {WORDS[story.language].site}</title>"
    if story.dress == "opengraph":
        yield '<meta property="og:type" content="article">'
        yield f'<meta property="og:title" content="{title}">'
        yield f'<meta property="og:description" content="{about}">'
        yield f'<meta property="article:published_time" content="{stamp}">'
        yield f'<meta name="author" content="{html.escape(story.author)}">'
    if story.dress == "json_ld":
        data = {
            "@context": "https://schema.org",
            "@type": "NewsArticle",
            "headline": story.title,
            "description": story.description,
            "datePublished": stamp,
            "inLanguage": story.language,
            "author": {"@type": "Organization", "name": story.author},
            "mainEntityOfPage": base + story.path,
        }
        told = json.dumps(data, ensure_ascii=False)
        yield f'<script type="application/ld+json">{told}</script>'


def _section(title: str, stories: Iterable[Story], language: str) -> Resource:
    teasers = "".join(
        f'<li><a href="{story.path}"><h2>{html.escape(story.title)}</h2></a>'
        f"<p>{html.escape(story.paragraphs[0][:90])}… {story.published:%d/%m/%Y}</p></li>"
        for story in stories
    )
    head = f'<meta charset="utf-8">\n<title>{title}</title>'
    page = _page(language, head, f"<h1>{title}</h1><ul class='teasers'>{teasers}</ul>")
    return Resource(body=page.encode())


def _page(language: str, head: str, main: str) -> str:
    words = WORDS[language]
    sections = "".join(
        f'<li><a href="/{language}/{name}">{title}</a></li>'
        for name, title in words.sections.items()
    )
    return PAGE.substitute(
        language=language,
        direction=words.direction,
        head=head,
        site=words.site,
        home=words.home,
        sections=sections,
        main=main,
        newsletter=words.newsletter,
        rights=words.rights,
    )
