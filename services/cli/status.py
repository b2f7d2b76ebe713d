"""`rasid status`: is everything well?"""

from datetime import UTC, datetime

import typer

from services import health
from services.cli import tables
from services.cli.app import Json, app, output, print_json, settings_of
from services.cli.session import servers
from services.health import Health
from services.queue import Queue
from services.shared.settings import MIB
from services.storage import Database, Limits
from services.storage.status import Activity, Status


@app.command()
def status(context: typer.Context, as_json: Json = False) -> None:
    """Say whether everything is well; exit status 1 if it is not.

    \b
    Examples:
      rasid status
      rasid status --json | jq .problems
    """
    with servers(settings_of(context)) as session:
        database = Database(session.database_url, Limits(read_only=True))
        found = health.look(database, Queue(session.settings))
        database.close()
    if as_json:
        print_json(health.record(found))
    else:
        _print(found)
    if found.problems:
        raise typer.Exit(1)


def _print(found: Health) -> None:
    console = output()
    console.print("Not well:" if found.problems else "All is well.")
    for problem in found.problems:
        console.print(f"  - {problem}")
    if found.depth:
        depth = found.depth
        waiting = ", ".join(f"{lane} {count}" for lane, count in depth.pages.items())
        console.print(
            f"Queue: {waiting} pages; the oldest waits since {depth.oldest_age_s:.0f} s; "
            f"{depth.used_bytes / MIB:.0f} of {depth.max_bytes / MIB:.0f} MB"
        )
    if found.store and found.activity:
        _print_store(found.store, found.activity)


def _print_store(store: Status, activity: Activity) -> None:
    console = output()
    newest = f"{store.newest_at:%Y-%m-%d %H:%M} UTC" if store.newest_at else "never"
    console.print(
        f"Articles: {store.articles} ({store.duplicates} exact duplicates), {activity.last_hour} "
        f"in the last hour, {activity.last_day} in the last 24; newest {newest}; "
        f"feeds: {store.feeds}"
    )
    feed = store.change_feed
    waits_s = health.age_s(feed.oldest_unpublished_at, datetime.now(UTC))
    console.print(
        f"Change feed: at position {feed.last_position}; {feed.unpublished} changes not published "
        f"yet, the oldest since {waits_s:.0f} s"
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
