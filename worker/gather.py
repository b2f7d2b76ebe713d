"""Passages of pairs of articles go in; which quotations stand where comes out.

A quotation is a passage; whoever carries it, or twelve words of it, stands in it with a place of
its own. A passage that reaches beyond quotations that are known is cut at their ends, and what is
left over is a new one. So one that carries a sentence and one that carries the paragraph around it
meet in the sentence, whichever came first.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.shared.contracts import Place
from worker.quote import Passage, Reading


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an article, read."""

    article_id: int
    version: int
    reading: Reading


@dataclass(frozen=True, slots=True)
class Pair:
    """Two articles and the passages they share."""

    one: Version
    other: Version
    passages: Sequence[Passage]


class Gathering:
    """Quotations by number: those that are known, and new ones, whose numbers are negative."""

    def __init__(self, known: Iterable[tuple[int, Place]]) -> None:
        """Begin with what is known of the articles."""
        self._standing: dict[int, dict[int, Place]] = defaultdict(dict)
        for quotation, stands in known:
            self._standing[stands.article_id][quotation] = stands
        self._new = 0
        self._added: list[tuple[int, Place]] = []

    def add(self, pair: Pair) -> None:
        """Let both articles of a pair stand in each quotation they share."""
        for passage in pair.passages:
            rest = [passage]
            for quotation, known in self._known(pair, passage):
                left: list[Passage] = []
                for piece in rest:
                    part = piece.part(*known.one)
                    if part is None:
                        left.append(piece)
                        continue
                    self._put(quotation, pair, part)
                    ends = (piece.one[0], part.one[0]), (part.one[1], piece.one[1])
                    left += filter(None, (piece.part(*end) for end in ends))
                rest = left
            for piece in rest:
                self._new -= 1
                self._put(self._new, pair, piece)

    def added(self) -> tuple[list[tuple[int, Place]], list[list[Place]]]:
        """Return what is to be stored: places in quotations that are known, and new quotations."""
        joined = [(quotation, stands) for quotation, stands in self._added if quotation > 0]
        new = [
            [stands for quotation, stands in self._added if quotation == number]
            for number in range(-1, self._new - 1, -1)
        ]
        return joined, new

    def _known(self, pair: Pair, passage: Passage) -> list[tuple[int, Passage]]:
        """Return the quotations that share enough with a passage, most first, then the oldest."""
        found = [
            (quotation, part)
            for quotation, tokens in self._touched(pair.one, passage.one)
            if (part := passage.part(*tokens))
        ]
        other_way = passage.mirrored()
        found += [
            (quotation, part.mirrored())
            for quotation, tokens in self._touched(pair.other, passage.other)
            if (part := other_way.part(*tokens))
        ]
        return sorted(found, key=lambda item: (item[0] < 0, abs(item[0])))

    def _touched(
        self, article: Version, tokens: tuple[int, int]
    ) -> list[tuple[int, tuple[int, int]]]:
        """Return the quotations that stand among these words of an article, with their words."""
        start, end = article.reading.place(*tokens)
        return [
            (quotation, article.reading.tokens_at(stands.start, stands.end))
            for quotation, stands in self._standing[article.article_id].items()
            if stands.start < end and start < stands.end
        ]

    def _put(self, quotation: int, pair: Pair, passage: Passage) -> None:
        for article, tokens in ((pair.one, passage.one), (pair.other, passage.other)):
            standing = self._standing[article.article_id]
            if quotation not in standing:
                start, end = article.reading.place(*tokens)
                stands = Place(
                    article_id=article.article_id, version=article.version, start=start, end=end
                )
                standing[quotation] = stands
                self._added.append((quotation, stands))
