"""`rasid status`: is everything well?"""

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

import typer

from services.cli import brake, tables
from services.cli.app import Json, app, output, print_json, settings_of
from services.cli.session import servers
from services.queue import Depth, Queue
from services.shared.errors import RasidError, TransientError
from services.shared.settings import MIB, Settings
from services.storage import connect
from services.storage import status as store_status
from services.storage.status import Status

#: A change waits a second at most; only a publication that somebody holds open makes it longer.
UNPUBLISHED_S = 30.0


@dataclass(slots=True)
class Health:
    """What both stores say, None for one that does not answer, and what is wrong, in words."""

    store: Status | None = None
    depth: Depth | None = None
    brake: dict[str, object] | None = None
    problems: list[str] = field(default_factory=list)


@app.command()
def status(context: typer.Context, as_json: Json = False) -> None:
    """Say whether everything is well; exit status 1 if it is not.

    \b
    Examples:
      rasid status
      rasid status --json | jq .problems
    """
    with servers(settings_of(context)) as session:
        health = _look(session.settings)
    if as_json:
        print_json(_as_json(health))
    else:
        _print(health)
    if health.problems:
        raise typer.Exit(1)


def _look(settings: Settings) -> Health:
    health = Health()
    try:
        with connect(settings.database_url or "") as connection:
            health.store = store_status.read(connection)
            health.problems += _store_problems(health.store)
    except RasidError as error:
        health.problems.append(str(error))
    try:
        queue = Queue(settings)
        health.depth = queue.depth()
        if braked := queue.brake.state():
            health.brake = brake.as_dict(braked)
            health.problems.insert(0, brake.told(braked))
    except TransientError as error:
        health.problems.append(str(error))
    if health.depth and health.depth.oldest_age_s > settings.requeue_after_s * 2:
        age = f"{health.depth.oldest_age_s:.0f} s"
        health.problems.append(f"the oldest page waits since {age}: are workers running?")
    return health


def _store_problems(store: Status) -> list[str]:
    problems = [
        f"feed {feed.url} failed {feed.errors_count} times: {feed.last_error}"
        for feed in store.failing_feeds
    ]
    problems += [
        f"feed {feed.url} overflowed {feed.overflows_count} times, last {feed.overflowed_at:%H:%M} "
        "UTC: items may have been missed: poll it more often, or add the site's sitemap"
        for feed in store.overflowed_feeds
    ]
    problems += [
        f"feed {silent.url} has had nothing new since {silent.newest_at:%Y-%m-%d %H:%M} UTC, "
        "longer than ever: does the outlet use another one now?"
        for silent in store.silent_feeds
    ]
    problems += [
        f"nothing is asked of {host.origin} since {host.since:%Y-%m-%d %H:%M} UTC: its robots.txt "
        f"cannot be read ({host.error})"
        for host in store.unreachable_robots
    ]
    problems += [
        f"{found.source}: its rule for {found.rule} selected nothing on {found.missed} of the "
        f"newest {found.pages} pages: compare `rasid explain URL` with rules in sources.yaml"
        for found in store.missed_rules
    ]
    if (age := _age_s(store.change_feed.oldest_unpublished_at)) > UNPUBLISHED_S:
        problems.append(
            f"{store.change_feed.unpublished} changes wait to be published, the oldest since "
            f"{age:.0f} s: does `rasid reconcile` run?"
        )
    if store.dead_letters:
        count = sum(store.dead_letters.values())
        problems.append(f"{count} dead letters: see `rasid dead-letters list`")
    return problems


def _age_s(since: datetime | None) -> float:
    return (datetime.now(UTC) - since).total_seconds() if since else 0.0


def _as_json(health: Health) -> dict[str, object]:
    store, depth = health.store, health.depth
    return {
        "well": not health.problems,
        "problems": health.problems,
        "articles": store and store.articles,
        "duplicates": store and store.duplicates,
        "newest_at": store and store.newest_at,
        "outcomes": store and _nested(store.outcomes),
        "links": store and _nested(store.links),
        "feeds": store and store.feeds,
        "feed_problems": store and store.feed_problems,
        "dead_letters": store and store.dead_letters,
        "refusals": store and store.refusals,
        "change_feed": store and asdict(store.change_feed),
        "brake": health.brake,
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


def _print(health: Health) -> None:
    console = output()
    console.print("Not well:" if health.problems else "All is well.")
    for problem in health.problems:
        console.print(f"  - {problem}")
    if health.depth:
        depth = health.depth
        waiting = ", ".join(f"{lane} {count}" for lane, count in depth.pages.items())
        console.print(
            f"Queue: {waiting} pages; the oldest waits since {depth.oldest_age_s:.0f} s; "
            f"{depth.used_bytes / MIB:.0f} of {depth.max_bytes / MIB:.0f} MB"
        )
    if health.store:
        _print_store(health.store)


def _print_store(store: Status) -> None:
    console = output()
    newest = f"{store.newest_at:%Y-%m-%d %H:%M} UTC" if store.newest_at else "never"
    console.print(
        f"Articles: {store.articles} ({store.duplicates} exact duplicates), newest {newest}; "
        f"feeds: {store.feeds}"
    )
    feed = store.change_feed
    console.print(
        f"Change feed: at position {feed.last_position}; {feed.unpublished} changes not published "
        f"yet, the oldest since {_age_s(feed.oldest_unpublished_at):.0f} s"
    )
    if store.feed_problems:
        odd = ", ".join(f"{problem} {count}" for problem, count in store.feed_problems.items())
        console.print(f"Odd in feeds, by how many feeds: {odd}")
    for title, rows in (("result", store.outcomes), ("link", store.links)):
        if rows:
            console.print()
            console.print(tables.counts_table(title, rows))
    if store.refusals:
        refused = ", ".join(f"{reason} {count}" for reason, count in store.refusals.items())
        console.print(f"\nRefused by the importer: {refused}")
