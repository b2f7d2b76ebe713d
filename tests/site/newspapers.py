"""A site goes in; each of its hosts becomes a newspaper, all of whose addresses are known.

Each has a feed of its newest articles, with tracking parameters, and an index of compressed
sitemaps of all of them.
"""

import random
from collections.abc import Iterator

from services.shared.sources import CrawlPolicy, Feed, Source
from tests.site import documents
from tests.site.server import Answer, Request, Site

IN_FEED = 20
IN_SITEMAP = 40
LETTERS = "ابتثجحخدذرزسشصضطظعغفقكلمنهوي"
#: So many texts take turns; each article has a title of its own.
TEXTS = 50


def publish(site: Site, articles: int, *, page_bytes: int = 30_000) -> list[str]:
    """Have each host of the site publish so many articles; return the addresses of all."""
    texts = list(_texts(page_bytes))
    by_host = {
        host: [f"{url}/2026/11/{number}" for number in range(articles)]
        for host, url in zip(site.hosts, site.urls, strict=True)
    }

    def answer(request: Request) -> Answer:
        urls = by_host[request.host]
        name = request.path.rpartition("/")[2]
        if name == "robots.txt":
            return _text(documents.robots("/private"))
        if name == "rss.xml":
            return _xml(documents.rss(f"{url}?utm_source=rss" for url in urls[-IN_FEED:]))
        home = urls[0].removesuffix("/2026/11/0")
        if name == "index.xml":
            count = -(-articles // IN_SITEMAP)
            return _xml(documents.index(f"{home}/{number}.xml.gz" for number in range(count)))
        if name.endswith(".xml.gz"):
            first = int(name.removesuffix(".xml.gz")) * IN_SITEMAP
            listed = documents.sitemap(urls[first : first + IN_SITEMAP])
            return Answer(200, {"Content-Type": "application/gzip"}, documents.gzipped(listed))
        if name.isdigit() and int(name) < articles:
            head = documents.article(f"خبر {name} من {request.host}", "")
            return Answer(
                200,
                {"Content-Type": "text/html; charset=utf-8"},
                head.replace(b"</article>", texts[int(name) % TEXTS] + b"</article>"),
            )
        return Answer(404)

    site.otherwise = answer
    return [url for urls in by_host.values() for url in urls]


def sources(site: Site, *, delay_s: float) -> list[Source]:
    """Return each newspaper as a source."""
    return [
        Source(
            name=f"paper-{number}",
            title=f"Paper {number}",
            home_page=url,
            crawl=CrawlPolicy(delay_s=delay_s),
            feeds=(Feed(url=f"{url}/rss.xml"), Feed(url=f"{url}/index.xml", kind="sitemap")),
        )
        for number, url in enumerate(site.urls)
    ]


def _texts(size: int) -> Iterator[bytes]:
    made = random.Random(1)
    words = ["".join(made.choices(LETTERS, k=made.randint(2, 7))) for _ in range(4000)]
    for _ in range(TEXTS):
        text = ""
        while len(text) * 2 < size:
            text += f"<p class='text'>{' '.join(made.choices(words, k=60))}.</p>\n"
        yield text.encode()


def _xml(body: bytes) -> Answer:
    return Answer(200, {"Content-Type": "application/xml"}, body)


def _text(body: bytes) -> Answer:
    return Answer(200, {"Content-Type": "text/plain"}, body)
