"""What a crawl did, counted as it goes; every refusal and failure under its reason."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from services.shared.frontier import JobProgress


@dataclass(kw_only=True)
class Summary:
    """Counts since the crawl began."""

    feeds_polled: int = 0
    feeds_unchanged: int = 0
    #: Entries of feeds, and how many of their addresses nobody had seen before.
    links_listed: int = 0
    links_new: int = 0
    pages_published: int = 0
    #: Fetched again, and as before.
    pages_unchanged: int = 0
    #: Feeds without a readable answer, by outcome.
    feed_failures: Counter[str] = field(default_factory=Counter)
    #: Links refused or failed for good, by reason.
    link_failures: Counter[str] = field(default_factory=Counter)
    #: Links to be asked again later, by reason.
    link_retries: Counter[str] = field(default_factory=Counter)
    #: What was wrong with feeds that were read all the same.
    problems: Counter[str] = field(default_factory=Counter)
    #: Why the crawl waits now, in words; None while it works.
    waiting: str | None = None
    #: How far the job is that the crawl is for, and how far it was when the crawl began.
    job: JobProgress | None = None
    job_before: JobProgress | None = None
    started_at: float = field(default_factory=time.monotonic, repr=False)
    duration_s: float = 0.0

    def __str__(self) -> str:
        """Return one line for people."""
        parts = [
            *([self._job_told(self.job)] if self.job else []),
            f"{self.feeds_polled} feeds polled ({self.feeds_unchanged} unchanged)",
            f"{self.links_new} new links of {self.links_listed} listed",
            f"{self.pages_published} pages published",
            *([f"{self.pages_unchanged} unchanged"] if self.pages_unchanged else []),
            *_told("feeds failed", self.feed_failures),
            *_told("links without page", self.link_failures),
            *_told("links asked again later", self.link_retries),
            *_told("problems in feeds", self.problems),
        ]
        if self.waiting:
            parts.append(f"waiting: {self.waiting}")
        return "; ".join(parts)

    def _job_told(self, job: JobProgress) -> str:
        told = f"{job.links_count:,} links found, {job.fetched_count:,} fetched"
        told += f", {job.left_count:,} left"
        if job.sitemaps_left:
            told += f", {job.sitemaps_left:,} sitemaps to read"
        before = self.job_before or job
        ended = job.links_count - job.left_count - before.links_count + before.left_count
        if ended > 0 and job.left_count:
            seconds = job.left_count * (time.monotonic() - self.started_at) / ended
            told += f", about {_span(seconds)} to go"
        if job.blocked_until:
            told += f"; a host wants no requests until {job.blocked_until:%H:%M} UTC"
        return told


def _span(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 2:  # noqa: PLR2004
        return f"{round(seconds)} s"
    hours = round(minutes / 60)
    return f"{minutes} min" if hours < 2 else f"{hours} h"  # noqa: PLR2004


def _told(what: str, counts: Counter[str]) -> list[str]:
    if not counts:
        return []
    return [f"{what}: " + ", ".join(f"{reason} {n}" for reason, n in sorted(counts.items()))]


Progress = Callable[[str], None]


class Reporter:
    """Tells a listener, in a line for people, how the crawl goes: at most once a second."""

    EVERY_S = 1.0

    def __init__(self, listener: Progress) -> None:
        """Begin with nothing counted."""
        self.summary = Summary()
        self._listener = listener
        self._told = ""
        self._told_at = time.monotonic()

    def tell(self, *, now: bool = False) -> None:
        """Tell the counts, unless that was done a moment ago or they are the same."""
        clock = time.monotonic()
        if not now and clock - self._told_at < self.EVERY_S:
            return
        self._told_at = clock
        self.summary.duration_s = clock - self.summary.started_at
        line = str(self.summary)
        if line != self._told:
            self._told = line
            self._listener(line)
