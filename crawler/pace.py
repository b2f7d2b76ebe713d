"""At what pace hosts may be asked, when each was asked last, and until when it is ours to ask.

Seconds are those of the monotonic clock. It is told of leases by the frontier, of delays by the
middleware, and of requests by what sends them, at the moment they are sent.
"""

import time
from collections.abc import Collection

from services.storage.hosts import Asked, Leased


class Pace:
    """What one crawler knows of the hosts it holds."""

    def __init__(self) -> None:
        """Begin with no host held."""
        self._until: dict[str, float] = {}
        self._delays: dict[str, float] = {}
        #: Since when former crawlers cannot have asked, and at what pace the last one did.
        self._former: dict[str, tuple[float, float]] = {}
        self._asked: dict[str, float] = {}
        #: Asked since the store was told of it.
        self._untold: set[str] = set()

    def leased(self, host: Leased, until: float) -> None:
        """Begin to hold a host."""
        self._until[host.name] = until
        if host.quiet_s is not None:
            self._former[host.name] = time.monotonic() - host.quiet_s, host.delay_s

    def renewed(self, hosts: Collection[str], until: float) -> None:
        """Hold these hosts for longer."""
        for host in hosts:
            self._until[host] = until

    def lost(self, host: str) -> None:
        """Hold a host no longer."""
        for known in (self._until, self._former, self._asked, self._delays):
            known.pop(host, None)
        self._untold.discard(host)

    def is_held(self, host: str) -> bool:
        """Return whether a request may be sent to the host now: only while our lease lasts."""
        return self._until.get(host, 0.0) > time.monotonic()

    def slow_down(self, host: str, delay_s: float) -> float:
        """Ask the host no faster than this; return the delay to keep: the slowest wish counts."""
        delay_s = self._delays[host] = self.delay_s(host, delay_s)
        return delay_s

    def delay_s(self, host: str, delay_s: float) -> float:
        """Return the delay that is kept, of those asked for and this one."""
        return max(delay_s, self._delays.get(host, 0.0))

    def wait_s(self, host: str, delay_s: float) -> float:
        """Return how long the first request must wait, because of those of former crawlers."""
        if host not in self._former or host in self._asked:
            return 0.0
        since, former_delay_s = self._former[host]
        return since + max(delay_s, former_delay_s) - time.monotonic()

    def asked(self, host: str) -> None:
        """Note that a request is being sent."""
        self._asked[host] = time.monotonic()
        self._untold.add(host)

    def to_tell(self) -> list[Asked]:
        """Return what the store does not know yet."""
        now = time.monotonic()
        return [
            Asked(
                host=host, seconds_ago=now - self._asked[host], delay_s=self._delays.get(host, 0.0)
            )
            for host in sorted(self._untold)
        ]

    def told(self, asked: Collection[Asked]) -> None:
        """Note that the store knows; what was sent in between it will be told the next time."""
        now = time.monotonic()
        for one in asked:
            if self._asked.get(one.host, now) <= now - one.seconds_ago:
                self._untold.discard(one.host)
