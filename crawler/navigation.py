"""Section pages of a source come in; what stands on most of the others comes out: navigation."""

from collections import Counter, defaultdict

#: So many other pages are needed to tell.
FEWEST_PAGES = 2


class Navigation:
    """Remembers which links stand on which section page, as it was read last."""

    def __init__(self) -> None:
        """Begin with no page known."""
        self._pages: dict[str, dict[int, frozenset[str]]] = defaultdict(dict)

    def note(self, source: str, feed_id: int, keys: frozenset[str]) -> None:
        """Remember the links of a section page."""
        self._pages[source][feed_id] = keys

    def elsewhere(self, source: str, feed_id: int) -> frozenset[str]:
        """Return the links that stand on more than half of the source's other section pages."""
        others = [keys for other, keys in self._pages[source].items() if other != feed_id]
        if len(others) < FEWEST_PAGES:
            return frozenset()
        counts = Counter(key for keys in others for key in keys)
        return frozenset(key for key, count in counts.items() if count * 2 > len(others))
