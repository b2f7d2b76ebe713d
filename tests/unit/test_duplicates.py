"""Promises of worker.fingerprint and worker.deduplicate: pure, total, and stable for ever."""

import hashlib
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.shared import arabic
from services.shared.contracts import BANDS, Candidate
from worker.deduplicate import (
    Comparison,
    choose,
    compare,
    decide,
    prepare,
    relate,
    shared,
)
from worker.fingerprint import MIN_TOKENS, MINIMA, SIGNATURE_VERSION, fingerprint

WORDS = ["".join(random.Random(n).choices("بتجدرسعفقلمن", k=5)) for n in range(3000)]


def words(seed: object, count: int) -> list[str]:
    """So many words, others for each seed."""
    return random.Random(f"{seed}").choices(WORDS, k=count)


def relation(one: list[str], other: list[str], *, same_outlet: bool = False) -> str | None:
    """How two texts stand to each other."""
    return relate(compare(prepare(one), prepare(other)), same_outlet=same_outlet)


def member(article_id: int, story_id: int, sketch: bytes, **fields: object) -> Candidate:
    """A candidate of 100 words, the longest of its story unless told otherwise."""
    values: dict[str, object] = {
        "tokens_count": 100,
        "longest_id": article_id,
        "longest_tokens_count": 100,
        "certain": False,
        "version": 1,
        "longest_version": 1,
        **fields,
    }
    return Candidate(article_id=article_id, story_id=story_id, sketch=sketch, **values)  # type: ignore[arg-type]


class TestFingerprint:
    def test_is_the_same_for_ever(self) -> None:
        """Stored fingerprints are compared with new ones: if this fails, count the version up."""
        text = " ".join(words("stable", 100)) + " 2026 كوفيد19 東京 Straße"
        found = fingerprint(arabic.tokens(text))

        assert found.version == SIGNATURE_VERSION == 101
        assert (len(found.bands), len(found.sketch), found.tokens_count) == (BANDS, MINIMA, 105)
        packed = np.array(found.bands, np.int32).astype("<i4").tobytes() + found.sketch
        assert hashlib.sha256(packed).hexdigest()[:16] == "b9c8970bd19a3a55"

    @given(st.lists(st.text(alphabet=st.characters(), max_size=5), max_size=80))
    def test_any_words(self, tokens: list[str]) -> None:
        """Whatever the words are, there are all bands or none, each of 32 bits."""
        found = fingerprint(tokens)

        assert found.tokens_count == len(tokens)
        assert len(found.bands) == (BANDS if len(tokens) >= MIN_TOKENS else 0)
        assert all(-(2**31) <= band < 2**31 for band in found.bands)

    def test_long_text(self) -> None:
        """A text of 100,000 words has a fingerprint like any other."""
        tokens = words("long", 100_000)

        assert len(set(fingerprint(tokens).bands)) == BANDS
        assert shared(fingerprint(tokens).sketch, fingerprint(tokens[:90_000]).sketch) > 45

    def test_sketch_tells_how_much_is_shared(self) -> None:
        """Of 64 minima two texts share about as many as they share runs, by chance hardly any."""
        whole = words(1, 600)
        sketch = fingerprint(whole).sketch

        assert shared(sketch, sketch) == MINIMA
        assert 20 <= shared(sketch, fingerprint(whole[:300]).sketch) <= 44
        assert shared(sketch, fingerprint(words(2, 600)).sketch) <= 3
        assert shared(sketch, b"") == 0


class TestCompare:
    @given(*[st.lists(st.sampled_from(["a", "b", "7", "8", "東"]), max_size=70)] * 2)
    def test_any_two_texts(self, one: list[str], other: list[str]) -> None:
        """Any two texts can be compared, either way with the same outcome, within bounds."""
        there, back = compare(prepare(one), prepare(other)), compare(prepare(other), prepare(one))

        assert (there.containment, there.jaccard) == (back.containment, back.jaccard)
        for share in (there.containment, there.jaccard, there.coverage, there.lead, there.length):
            assert 0 <= share <= 1
        assert there.identical == (one == other and bool(one))

    def test_empty(self) -> None:
        """Nothing is a copy of nothing."""
        assert compare(prepare([]), prepare(words(1, 50))) == Comparison()
        assert relation([], []) is None

    @pytest.mark.parametrize(
        ("part", "expected"),
        [
            (slice(0, 400), "same_story"),
            (slice(0, 200), "same_story"),
            (slice(200, 400), "same_story"),
            (slice(0, 100), "excerpt"),
            (slice(0, 25), "overlap"),
        ],
    )
    def test_parts(self, part: slice, expected: str) -> None:
        """Either half of a text is its copy; less than 0.3 an excerpt; a few words are neither."""
        assert relation(words(1, 400), words(1, 400)[part]) == expected

    def test_every_fifth_word_another(self) -> None:
        """A text with every sixth word replaced is a copy; with every other word it is none."""
        whole = words(1, 400)
        sixth = [word if n % 6 else f"x{n}x" for n, word in enumerate(whole)]
        second = [word if n % 2 else f"x{n}x" for n, word in enumerate(whole)]

        assert relation(whole, sixth) == "same_story"
        assert relation(whole, second) is None

    def test_background_used_again(self) -> None:
        """A follow-up of which less than half is recycled background is another story."""
        first = words(1, 400)
        follow_up = words(2, 250) + first[200:]

        assert relation(first, follow_up) == "overlap"

    def test_numbers(self) -> None:
        """A frame or list with other numbers is a template; counters beside a text are not."""
        frame = words(1, 160)

        def report(day: int) -> list[str]:
            numbers = random.Random(day)
            return [
                str(numbers.randint(1000, 9999)) if n % 10 == 5 else word
                for n, word in enumerate(frame)
            ]

        def list_of(day: int) -> list[str]:
            numbers = random.Random(day)
            pairs = [[city, *(str(numbers.randint(1, 45)) for _ in "ab")] for city in WORDS[:6]]
            return [*frame[:40], *(word for pair in pairs for word in pair), *frame[40:80]]

        assert relation(report(1), report(2)) == "template"
        assert relation(list_of(1), list_of(2)) == "template"
        assert relation(report(1), report(1)[:120]) == "same_story"
        counters = ["12", "3", "2026", "77", "9"], ["13", "4", "2025", "78", "8"]
        assert relation([*counters[0], *frame], [*counters[1], *frame]) == "same_story"

    def test_numbers_that_change_places(self) -> None:
        """A day later some of the times of prayer are what others were: still another day's."""
        prayers = [
            word
            for prayer, clock in enumerate(("4 55", "6 26", "11 41", "2 37", "4 56", "6 18"))
            for word in (*words(prayer, 8), *clock.split())
        ]
        later = {9: "56", 19: "27", 39: "36", 49: "55"}
        next_day = [later.get(place, word) for place, word in enumerate(prayers)]

        assert relation(prayers, next_day, same_outlet=True) == "template"
        assert relation(prayers, list(prayers), same_outlet=True) == "same_story"

    def test_one_outlet(self) -> None:
        """Within an outlet four fifths have to be the same, elsewhere three quarters are enough."""
        whole, changed = words(1, 300), words(1, 235) + words(2, 65)

        assert relation(whole, changed) == "same_story"
        assert relation(whole, changed, same_outlet=True) == "overlap"
        assert relation(whole, words(1, 300) + words(2, 30), same_outlet=True) == "same_story"

    def test_identical_however_short(self) -> None:
        """The same words are one story, be they two and of one outlet."""
        assert relation(["a", "b"], ["a", "b"], same_outlet=True) == "same_story"
        assert relation(["a", "b"], ["a", "c"]) != "same_story"


class TestDecide:
    def test_chooses_the_likeliest_and_the_longest(self) -> None:
        """Of each story two are compared at most; those that share too little are not."""
        sketch = fingerprint(words(1, 300)).sketch
        weaker = sketch[:20] + bytes(44 * [1])
        found = choose(
            9,
            sketch,
            [
                member(1, 1, weaker, longest_id=3),
                member(2, 1, sketch, longest_id=3),
                member(4, 4, sketch[:5] + bytes(59)),
                member(5, 5, sketch, tokens_count=50, longest_id=6),
                member(7, 7, b"", certain=True, longest_id=9),
            ],
        )

        assert sorted(found) == [2, 3, 6, 7]

    def test_joins_what_agrees(self) -> None:
        """Of two stories it joins the one most alike; the other only if it agrees or is held."""
        left, right = words(1, 200), words(2, 200)
        whole = prepare(left + right)
        others = {1: prepare(left), 2: prepare(right), 3: prepare(words(3, 300))}
        story_of = {1: 1, 2: 2, 3: 3}

        held = decide(9, whole, others, story_of)
        assert sorted(held.matches) == [1, 2]
        assert [(o.article_id, o.other_article_id) for o in held.overlaps] == [(1, 9), (2, 9)]

        middle = prepare(words(1, 600)[60:360])
        others = {1: prepare(words(1, 600)[:300]), 2: prepare(words(1, 600)[120:420])}
        assert len(decide(9, middle, others, story_of).matches) == 1

    def test_nobody(self) -> None:
        """Without others there is nothing to link."""
        assert decide(1, prepare(words(1, 50)), {}, {}).matches == ()
