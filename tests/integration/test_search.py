"""What media.search promises: spellings and forms of a word find each other, and no query fails."""

import random
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from services.local import Stack
from services.shared import arabic, search_words
from services.storage import Connection, connect, results
from services.storage.migrate import migrate
from services.storage.search import Findable, Search, index, search
from services.storage.text import fit
from tests.conftest import admin, url_of
from tests.factories import stored

SHARED_CONNECTION = hypothesis_settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """A connection to a migrated database."""
    with connect(database_url) as opened:
        yield opened


def save(
    connection: Connection, name: str, text: str, source: str | None = None, **fields: Any
) -> None:
    """Store an article with this text."""
    item = stored(f"https://{name}/1", text, **{"title": None, "language": "ar", **fields})
    results.save(connection, [replace(item, page=replace(item.page, source=source))], 1)


def found(connection: Connection, query: str, **filters: Any) -> list[str]:
    """The names of the articles found, in alphabetical order."""
    rows = search(connection, Search(query=query, **filters))
    return sorted(str(row["url"])[8:-2] for row in rows)


class TestNormalize:
    """rasid.normalize is services.shared.arabic.normalize.

    They can differ where the two know different versions of Unicode: a character that the one does
    not know yet is left as it is there. Such characters are left out below.
    """

    def same(self, connection: Connection, text: str) -> None:
        text = fit("".join(c for c in text if unicodedata.category(c) not in ("Cn", "Cs", "Co")))
        (there,) = connection.execute("select rasid.normalize(%s)", (text,)).fetchone() or ("",)
        assert there == arabic.normalize(text)

    def test_every_character(self, connection: Connection) -> None:
        """Each character of Unicode, between two others, becomes the same in both."""
        known = [
            chr(code)
            for code in (*range(1, 0x20000), *range(0xE0000, 0xE1000))
            if unicodedata.category(chr(code)) not in ("Cn", "Cs", "Co")
        ]
        pairs = connection.execute(
            "select c, rasid.normalize('a' || c || 'b') from unnest(%s::text[]) as c", (known,)
        ).fetchall()
        different = {
            f"{ord(str(c)):04x}": (there, arabic.normalize(f"a{c}b"))
            for c, there in pairs
            if there != arabic.normalize(f"a{c}b")
        }

        assert different == {}

    @SHARED_CONNECTION
    @given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cn", "Co"])))
    def test_any_text(self, connection: Connection, text: str) -> None:
        """Texts of any characters become the same in both."""
        self.same(connection, text)

    @SHARED_CONNECTION
    @given(
        st.text(alphabet="امريكنوبيسشت أإآىةئؤٱکی١۲.,٫\u064b\u0640\u200c\u0300eİıßΣς", max_size=50)
    )
    def test_arabic_text(self, connection: Connection, text: str) -> None:
        """Arabic letters, marks and digits in any order become the same in both."""
        self.same(connection, text)


SPELLINGS = ["أمريكا", "أميركا", "امريكا", "أَمْرِيكَا", "أمـــريـــكا", "ﺃﻣﺮﻳﻜﺎ", "أمریکا"]


class TestWords:
    @pytest.mark.parametrize("query", SPELLINGS)
    @pytest.mark.parametrize("written", SPELLINGS)
    def test_spellings(self, connection: Connection, query: str, written: str) -> None:
        """Hamza, marks, tatweel, forms and the two usual spellings make no difference."""
        save(connection, "a", f"قالت {written} اليوم")
        save(connection, "b", "قالت فرنسا اليوم")

        assert found(connection, query) == ["a"]
        assert found(connection, f'"{query} اليوم"') == ["a"]

    @pytest.mark.parametrize(
        ("query", "written", "language"),
        [
            ("القدس", "بالقدس", "ar"),
            ("القدس", "للقدس", "ar"),
            ("الأميركيون", "والأمريكيين", "ar"),
            ("لبنان", "وبلبنان", "ar"),
            ("وزير", "الوزير", "ar"),
            ("الوزير", "ووزير", "ar"),
            ("السوري", "السورية", "ar"),
            ("run", "running", "en"),
            ("universities", "university", "en"),
            ("élections", "Election", "fr"),
            ("Häuser", "Haus", "de"),
            ("istanbul", "İSTANBUL", "tr"),
            ("DİYARBAKIR", "Diyarbakır", "tr"),
            ("выборы", "выборов", "ru"),
            ("שלום", "שָׁלוֹם", "he"),
            ("می‌رود", "میرود", "fa"),
            ("کتاب", "كتاب", "fa"),
            ("東京", "我在東京看電影", "zh"),
            ("ราชอาณาจักร", "ประเทศราชอาณาจักรไทย", "th"),
            ("2500", "٢٬٥٠٠", "ar"),
            ("U.S.", "the U.S. said", "en"),
            ("straße", "STRASSE", "de"),
        ],
    )
    def test_forms(self, connection: Connection, query: str, written: str, language: str) -> None:
        """A word finds its other forms, in the language the article is written in."""
        save(connection, "a", f"... {written} ...", language=language)

        assert found(connection, query) == ["a"]
        assert found(connection, query, language=language) == ["a"]

    @pytest.mark.parametrize(
        ("query", "written", "language"),
        [
            ("بنان", "بيروت", "ar"),
            ("حزب", "حرب", "ar"),
            ("university", "universities", "fr"),
            ("京東", "東京", "zh"),
            ("يق", "الطريق", "ar"),
            ('"running"', "runs", "en"),
            ('"قدس"', "القدس", "ar"),
            ('"the end is"', "is the end", "en"),
        ],
    )
    def test_other_words(
        self, connection: Connection, query: str, written: str, language: str
    ) -> None:
        """Stems are of the article's own language; in quotes words are just as written."""
        save(connection, "a", written, language=language)

        assert found(connection, query) == []

    def test_operators(self, connection: Connection) -> None:
        """All words, phrases, beginnings, negations and alternatives."""
        save(connection, "a", "the quick brown fox", language="en")
        save(connection, "b", "brown the quick economy", language="en")

        assert found(connection, "brown quick") == ["a", "b"]
        assert found(connection, '"quick brown"') == ["a"]
        assert found(connection, "“quick brown”") == ["a"]
        assert found(connection, "econ*") == ["b"]
        assert found(connection, '"quick econ*"') == ["b"]
        assert found(connection, "brown -fox") == ["b"]
        assert found(connection, 'brown -"quick brown"') == ["b"]
        assert found(connection, "fox or economy") == ["a", "b"]
        assert found(connection, "missing or quick fox") == ["a"]
        assert found(connection, "fox economy") == []
        assert found(connection, "-fox") == []

    def test_title_and_text(self, connection: Connection) -> None:
        """Both are searched, but no phrase runs from the one into the other."""
        save(connection, "a", "second", title="first", language="en")

        assert found(connection, "first second") == ["a"]
        assert found(connection, '"first second"') == []

    def test_new_version(self, connection: Connection) -> None:
        """An article is found by what it says now."""
        save(connection, "a", "old words", language="en", hour=1)
        save(connection, "a", "new words", language="fr", hour=2)

        assert found(connection, "new", language="fr") == ["a"]
        assert found(connection, "old") == found(connection, "new", language="en") == []

    def test_long_and_strange_texts_are_stored(self, connection: Connection) -> None:
        """Nothing an article holds keeps it from being stored, and its beginning is found."""
        letters = [chr(c) for c in range(0x1F000) if chr(c).isalpha()]
        save(connection, "a", "start " + " ".join(f"{a}{i}" for i, a in enumerate(letters)))
        save(connection, "b", "start " + "ﷺ" * 50_000 + "x" * 100_000)
        save(connection, "c", "start ' \\ =en/run @l/ar : * ''", title="'\\", source="a'\\b")

        assert found(connection, "start") == ["a", "b", "c"]


class TestFilters:
    def test_each(self, connection: Connection) -> None:
        """Language, source and times leave out the others; unknown publication is storage."""
        for name, language, source, published_at in (
            ("0", "ar", "it's \\", datetime(2025, 5, 1, tzinfo=UTC)),
            ("1", "en", "b", datetime(2026, 5, 1, tzinfo=UTC)),
            ("2", None, None, None),
        ):
            save(
                connection,
                name,
                "word",
                source=source,
                language=language,
                published_at=published_at,
            )

        year = datetime(2026, 1, 1, tzinfo=UTC)
        assert found(connection, "word") == ["0", "1", "2"]
        assert found(connection, "word", language="ar") == ["0"]
        assert found(connection, "word", published_from=year) == ["1", "2"]
        assert found(connection, "word", published_to=year) == ["0"]
        assert found(connection, "word", created_from=datetime.now(UTC).replace(year=2020)) == [
            *"012"
        ]
        assert found(connection, "word", created_to=year.replace(year=2020)) == []
        assert found(connection, "word", source="it's \\") == ["0"]
        assert found(connection, "word", source="it's") == []

    def test_order_and_pages(self, connection: Connection) -> None:
        """Better and newer first, or newest first; pages do not overlap and miss nothing."""
        for day in range(1, 10):
            save(
                connection,
                str(day),
                "word and others" if day != 5 else "word word word",
                published_at=datetime(2026, 1, day, tzinfo=UTC),
            )

        def names(**options: Any) -> list[str]:
            rows = search(connection, Search(query="word", **options))
            assert {row["matches"] for row in rows} == {9}
            assert {row["matches_from"] for row in rows} == {None}
            return [str(row["url"])[8:-2] for row in rows]

        assert names(limit=2) == ["5", "9"]
        assert names(sort="newest") == [*"987654321"]
        assert names(sort="newest", limit=4, offset=4) == [*"5432"]

    def test_pages_beyond_what_is_ranked_at_once(self, connection: Connection) -> None:
        """However far one goes through what is found, each article comes once."""
        chance = random.Random(1)
        items = [
            stored(f"https://{n}.example/1", f"{'word ' * chance.randint(1, 9)} and x{n}")
            for n in range(1200)
        ]
        for first in range(0, len(items), 100):
            results.save(connection, items[first : first + 100], 1)

        def page(offset: int, sort: Literal["relevance", "newest"]) -> list[object]:
            what = Search(query="word", limit=130, offset=offset, sort=sort)
            return [row["article_id"] for row in search(connection, what)]

        for sort in ("relevance", "newest"):
            ids = [found for first in range(0, 1300, 130) for found in page(first, sort)]
            assert len(ids) == len(set(ids)) == 1200
        assert page(2**31 - 1, "relevance") == []

    def test_withdrawn_articles_say_so(self, connection: Connection) -> None:
        """What a publisher took back is still found, and marked as withdrawn."""
        save(connection, "a", "word")
        connection.execute(
            "update rasid.articles set withdrawn_at = now(), withdrawn_reason = 'gone'"
        )

        (row,) = search(connection, Search(query="word"))
        assert row["withdrawn_at"] is not None

    def test_many_matches(self, connection: Connection) -> None:
        """Where very much matches, the newest are found first, and the rest is not claimed."""
        save(connection, "a", "word")
        connection.execute(
            "alter table rasid.article_search drop constraint article_search_article_id_fkey"
        )
        connection.execute(
            "insert into rasid.article_search (article_id, at, created_at, words)"
            " select n + 1000, at, at, rasid.search_vector(null, 'word', null, null, at)"
            " from generate_series(1, 40000) as n"
            " cross join lateral (select now() - n * interval '1 hour' as at) as t"
        )

        (row,) = search(connection, Search(query="word", sort="newest", limit=1))
        assert row["url"] == "https://a/1"
        assert row["matches_from"] is not None
        assert 500 <= int(str(row["matches"])) < 40_000


class TestSnippets:
    @pytest.mark.parametrize(
        ("query", "text", "snippet"),
        [
            ("امريكي", "قال الـأَمـريكيّ: نعم", "قال [الـأَمـريكيّ]: نعم"),
            ("اميركي", "قال الأَمـريكيّون.", "قال [الأَمـريكيّون]."),
            ("2500", "about ٢٬٥٠٠ people", "about [٢٬٥٠٠] people"),
            ("東京", "我在東京看", "我在[東][京]看"),
            ("econ*", "Économie, oui", "[Économie], oui"),
            ("nothing", "a  b\n\nc nothing", "a b c [nothing]"),
            ("می‌رود", "او میرود و می‌رود", "او [میرود] و [می‌رود]"),
        ],
    )
    def test_marks(self, connection: Connection, query: str, text: str, snippet: str) -> None:
        """Marks stand around the word as published, although another spelling was looked for."""
        save(connection, "a", text, language="ar")

        (row,) = search(connection, Search(query=query, mark_start="[", mark_stop="]"))
        assert row["snippet"] == snippet

    @SHARED_CONNECTION
    @given(st.text(max_size=200), st.text(max_size=30))
    def test_a_snippet_is_the_text(self, connection: Connection, text: str, query: str) -> None:
        """Whatever text and query are, a snippet without its marks is a part of the text."""
        text, query = fit(text), fit(query)
        (snippet,) = connection.execute(
            "select rasid.snippet(%s, array[rasid.normalize(%s)], '{}', '[[', ']]')", (text, query)
        ).fetchone() or ("",)

        def plain(value: object) -> str:
            return re.sub(r"\s+|\x01", "", str(value or ""))

        shown = plain(snippet).replace("[[", "").replace("]]", "").removesuffix("…")
        assert shown in plain(text).replace("[[", "").replace("]]", "") + "…"


BROKEN = [
    *("", " ", '"', '""', "-", "--", "*", "or", "or or", "-or", "'", "\\", "a\\'b", ":*"),
    *("!a & (", "<->", "'; drop table rasid.articles; --", "%s %(x)s", "=en/run", "@l/ar"),
    *("\0", "\ud800", "a" * 5000, '"a b', "(a or b", "a* *b", '-"', "- a", "a -"),
    *("\u200f\u0640", "x0between0x"),
]


class TestAnyQuery:
    @pytest.mark.parametrize("query", BROKEN)
    def test_broken(self, connection: Connection, query: str) -> None:
        """Half-typed and hostile queries find nothing or something, and never fail."""
        save(connection, "a", "first", title="title", language="en")

        found(connection, query)
        assert found(connection, "first title") == ["a"]
        assert found(connection, "=en/first") == found(connection, "@l/en") == []

    @SHARED_CONNECTION
    @given(
        st.one_of(
            st.text(max_size=80),
            st.text(alphabet="aأ1 \"-*|&!()<>:'\\=@/or", max_size=40),
        )
    )
    def test_any(self, connection: Connection, query: str) -> None:
        """Any string is a query."""
        search(connection, Search(query=query))

    def test_reader(self, connection: Connection, database_url: str) -> None:
        """Who may read schema media may search, and get at nothing else by it."""
        save(connection, "a", "word")
        with psycopg.connect(database_url, autocommit=True) as reader:
            reader.execute("set role rasid_reader")
            assert len(reader.execute("select * from media.search('word')").fetchall()) == 1
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute("select * from rasid.article_search")


ALPHABETS = st.one_of(
    st.text(max_size=300),
    st.text(alphabet="امريكنوبيسشت أإآىةئؤلهمفوبكٱی١۲.,٫\u064b\u0640\u200c«»،؟ \n", max_size=300),
    st.text(alphabet="aeinrsgdıİßœéø'’ 019.,-_“”—\n€\u00a0\u2028\x1c\U0001f600", max_size=300),
    st.text(alphabet="абвыхсмΣςσἀשלםաբ ё-\u0301\u0483\ufeff", max_size=300),
    st.lists(
        st.sampled_from(
            [
                *("running", "run", "the", "ran", "runs", "5g", "covid19", "1e5", "1e5a", "…"),
                *("وقال", "قال", "بالقدس", "القدس", "قدس", "выборов", "выборы", "élections"),
                *("x0between0x", "東京"),
            ]
        ),
        max_size=600,
    ).map(" ".join),
)


class TestVectors:
    """The worker's way to a vector and the database's own end in the same vector."""

    def same(self, connection: Connection, title: str | None, text: str, language: str) -> bool:
        """Compare the two; return whether the worker found the words."""
        text, title = fit(text), title and fit(title)
        normal = arabic.normalize(text)
        words = search_words.of(title, text, normal, arabic.split(normal))
        with connection.transaction(force_rollback=True):
            save(connection, "a", "x", source="a")
            (article_id,) = connection.execute(
                "update rasid.articles set title = %s, text = %s, language = %s returning id",
                (title, text, language),
            ).fetchone() or (0,)
            index(connection, {int(str(article_id)): Findable(language, words)})
            made, expected = connection.execute(
                "select s.words::text,"
                " rasid.search_vector(a.title, a.text, a.language, a.source, s.at)::text"
                " from rasid.article_search as s join rasid.articles as a on a.id = s.article_id"
            ).fetchone() or (None, "")
        assert made == expected
        return words is not None

    @hypothesis_settings(SHARED_CONNECTION, max_examples=200)
    @given(st.none() | ALPHABETS, ALPHABETS, st.sampled_from(["ar", "en", "fr", "ru", "tr", "fa"]))
    def test_any_text(
        self, connection: Connection, title: str | None, text: str, language: str
    ) -> None:
        """Whatever title and text are, both ways end in the same vector."""
        self.same(connection, title, text, language)

    def test_every_character(self, connection: Connection) -> None:
        """Each character that the worker takes for a letter or a sign is one to Postgres."""
        taken = "".join(f" x{c}y {c} {c}9" for c in search_words.LETTERS + search_words.SEPARATORS)
        for language in ("ar", "en", "el", "ru"):
            for first in range(0, len(taken), 9_000):
                assert self.same(connection, "x", taken[first : first + 9_000], language)

    @pytest.mark.parametrize(
        ("text", "found_here"),
        [
            ("the " * 253 + "run running", True),
            ("running " * 255, True),
            ("running runs " * 200, True),
            ("runs " * 9 + "running " * 300 + "title the " * 300, True),
            (" ".join(f"w{n}" for n in range(12_000)), True),
            (" ".join(f"w{n}" for n in range(13_000)), False),
            ("و" * 399 + "ا " + "ب" * 401, False),
            ("ﷺ " * 3_000, True),
            ("東京 tower", False),
            ("a\ue000b", False),
            ("1e5a", False),
        ],
    )
    def test_limits(self, connection: Connection, text: str, found_here: bool) -> None:
        """Near the limits of a tsvector and beyond its alphabets Postgres makes the vector."""
        for language in ("en", "ar"):
            self.same(connection, "the title run", text, language)
        normal = arabic.normalize(text)
        words = search_words.of("the title run", text, normal, arabic.split(normal))
        stems = {"running": ["run"], "runs": ["run"]}
        made = words and search_words.vector(words, stems, "en")
        assert (made is not None) == found_here

    def test_another_locale(self, stack: Stack, database_names: Iterator[str]) -> None:
        """A database to which signs are letters makes its vectors itself."""
        name = next(database_names)
        admin(stack, "create database {} template template0 encoding 'UTF8' locale 'C'", name)
        migrate(url_of(stack, name))
        with connect(url_of(stack, name)) as connection:
            parsed = connection.execute("select to_tsvector('simple', '«a»')").fetchone()
            assert parsed == ("'«a»':1",)
            self.same(connection, "«title»", "«running», he said", "en")
        admin(stack, "drop database {} with (force)", name)
