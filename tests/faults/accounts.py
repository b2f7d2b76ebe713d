"""What was published and what is there go in; what does not add up comes out."""

import base64
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from services.queue import Queue
from services.queue.attempts import LOST
from services.queue.broker import CELERY_QUEUES
from services.shared.contracts import RawPage
from services.shared.settings import MIB, Settings
from services.storage import Connection, connect
from tests.faults.pages import Pages
from tests.faults.product import Product
from tests.faults.servers import Servers
from tests.newsday import check_feed, prepared, state
from worker import pipeline

#: A page: the address it was asked for by, and the hash of its body.
Key = tuple[str, str]
#: The status and the reason.
Outcome = tuple[str, str]
#: What Redis may use more than before, its own tables, scripts and buffers included.
MEMORY_LEFT = 2 * MIB
#: Keys of a calm day: the worker's note of what it did last, and Celery's of its queues.
CALM = ("rasid-recent", "_kombu.binding")
#: Where messages lie; each of them is looked at.
MESSAGES = {"unacked", "unacked_index", "unacked_mutex", *CELERY_QUEUES.values()}
#: Bytes that the keys of a calm day take at most in one Redis, which have some 600 in them. A page
#: takes about as much, a chunk of them ten times.
KEYS_LEFT = 3000
#: Bytes that a main process may hold more at the end than before the first fault.
RESIDENT_LEFT = 16 * MIB

#: Each finds rows that no calm day leaves. Constraints guard the rest.
HALF_WRITTEN = {
    "an article without its capture": "select a.url from rasid.articles as a "
    "where not exists (select from rasid.captures where sha256 = a.capture_sha256)",
    "a page without its capture": "select p.id from rasid.raw_pages as p "
    "where not exists (select from rasid.captures where sha256 = p.capture_sha256)",
    "an article without its page": "select a.url from rasid.articles as a "
    "where not exists (select from rasid.raw_pages where id = a.page_id)",
    "an article that search does not know": "select a.url from rasid.articles as a "
    "where not exists (select from rasid.article_search where article_id = a.id)",
    "search knows what is no article": "select s.article_id::text from rasid.article_search as s "
    "where not exists (select from rasid.articles where id = s.article_id)",
    "an article without a story": "select a.url from rasid.articles as a "
    "where not exists (select from rasid.story_articles where article_id = a.id)",
    "an article without bands": "select a.url from rasid.articles as a "
    "where not exists (select from rasid.bands where article_id = a.id)",
    "a story of nobody": "select s.id::text from rasid.stories as s "
    "where not exists (select from rasid.story_articles where story_id = s.id)",
    "an article whose text nobody has": "select a.url from rasid.articles as a "
    "where not exists (select from rasid.texts where text_sha256 = a.text_sha256)",
    "older versions that are not all there": "select a.url from rasid.articles as a "
    "where version - 1 <> (select count(*) from rasid.article_versions where article_id = a.id)",
    "a dead letter without its page, or the other way round": "select coalesce(d.page_id, p.id) "
    "from rasid.dead_letters as d full join "
    "(select id from rasid.raw_pages where outcome = 'dead_letter') as p on p.id = d.page_id "
    "where d.page_id is null or p.id is null",
    "a dead letter tried too often": "select page_id from rasid.dead_letters where attempts > 3",
}
HELD = {
    "a host is leased": "select name || ' by ' || leased_by from rasid.hosts "
    "where leased_until > now()",
    "a link is not at its end": "select url || ' ' || state from rasid.links "
    "where state <> 'fetched'",
    "an import is not finished": "select path from rasid.imports where finished_at is null",
    "a job is left": "select id::text from rasid.jobs where ended_at is null",
    "an advisory lock is held": "select pid::text from pg_locks where locktype = 'advisory' "
    "and database = (select oid from pg_database where datname = current_database())",
    "somebody is connected": "select coalesce(state, '') || ' ' || query from pg_stat_activity "
    "where datname = current_database() and pid <> pg_backend_pid() "
    "and backend_type = 'client backend'",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a calm run makes of the pages."""

    outcomes: dict[Key, Outcome]
    #: Reasons that a dead letter may have, by page.
    poison: dict[Key, tuple[str, ...]]
    state: dict[str, Any]


def key(page: RawPage) -> Key:
    """Return what a page is known by."""
    return page.requested_url or "", page.capture_sha256.hex()


def expected(pages: Pages, settings: Settings) -> Expected:
    """Do the pages one after the other, with nothing failing, in the database of the settings."""
    queue = Queue(settings)
    with connect(settings.database_url or "") as connection:
        prepared(connection, pages.asked)
        given = [*pages.imported, *pages.direct, *pages.crawled]
        for batch in ([page for page in given if page.id not in pages.poison], pages.changed):
            for first in range(0, len(batch), 10):
                chunk = batch[first : first + 10]
                queue.publish(chunk, "live")
                pipeline.process([page.id for page in chunk], "live", queue, connection, settings)
        return Expected(
            outcomes=_outcomes(connection),
            poison={key(page): pages.poison[page.id] for page in given if page.id in pages.poison},
            state=_timeless(state(connection)),
        )


def complaints(product: Product, calm: Expected) -> list[str]:
    """Return what is not as it has to be once nothing is pending and all processes have ended."""
    with connect(product.settings.database_url or "") as connection:
        return [
            *_of_pages(connection, product, calm),
            *_of_rows(connection, calm),
            *_of_redis(connection, product.servers),
        ]


def used(servers: Servers) -> dict[str, int]:
    """Return the bytes that each Redis uses, whatever for."""
    found = {}
    for name in ("broker", "bodies"):
        with servers.redis(name) as client:
            found[name] = int(client.info("memory")["used_memory"])
    return found


def notes(servers: Servers) -> list[str]:
    """Return the keys of ours that are left in the two Redis."""
    left = []
    for name in ("broker", "bodies"):
        with servers.redis(name) as client:
            left += [f"{name}: {key.decode()}" for key in client.scan_iter("rasid:*")]
    return left


def _outcomes(connection: Connection) -> dict[Key, Outcome]:
    rows = connection.execute(
        b"select coalesce(requested_url, id), encode(capture_sha256, 'hex'), outcome, "
        b"coalesce(reason, '') from rasid.raw_pages"
    ).fetchall()
    # Who of those with the same text is the first is decided by who comes first.
    same = {"duplicate": "created"}
    return {
        (str(url), str(sha)): (same.get(str(outcome), str(outcome)), str(reason))
        for url, sha, outcome, reason in rows
    }


def _of_pages(connection: Connection, product: Product, calm: Expected) -> Iterator[str]:
    ghosts = set(product.ghosts)
    found = _outcomes(connection)
    for url, sha in [key for key in found if key[0] in ghosts]:
        outcome = found.pop((url, sha))
        ghosts.discard(url)
        if outcome != ("dead_letter", "body_missing"):
            yield f"a message without a body became {outcome}: {url}"
    yield from (f"lost: the message without a body {ghost}" for ghost in ghosts)
    wanted = {page: [outcome] for page, outcome in calm.outcomes.items()} | {
        page: [("dead_letter", reason) for reason in reasons]
        for page, reasons in calm.poison.items()
    }
    for page, outcomes in wanted.items():
        if page not in found:
            yield f"lost: {page[0]}"
        elif found[page] not in outcomes:
            yield f"{found[page]} in place of {outcomes}: {page[0]}"
    yield from (f"invented: {page[0]} {found[page]}" for page in found.keys() - wanted.keys())
    rows = connection.execute(b"select count(*) from rasid.raw_pages").fetchall()
    if rows != [(len(wanted) + len(product.ghosts),)]:
        yield f"{rows} results of {len(wanted)} pages and {len(product.ghosts)} without a body"


def _of_rows(connection: Connection, calm: Expected) -> Iterator[str]:
    try:
        check_feed(connection)
    except AssertionError as error:
        yield f"the change feed: {str(error)[:500]}"
    for name, there in _timeless(state(connection)).items():
        if there != calm.state[name]:
            yield f"{name}: {_difference(calm.state[name], there)}"
    for what, query in {**HALF_WRITTEN, **HELD}.items():
        yield from (f"{what}: {row[0]}" for row in connection.execute(query.encode()).fetchall())


def _timeless(state: dict[str, Any]) -> dict[str, Any]:
    """Leave out when articles of the site were fetched, which no two runs have in common."""
    stories: Counter[frozenset[Any]] = Counter()
    for members, count in state["stories"].items():
        kept = [(*m[:4], None if m[0].startswith("http://127.") else m[4], *m[5:]) for m in members]
        stories[frozenset(kept)] += count
    return {**state, "stories": stories}


def _difference(calm: object, there: object) -> str:
    was, now = (
        Counter(value) if isinstance(value, Counter) else Counter(map(repr, value))  # type: ignore[call-overload]
        for value in (calm, there)
    )
    missing, extra = list((was - now).elements()), list((now - was).elements())
    return f"missing {str(missing)[:600]}; extra {str(extra)[:600]}"


def _of_redis(connection: Connection, servers: Servers) -> Iterator[str]:
    done = {str(page) for (page,) in connection.execute(b"select id from rasid.raw_pages")}
    with servers.redis("broker") as client:
        # A page that was sent twice is done once, and the other message lies there: one that a
        # worker had taken before it was told to stop, or was killed with. They name what is done.
        messages = [json.loads(stored)[0] for stored in client.hvals("unacked")]
        for name in CELERY_QUEUES.values():
            messages += map(json.loads, client.lrange(name, 0, -1))
        for message in messages:
            if ids := _ids(message) - done:
                yield f"a message is left of what is not done: {ids}"
        # A worker told to stop may write it once the reconciler, which removes it, has ended.
        left = {page.decode() for page in client.hkeys(LOST)} - done
        yield from (f"a process is said to be lost with what is not done: {page}" for page in left)
        client.delete(LOST)
    yield from (f"left in Redis: {name}" for name in notes(servers))
    for name in ("broker", "bodies"):
        with servers.redis(name) as client:
            sizes = {
                key.decode(): int(client.memory_usage(key) or 0)
                for key in client.scan_iter()
                if key.decode() not in MESSAGES
            }
        yield from (f"{name} has a key {key}" for key in sizes if not key.startswith(CALM))
        if sum(sizes.values()) > KEYS_LEFT:
            yield f"the keys of {name} hold {sum(sizes.values())} bytes: {sizes}"


def _ids(message: dict[str, Any]) -> set[str]:
    body = message["body"]
    if message["properties"].get("body_encoding") == "base64":
        body = base64.b64decode(body)
    (_, ids), *_ = json.loads(body)
    return set(ids)
