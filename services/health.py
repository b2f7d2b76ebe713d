"""What both stores say goes in; whether all is well comes out, and what is not, in words."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from services.queue import Depth, Queue
from services.queue.brake import Braked
from services.shared import secrets
from services.shared.errors import RasidError, TransientError
from services.shared.settings import Settings
from services.storage import Database, status
from services.storage.status import Activity, Status

#: A change waits a second at most; only a publication that somebody holds open makes it longer.
UNPUBLISHED_S = 30.0
#: What is to be done about the brake, once the cause is mended.
REPLAY = "rasid replay --dead-letters --yes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What both stores say, None for one that does not answer, and what is wrong, in words."""

    #: When both were asked.
    at: datetime
    store: Status | None = None
    activity: Activity | None = None
    depth: Depth | None = None
    #: What dead letters said, and what is wrong: without passwords and tokens.
    brake: Braked | None = None
    problems: tuple[str, ...] = ()


def look(database: Database, queue: Queue) -> Health:
    """Ask both stores. One that is away, or does not fit, is a problem, not an error."""
    now = datetime.now(UTC)
    store = activity = depth = brake = None
    silent = []
    try:
        connection = database.connection()
        store, activity = status.read(connection), status.activity(connection)
    except RasidError as error:
        silent.append(str(error))
    try:
        depth = queue.depth()
        brake = brake_of(queue)
    except TransientError as error:
        silent.append(str(error))
    found = problems(store, depth, brake, late_s=queue.settings.requeue_after_s * 2, now=now)
    told = (without_secrets(words, queue.settings) for words in (*silent, *found))
    return Health(
        at=now, store=store, activity=activity, depth=depth, brake=brake, problems=tuple(told)
    )


def brake_of(queue: Queue) -> Braked | None:
    """Return why the brake is on, without passwords and tokens, or None if it is not.

    Raises:
        TransientError: Redis is away.
    """
    braked = queue.brake.state()
    if braked is None:
        return None
    said = ((without_secrets(words, queue.settings), count) for words, count in braked.said)
    return replace(braked, said=tuple(said))


def without_secrets(words: str, settings: Settings) -> str:
    """Return what is said without passwords and tokens of addresses."""
    urls = (settings.database_url, settings.redis_url, settings.redis_bodies_url)
    return secrets.without(secrets.hidden(words), secrets.passwords(urls))


def problems(
    store: Status | None,
    depth: Depth | None,
    brake: Braked | None,
    *,
    late_s: float,
    now: datetime,
) -> Iterator[str]:
    """Yield in words what is wrong, the worst first; a page that waits `late_s` seconds is."""
    if brake:
        yield brake_words(brake)
    if depth and depth.oldest_age_s > late_s:
        yield f"the oldest page waits since {depth.oldest_age_s:.0f} s: are workers running?"
    if store:
        yield from _of_store(store, now)


def _of_store(store: Status, now: datetime) -> Iterator[str]:
    if (age := age_s(store.change_feed.oldest_unpublished_at, now)) > UNPUBLISHED_S:
        yield (
            f"{store.change_feed.unpublished} changes wait to be published, the oldest since "
            f"{age:.0f} s: does `rasid reconcile` run?"
        )
    if store.dead_letters:
        count = sum(store.dead_letters.values())
        yield f"{count} dead letters: see `rasid dead-letters list`"
    for feed in store.failing_feeds:
        yield f"feed {feed.url} failed {feed.errors_count} times: {feed.last_error}"
    for overflowed in store.overflowed_feeds:
        yield (
            f"feed {overflowed.url} overflowed {overflowed.overflows_count} times, last "
            f"{overflowed.overflowed_at:%H:%M} UTC: items may have been missed: poll it more "
            "often, or add the site's sitemap"
        )
    for silent in store.silent_feeds:
        yield (
            f"feed {silent.url} has had nothing new since {silent.newest_at:%Y-%m-%d %H:%M} UTC, "
            "longer than ever: does the outlet use another one now?"
        )
    for host in store.unreachable_robots:
        yield (
            f"nothing is asked of {host.origin} since {host.since:%Y-%m-%d %H:%M} UTC: its "
            f"robots.txt cannot be read ({host.error})"
        )
    for found in store.missed_rules:
        yield (
            f"{found.source}: its rule for {found.rule} selected nothing on {found.missed} of the "
            f"newest {found.pages} pages: compare `rasid explain URL` with rules in sources.yaml"
        )


def age_s(since: datetime | None, now: datetime) -> float:
    """Return the seconds from then to now; 0 where there is no then."""
    return (now - since).total_seconds() if since else 0.0


def brake_words(braked: Braked) -> str:
    """Return what there is to say of a brake that is on."""
    since = datetime.fromtimestamp(braked.since, UTC)
    return (
        f"the brake is on since {since:%Y-%m-%d %H:%M} UTC, workers take no pages: "
        f"{braked.reason}. "
        f"See `rasid dead-letters list`; it lets go when a page it tries is stored "
        f"({braked.trials} tried), or by `rasid brake release`. Then `{REPLAY}`"
    )


def brake_record(braked: Braked | None) -> dict[str, object] | None:
    """Return what is told in JSON of a brake that is on."""
    if braked is None:
        return None
    return {
        "on": True,
        "since": datetime.fromtimestamp(braked.since, UTC),
        "dead_letters": braked.dead_letters,
        "of_pages": braked.of_pages,
        "said": [{"letter": words, "count": count} for words, count in braked.said],
        "trials": braked.trials,
        "next_trial_at": datetime.fromtimestamp(braked.next_trial_at, UTC),
    }


def record(health: Health) -> dict[str, object]:
    """Return what `rasid status --json` tells; times are still datetimes."""
    store, depth, activity = health.store, health.depth, health.activity
    return {
        "well": not health.problems,
        "problems": health.problems,
        "articles": store and store.articles,
        "duplicates": store and store.duplicates,
        "articles_last_hour": activity and activity.last_hour,
        "articles_last_day": activity and activity.last_day,
        "newest_at": store and store.newest_at,
        "outcomes": store and _nested(store.outcomes),
        "links": store and _nested(store.links),
        "sources": activity and [asdict(source) for source in activity.sources],
        "feeds": store and store.feeds,
        "feed_problems": store and store.feed_problems,
        "dead_letters": store and store.dead_letters,
        "refusals": store and store.refusals,
        "change_feed": store and asdict(store.change_feed),
        "brake": brake_record(health.brake),
        "queue": depth and depth.pages,
        "oldest_age_s": depth and round(depth.oldest_age_s, 1),
        "queue_bytes": depth and depth.used_bytes,
        "messages": depth and depth.messages,
    }


def _nested(counts: dict[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    nested: dict[str, dict[str, int]] = {}
    for (word, reason), count in counts.items():
        nested.setdefault(word, {})[reason] = count
    return nested
