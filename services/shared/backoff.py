"""How long to wait before the next try: longer each time, and never the same for two processes."""

import random


class Backoff:
    """Waits that double from `first_s` to `most_s`, each shortened by chance to half at most.

    Many processes that lose a server at the same moment so come back one after the other.
    """

    def __init__(self, first_s: float, most_s: float) -> None:
        """Begin with the first wait."""
        self._first_s = first_s
        self._most_s = most_s
        self._next_s = first_s

    def next(self) -> float:
        """Return the seconds to wait now; the next wait is twice as long."""
        wait = self._next_s
        self._next_s = min(wait * 2, self._most_s)
        return wait * random.uniform(0.5, 1)  # noqa: S311 - jitter

    def reset(self) -> None:
        """All is well again: begin anew."""
        self._next_s = self._first_s
