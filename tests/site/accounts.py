"""What a server saw, the links and the queue go in; what does not add up comes out."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import redis

from services.queue import PENDING, Queue
from services.queue.bodies import Taken
from services.queue.broker import redis_url
from services.shared.settings import Settings
from services.storage import connect
from tests.site.server import Request, Site

#: Pages are taken from the queue so many at a time.
CHUNK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Killed:
    """A crawler that was killed: the name it gave to servers, and links under way right then.

    Those of other crawlers may be among them.
    """

    user_agent: str
    under_way: Collection[str]


def under_way(settings: Settings) -> set[str]:
    """Return the links that crawlers have taken and not brought to an end."""
    with connect(settings.database_url or "") as tx:
        rows = tx.execute(b"select url from rasid.links where state = 'fetching'").fetchall()
    return {str(url) for (url,) in rows}


def published(settings: Settings) -> Counter[str]:
    """Return how often a page of each link is on the queue."""
    with redis.Redis.from_url(redis_url(settings.bodies_url)) as client:
        ids = [page_id.decode() for page_id in client.zrange(PENDING["live"], 0, -1)]
    queue, found = Queue(settings), Counter[str]()
    for first in range(0, len(ids), CHUNK):
        for taken in queue.take(ids[first : first + CHUNK]).values():
            if isinstance(taken, Taken):
                found[taken.page.requested_url or ""] += 1
    return found


def complaints(
    site: Site, addresses: Sequence[str], settings: Settings, killed: Killed | None = None
) -> list[str]:
    """Return what is not as it has to be once all articles of these addresses are crawled.

    Each is found and fetched once, but for what a killed crawler had under way, each has a page
    on the queue and has come to its end in the links, and no other link is there.
    """
    return [
        *_of_requests(site, addresses, killed),
        *_of_links(settings, addresses),
        *_of_queue(settings, addresses, killed),
    ]


def _of_requests(site: Site, addresses: Sequence[str], killed: Killed | None) -> Iterator[str]:
    asked: dict[str, list[Request]] = defaultdict(list)
    port = urlsplit(site.url).netloc.partition(":")[2]
    scheme = site.url.partition(":")[0]
    for request in site.requests:
        asked[f"{scheme}://{request.host}:{port}{request.path}"].append(request)
    for url in addresses:
        requests = asked.get(url, [])
        if not requests:
            yield f"never asked for: {url}"
        elif len(requests) > 1 and not (
            killed
            and len(requests) == 2
            and url in killed.under_way
            and requests[0].headers["user-agent"] == killed.user_agent
        ):
            yield f"asked for {len(requests)} times: {url}"
    yield from (
        f"answered {request.status}: {request.host}{request.path}"
        for request in site.requests
        if request.status >= 400
    )


def _of_links(settings: Settings, addresses: Sequence[str]) -> Iterator[str]:
    with connect(settings.database_url or "") as tx:
        rows = tx.execute(b"select url, state, reason from rasid.links").fetchall()
    # A feed's address may carry what says where a reader came from; a link's does not.
    ends = {str(url): (state, reason) for url, state, reason in rows}
    if len(ends) != len(rows):
        yield f"{len(rows) - len(ends)} links of an address that another link has"
    yield from (f"no link: {url}" for url in addresses if url not in ends)
    yield from (f"a link of nothing: {url}" for url in ends.keys() - set(addresses))
    yield from (
        f"not at its end, but {end}: {url}" for url, end in ends.items() if end[0] != "fetched"
    )


def _of_queue(settings: Settings, addresses: Sequence[str], killed: Killed | None) -> Iterator[str]:
    pages = published(settings)
    twice = set(killed.under_way) if killed else set[str]()
    for url in addresses:
        if not pages[url]:
            yield f"no page on the queue: {url}"
        elif pages[url] > 1 + (url in twice):
            yield f"{pages[url]} pages on the queue: {url}"
