"""Promises of worker.gather: which passages of pairs are one quotation, and where it stands."""

import itertools
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from services.shared.contracts import Place
from worker import quote
from worker.gather import Gathering, Pair, Version

RANDOM = random.Random(11)
SENTENCES = [" ".join(f"w{RANDOM.getrandbits(50):x}" for _ in range(20)) for _ in range(6)]


def reading(number: int, chosen: tuple[int, ...]) -> tuple[str, Version]:
    """An article that carries some of the sentences, each among words of its own."""
    own = " ".join(f"o{number}x{n}" for n in range(180))
    parts = [own, *(SENTENCES[n] for n in chosen), own[:600]]
    text = ". ".join(parts)
    return text, Version(number, 1, quote.Reading(text))


def pairs(readings: list[Version]) -> list[Pair]:
    """All pairs of articles that share something."""
    return [
        Pair(one, other, passages)
        for one, other in itertools.combinations(readings, 2)
        if (passages := quote.shared(one.reading.tokens, other.reading.tokens))
    ]


def stored(known: list[tuple[int, Place]], found: Gathering) -> list[tuple[int, Place]]:
    """What the store holds afterwards."""
    joined, new = found.added()
    after = [*known, *joined]
    first = max((quotation for quotation, _ in known), default=0) + 1
    for number, places in enumerate(new, first):
        after += [(number, place) for place in places]
    return after


def by_quotation(
    known: list[tuple[int, Place]], texts: dict[int, str]
) -> dict[int, dict[int, str]]:
    """Quotations, with the text each article has."""
    found: dict[int, dict[int, str]] = {}
    for quotation, place in known:
        found.setdefault(quotation, {})[place.article_id] = texts[place.article_id][
            place.start : place.end
        ]
    return found


carried = st.lists(
    st.lists(st.integers(0, 5), max_size=3, unique=True).map(tuple), min_size=2, max_size=5
)


@settings(max_examples=40)
@given(carried, st.randoms(use_true_random=False))
def test_in_whatever_order_articles_come(
    carried: list[tuple[int, ...]], order: random.Random
) -> None:
    """A sentence that two articles carry is in one quotation with both; again changes nothing."""
    texts, readings = {}, []
    for number, chosen in enumerate(carried, 1):
        text, read = reading(number, chosen)
        texts[number] = text
        readings.append(read)
    order.shuffle(readings)
    known: list[tuple[int, Place]] = []
    for count in range(2, len(readings) + 1):
        gathering = Gathering(known)
        for pair in pairs(readings[:count]):
            if readings[count - 1] in (pair.one, pair.other):
                gathering.add(pair)
        known = stored(known, gathering)

    found = by_quotation(known, texts)
    for one, other in itertools.combinations(range(1, len(carried) + 1), 2):
        for number in set(carried[one - 1]) & set(carried[other - 1]):
            sentence = SENTENCES[number].split()
            assert any(
                len(set(sentence) & set(carriers.get(article, "").split())) >= quote.MIN_TOKENS
                for carriers in found.values()
                if one in carriers and other in carriers
                for article in (one, other)
            )
    for carriers in found.values():
        assert len(carriers) >= 2
        for text in carriers.values():
            assert len(text.split()) >= quote.MIN_TOKENS
    again = Gathering(known)
    for pair in pairs(readings):
        again.add(pair)
    assert again.added() == ([], [])


def test_the_sentence_first_then_the_paragraph() -> None:
    """What reaches beyond a known quotation is cut at its ends; the rest is a new one."""
    texts, readings = {}, []
    for number, chosen in enumerate([(1,), (0, 1, 2), (0, 1, 2)], 1):
        texts[number], read = reading(number, chosen)
        readings.append(read)
    gathering = Gathering([])
    for pair in pairs(readings):
        gathering.add(pair)

    joined, new = gathering.added()

    assert joined == []
    found = by_quotation([(n, place) for n, places in enumerate(new) for place in places], texts)
    assert found == {
        0: dict.fromkeys((1, 2, 3), SENTENCES[1]),
        1: dict.fromkeys((2, 3), SENTENCES[0]),
        2: dict.fromkeys((2, 3), SENTENCES[2]),
    }


def test_the_paragraph_first_then_the_sentence() -> None:
    """Who carries a part stands in the quotation with the part."""
    texts, readings = {}, []
    for number, chosen in enumerate([(0, 1, 2), (0, 1, 2), (1,)], 1):
        texts[number], read = reading(number, chosen)
        readings.append(read)
    gathering = Gathering([])
    for pair in pairs(readings):
        gathering.add(pair)

    (places,) = gathering.added()[1]

    whole = ". ".join(SENTENCES[:3])
    assert by_quotation([(1, place) for place in places], texts) == {
        1: {1: whole, 2: whole, 3: SENTENCES[1]}
    }
