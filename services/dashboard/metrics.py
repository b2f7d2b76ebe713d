"""Health in, figures for Prometheus out; docs/ops.md has the list.

A store that does not answer has no figures: `rasid_store_up` tells it, as does their absence.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from services.dashboard.page import first
from services.health import Health, age_s
from services.queue import Depth
from services.storage.status import SourceActivity, Status

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
Samples = Iterable[tuple[tuple[str, ...], float]]


def render(health: Health) -> bytes:
    """Return the figures in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(health))
    return generate_latest(registry)


class _Collector:
    """What a registry asks for families."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield each family."""
        health = self._health
        yield _gauge("problems", "What is wrong, as the page counts it.", len(health.problems))
        yield _labelled(
            "store_up",
            "Whether a store has answered.",
            ("store",),
            [(("postgres",), health.store is not None), (("redis",), health.depth is not None)],
        )
        yield _gauge("read_timestamp_seconds", "When both were asked.", health.at.timestamp())
        if health.depth:
            yield from _of_queue(health.depth, braked=health.brake is not None)
        if health.store:
            yield from _of_store(health.store, health.at)
        if health.activity:
            yield from _of_sources(health.activity.sources)


def _of_queue(depth: Depth, *, braked: bool) -> Iterator[GaugeMetricFamily]:
    yield _gauge("brake_on", "Whether workers take no pages.", braked)
    yield _labelled(
        "queue_pages",
        "Pages without a result.",
        ("lane",),
        [((lane,), count) for lane, count in depth.pages.items()],
    )
    yield _gauge("queue_max_pages", "Producers wait above it.", depth.max_pages)
    yield _gauge("queue_oldest_age_seconds", "Age of the oldest of them.", depth.oldest_age_s)
    yield _gauge("queue_bytes", "Memory of the Redis for bodies.", depth.used_bytes)
    yield _gauge("queue_max_bytes", "Producers wait above it.", depth.max_bytes)
    yield _gauge("queue_messages", "Messages in the broker.", depth.messages)


def _of_store(store: Status, now: datetime) -> Iterator[GaugeMetricFamily]:
    yield _gauge("articles", "Articles stored.", store.articles)
    yield _gauge("duplicate_articles", "Those that are exact copies.", store.duplicates)
    if store.newest_at:
        newest = store.newest_at.timestamp()
        yield _gauge("newest_article_timestamp_seconds", "When the newest came.", newest)
    yield _labelled("results", "Pages by result.", ("outcome", "reason"), store.outcomes.items())
    yield _labelled("links", "Links by state.", ("state", "reason"), store.links.items())
    yield _by_word("dead_letters", "Dead letters.", "reason", store.dead_letters)
    yield _by_word("import_refusals", "Refused by the importer.", "reason", store.refusals)
    yield _gauge("feeds", "Feeds that are enabled.", store.feeds)
    yield _by_word("feed_problems", "Odd in feeds, by feeds.", "problem", store.feed_problems)
    yield _gauge("hosts_without_robots", "Hosts left alone.", len(store.unreachable_robots))
    yield _gauge("missed_rules", "Rules that stopped matching.", len(store.missed_rules))
    feed = store.change_feed
    yield _gauge("change_feed_position", "The newest change.", feed.last_position)
    yield _gauge("changes_unpublished", "Changes not in the feed yet.", feed.unpublished)
    oldest_s = max(0.0, age_s(feed.oldest_unpublished_at, now))
    yield _gauge("changes_unpublished_age_seconds", "Age of the oldest of them.", oldest_s)


def _of_sources(sources: Iterable[SourceActivity]) -> Iterator[GaugeMetricFamily]:
    enabled, more = first(sources)
    yield _gauge("more_sources", "Sources without figures.", more)
    yield _labelled(
        "source_newest_article_timestamp_seconds",
        "When a source's newest article came.",
        ("source",),
        [((s.name,), s.newest_at.timestamp()) for s in enabled if s.newest_at],
    )
    yield _labelled(
        "source_articles_last_day",
        "A source's articles of the last 24 hours.",
        ("source",),
        [((s.name,), s.last_day) for s in enabled],
    )
    yield _labelled(
        "source_feeds",
        "A source's feeds by state; one that has overflowed is counted there as well.",
        ("source", "state"),
        [
            ((s.name, state), count)
            for s in enabled
            for state, count in (
                ("well", s.feeds - s.failing - s.silent),
                ("failing", s.failing),
                ("silent", s.silent),
                ("overflowed", s.overflowed),
            )
        ],
    )


def _gauge(name: str, what: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"rasid_{name}", what, value=float(value))


def _by_word(name: str, what: str, label: str, counts: Mapping[str, int]) -> GaugeMetricFamily:
    return _labelled(name, what, (label,), [((word,), count) for word, count in counts.items()])


def _labelled(name: str, what: str, labels: tuple[str, ...], samples: Samples) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"rasid_{name}", what, labels=labels)
    for values, count in samples:
        family.add_metric([printable(value) for value in values], float(count))
    return family


def printable(value: str) -> str:
    """Return a label's value as it can be sent: another one for each, so nothing is written out."""
    return value.encode("utf-8", "replace").decode()
