"""The answer to a request for robots.txt goes in; what it lets us fetch, and how fast, comes out.

As RFC 9309 has it: what the server refuses to show (4xx) allows everything; while there is no
answer (5xx, no connection) nothing is asked for.
"""

from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlsplit

from protego import Protego

#: What is read of a file, at least as the RFC asks.
MOST_BYTES = 500 * 1024
#: How long an answer holds, unless its server states another time between the two limits.
LIFETIME_S = 6 * 3600.0
SHORTEST_S = 3600.0
LONGEST_S = 24 * 3600.0
#: While there is no answer, the last one holds for so long.
KEPT_S = 7 * 86_400.0
#: After so long without an answer there are no rules.
GIVEN_UP_S = 30 * 86_400.0
#: A longer Crawl-delay would be a way to say no.
LONGEST_DELAY_S = 3600.0


@dataclass(frozen=True)
class Rules:
    """What robots.txt says; `body` is None where there is none."""

    body: bytes | None = None

    @cached_property
    def _parsed(self) -> Protego | None:
        if not self.body:
            return None
        return Protego.parse(self.body[:MOST_BYTES].decode("utf-8-sig", "replace"))

    def allow(self, url: str, agent: str) -> bool:
        """Return whether this user agent may fetch the address."""
        return self._parsed is None or bool(self._parsed.can_fetch(url, agent))

    def delay_s(self, agent: str) -> float:
        """Return the seconds between two requests that it asks for; 0 if it does not."""
        stated = self._parsed.crawl_delay(agent) if self._parsed else None
        return min(max(float(stated or 0), 0.0), LONGEST_DELAY_S)


def origin(url: str) -> str:
    """Return what an address shares its robots.txt with: scheme, host and port."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2].lower()}"


def is_answer(status: int) -> bool:
    """Return whether a status tells the rules; 429 and 5xx tell nothing."""
    return status < 500 and status != 429  # noqa: PLR2004 - server error, too many requests


def lifetime_s(fresh_s: float | None) -> float:
    """Return how long an answer holds whose headers give it so long."""
    return LIFETIME_S if fresh_s is None else min(max(fresh_s, SHORTEST_S), LONGEST_S)
