"""Promises of worker.quote: passages of two texts, exact in both, and hashes that find them."""

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.shared import arabic
from tests.unit.test_seeds import EXPECTED, article_of
from worker import quote

STATEMENT = (
    "«نحن ملتزمون بالعمل مع شركائنا في المنطقة من أجل ضمان الهزيمة الدائمة للتنظيم ومنع عودته»"
)
NUMBERS = random.Random(7)


def words(count: int) -> str:
    """So many words that stand in no other text."""
    return " ".join(f"w{NUMBERS.getrandbits(60):x}" for _ in range(count))


def passages(one: str, other: str) -> list[tuple[str, str]]:
    """What two texts share, as each has it."""
    ours, theirs = quote.Reading(one), quote.Reading(other)
    return [
        (
            one[slice(*ours.place(*passage.one))],
            other[slice(*theirs.place(*passage.other))],
        )
        for passage in quote.shared(ours.tokens, theirs.tokens)
    ]


def hashes(text: str) -> set[int]:
    """The hashes kept of a text."""
    return set(quote.hashes(*quote.split(arabic.normalize(text))))


def test_a_statement_is_found_as_each_text_has_it() -> None:
    """Spelling, marks and tatweel may differ; what comes out is as published."""
    spelt = STATEMENT.replace("أ", "ا").replace("ئ", "ئـ").replace("ة", "ه")
    one, other = f"{words(40)} {STATEMENT}، {words(30)}", f"{words(90)}\n\n{spelt} {words(9)}"

    assert passages(one, other) == [(STATEMENT.strip("«»"), spelt.strip("«»"))]
    assert hashes(one) & hashes(other)


def test_a_changed_word_does_not_part_a_passage() -> None:
    """Up to three words may differ between two runs of six."""
    start, end = words(10), words(10)
    one = f"{words(50)} {start} he said {end} {words(50)}"
    other = f"{words(50)} {start} {end} {words(50)}"

    assert passages(one, other) == [(f"{start} he said {end}", f"{start} {end}")]


@pytest.mark.parametrize(("count", "found"), [(11, 0), (12, 1)])
def test_short_runs_are_no_passages(count: int, found: int) -> None:
    """Eleven words that stand in two texts are a turn of speech."""
    run = words(count)

    assert len(passages(f"{words(30)} {run}", f"{run} {words(30)}")) == found


def test_two_passages_in_another_order() -> None:
    """Each is found where it stands in either text."""
    first, second = words(15), words(20)
    one = f"{words(60)} {first} {words(9)} {second} {words(9)}"
    other = f"{words(60)} {second} {words(9)} {first} {words(9)}"

    assert passages(one, other) == [(first, first), (second, second)]


def test_copies_share_no_passages() -> None:
    """Where half of the longer text is the other's, that is a reprint, not a quotation."""
    text = words(80)

    assert passages(text, text) == []
    assert passages(text, f"{text} {words(79)}") == []
    assert len(passages(text, f"{text} {words(120)}")) == 1


def test_reports_of_one_template_share_no_passages() -> None:
    """Sentences in which only the numbers differ are a form that somebody fills in daily."""
    form = "بلغ سعر صرف الدولار الامريكي في السوق الموازية اليوم {} ليرة للشراء و {} ليرة للمبيع"
    one = f"{words(60)} {form.format(14100, 14200)} {form.format(7100, 7200)}"
    other = f"{words(60)} {form.format(13900, 14050)} {form.format(6900, 7050)}"

    assert passages(one, other) == []


def test_a_number_that_was_brought_up_to_date() -> None:
    """One number may differ in a passage."""
    said = "{} killed and many more hurt when the old bridge over the river fell on monday"
    one, other = f"{words(40)} {said.format(5)}", f"{words(40)} {said.format(7)}"

    assert passages(one, other) == [(said.format(5), said.format(7))]


def test_endless_repetition_ends() -> None:
    """Texts that repeat themselves take no time to speak of, and are no passages."""
    assert passages("word " * 50_000, "word " * 40_000) == []
    assert passages("a b c d e f g " * 5_000, "g f e d c b a " * 5_000) == []
    assert len(hashes("word " * 50_000)) == 1


@given(st.integers(13, 40), st.integers(0, 300), st.integers(0, 300))
def test_thirteen_quoted_words_share_a_hash(count: int, before: int, after: int) -> None:
    """Winnowing guarantees it wherever the quotation stands."""
    said = f"«{words(count)}»"

    assert hashes(f"{words(before)} {said} {words(after)}") & hashes(f"{words(after)} {said}")


@given(st.integers(29, 60), st.integers(0, 300), st.integers(0, 300))
def test_twenty_nine_words_share_a_hash(count: int, before: int, after: int) -> None:
    """Also where no quotation marks tell of them."""
    run = words(count)

    assert hashes(f"{words(before)} {run} {words(after)}") & hashes(f"{run} {words(after)}")


few_words = st.lists(
    st.sampled_from(["قال", "الأمريكي", "1,5", "ﷺ", "b", "كُلّ", "«", "\n", "か\n\u3099"]),
    max_size=60,
)


@settings(max_examples=300)
@given(few_words, few_words, st.text(max_size=20))
def test_places_are_exact_and_the_order_of_two_texts_makes_no_difference(
    left: list[str], right: list[str], odd: str
) -> None:
    """The text between a passage's places has its words, all of them and no others."""
    one, other = quote.Reading(" ".join([*left, odd])), quote.Reading("،".join([odd, *right]))
    found = quote.shared(one.tokens, other.tokens)

    for text, side, spans in (
        (" ".join([*left, odd]), one, [passage.one for passage in found]),
        ("،".join([odd, *right]), other, [passage.other for passage in found]),
    ):
        for first, end in spans:
            start, stop = side.place(first, end)
            # A character of several words is never cut.
            covered = slice(*side.tokens_at(start, stop))
            assert arabic.tokens(text[start:stop]) == side.tokens[covered]
    mirrored = [passage.mirrored() for passage in quote.shared(other.tokens, one.tokens)]
    assert sorted(mirrored, key=lambda passage: passage.one) == found
    for earlier, later in pairwise(found):
        assert earlier.one <= later.one
    for passage in found:
        for block in passage.blocks:
            ours = one.tokens[block.one : block.one + block.length]
            theirs = other.tokens[block.other : block.other + block.length]
            assert quote._masked(ours) == quote._masked(theirs)


@given(st.text(alphabet=st.characters()))
def test_hashes_of_any_text(text: str) -> None:
    """Whatever the characters, hashes are numbers that Postgres holds, and each is kept once."""
    tokens, quoted = quote.split(arabic.normalize(text))
    kept = quote.hashes(tokens, quoted)

    assert tokens == arabic.tokens(text)
    assert all(-(2**63) <= value < 2**63 for value in kept)
    assert len(set(kept)) == len(kept)


@settings(max_examples=300)
@given(st.text(st.one_of(st.sampled_from("ab \n\r\u3099かﷺ1,.\u0301أ\u200f"), st.characters())))
def test_a_reading_has_the_words_of_the_text(text: str) -> None:
    """Read by paragraphs, words and places are those of the whole text."""
    reading, words = quote.Reading(text), arabic.words(text)

    assert reading.tokens == words.tokens
    for index, (start, end) in enumerate(zip(words.starts, words.ends, strict=True)):
        assert reading.place(index, index + 1) == (start, end)
        first, last = reading.tokens_at(start, end)
        assert first <= index < last


def test_part_of_a_passage() -> None:
    """A part has the same words of both texts, and is none when it is short."""
    run = words(30)
    one, other = quote.Reading(f"{words(40)} {run}"), quote.Reading(f"{run} {words(40)}")
    (passage,) = quote.shared(one.tokens, other.tokens)

    part = passage.part(45, 60)

    assert part is not None
    assert (part.one, part.other) == ((45, 60), (5, 20))
    assert passage.part(60, 71) is None


def test_of_the_seeds_two_share_a_statement() -> None:
    """000 and 003 carry one sentence of the state department; nothing else is shared."""
    texts = {name[:3]: article_of(name).extraction.text for name in EXPECTED}
    found = {
        (one, other): passages(texts[one], texts[other])
        for one in texts
        for other in texts
        if one < other
    }

    assert {pair for pair, shared in found.items() if shared} == {("000", "003")}
    ((one, other),) = found["000", "003"]
    assert one.startswith("نحن ملتزمون")
    assert arabic.tokens(one) == arabic.tokens(other)
    assert {pair for pair in found if hashes(texts[pair[0]]) & hashes(texts[pair[1]])} == {
        ("000", "003")
    }
