"""Promises of services.shared.arabic and worker.fingerprint."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.shared import arabic
from worker.fingerprint import text_sha256


def hashed(text: str) -> bytes:
    """The hash of a text's words."""
    return text_sha256(arabic.tokens(text))


ONE_SPELLING = [
    ("القوات الأمريكية", "القوات الأميركية", "القُوّاتُ الأَمريكيّة", "القوات الامريكيه"),
    ("إلى أن قرأ الآية", "الى ان قرا الايه"),
    ("محـــمد", "محمد"),
    ("على", "علی", "علي"),
    ("کتاب", "كتاب"),
    ("مسؤول", "مسئول"),
    ("هٰذا", "هذا"),
    ("ﻛﺘﺎﺏ", "كتاب"),
    ("١٬٢٣٤٫٥", "۱۲۳۴۵", "1,234.5", "१२३४५"),
    ("می‌رود", "می\u200fرود", "میرود"),
    ("ٱلله", "الله"),
    ("Straße ÉTÉ", "strasse été", "STRASSE e\u0301te\u0301"),
    ("עִבְרִית", "עברית"),
]


@pytest.mark.parametrize("spellings", ONE_SPELLING, ids=lambda spellings: spellings[0])
def test_spellings_of_one_word_become_one(spellings: tuple[str, ...]) -> None:
    """Hamza, marks, tatweel, ya, kaf, ta marbuta, digits and usual variants are folded."""
    assert {arabic.normalize(spelling) for spelling in spellings} == {
        arabic.normalize(spellings[0])
    }


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *(("كتب", "كتاب"), ("گل", "کل"), ("कि", "के"), ("が", "か"), ("กา", "กี"), ("a.b", "ab")),
        *(("1 2", "12"), ("سوريا", "روسيا"), ("한국", "한글")),
    ],
)
def test_different_words_stay_different(one: str, other: str) -> None:
    """Letters and vowel signs that tell words apart are kept, in every script."""
    assert arabic.tokens(one) != arabic.tokens(other)


def test_tokens_are_words_or_characters() -> None:
    """Words are runs of letters and digits; scripts without spaces count by character."""
    assert arabic.tokens("قال: «لا»، 2,5% don't a_b") == ["قال", "لا", "25", "don", "t", "a", "b"]
    assert arabic.tokens("東京タワー 한국 कि") == ["東", "京", "タ", "ワ", "ー", "한국", "कि"]
    assert arabic.tokens(" \n،؟!") == []


def test_text_hash_ignores_layout_and_spelling_but_not_words() -> None:
    """The hash of exact duplicates does not see line breaks, punctuation or hamza."""
    assert hashed("قالت أمريكا.\n\nانتهى") == hashed("قالت «اميركا» انتهي")
    assert hashed("ab c") != hashed("a bc")
    assert len(hashed("\ud800")) == 32


@given(st.text(alphabet=st.characters()))
def test_normalize_is_idempotent_and_total(text: str) -> None:
    """Normal text stays as it is, whatever characters it is made of."""
    once = arabic.normalize(text)
    assert arabic.normalize(once) == once
    assert "\u0640" not in once


@given(st.text(alphabet="امريكنوبيسشت أإآىةئؤ\u064b\u0640\u200c", max_size=40))
def test_arabic_normalization_is_idempotent(text: str) -> None:
    """Folding one stem never leaves another to be folded."""
    once = arabic.normalize(text)
    assert arabic.normalize(once) == once


AWKWARD = (
    "ab امريكأإىةﷺ١٢12.,٬ \u064b\u0640\u200c\u200d«»\u0345\u0301"
    "\u3099かガｶﾞ한\u1112\u1161\u11a8äﬁß¨\u0308"
)
any_text = st.text(st.one_of(st.sampled_from(AWKWARD), st.characters()))


@settings(max_examples=500)
@given(any_text)
def test_words_are_tokens_with_their_places(text: str) -> None:
    """Each word stands where it is said to, however its letters are normalised."""
    words = arabic.words(text)

    assert words.tokens == arabic.tokens(text)
    for token, start, end in zip(words.tokens, words.starts, words.ends, strict=True):
        assert token in arabic.tokens(text[start:end])
    assert words.starts == sorted(words.starts)
    assert words.ends == sorted(words.ends)


def test_places_are_those_of_the_word_as_written() -> None:
    """Marks and tatweel belong to the word; punctuation and spaces do not."""
    text = "«قـال» مُحَمَّدٌ، 1,5% ﷺ"
    words = arabic.words(text)

    written = [text[a:b] for a, b in zip(words.starts, words.ends, strict=True)]
    assert written == ["قـال", "مُحَمَّدٌ", "1,5", "ﷺ", "ﷺ", "ﷺ", "ﷺ"]
    assert words.tokens == ["قال", "محمد", "15", "صلي", "الله", "عليه", "وسلم"]
