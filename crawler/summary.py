"""What a crawl did, counted as it goes; every refusal and failure under its reason."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Summary:
    """Counts since the crawl began."""

    feeds_polled: int = 0
    feeds_unchanged: int = 0
    #: Entries of feeds, and how many of their addresses nobody had seen before.
    links_listed: int = 0
    links_new: int = 0
    pages_published: int = 0
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
    started_at: float = field(default_factory=time.monotonic, repr=False)
    duration_s: float = 0.0


Progress = Callable[[Summary], None]


class Reporter:
    """Tells a listener how the crawl goes, at most ten times a second."""

    EVERY_S = 0.1

    def __init__(self, listener: Progress) -> None:
        """Begin with nothing counted."""
        self.summary = Summary()
        self._listener = listener
        self._told_at = 0.0

    def tell(self, *, now: bool = False) -> None:
        """Pass the counts on, unless that was done a moment ago."""
        clock = time.monotonic()
        if now or clock - self._told_at >= self.EVERY_S:
            self._told_at = clock
            self.summary.duration_s = clock - self.summary.started_at
            self._listener(self.summary)
