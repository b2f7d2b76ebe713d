"""Full-text search: articles into the index, and a query's results out."""

import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Literal
from weakref import WeakKeyDictionary

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format
from psycopg.rows import dict_row

from services.shared import search_words
from services.shared.contracts import SearchWords
from services.storage import Connection, queries, transient_errors
from services.storage.text import storable

SQL = queries("search")
#: Words whose stems a connection keeps: some 20 MB. A newspaper has fewer.
WORDS_KEPT = 100_000
Row = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A query and its filters. Times of publication: where it is unknown, of storing."""

    query: str
    language: str | None = None
    source: str | None = None
    published_from: datetime | None = None
    published_to: datetime | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    sort: Literal["relevance", "newest"] = "relevance"
    limit: int = 20
    offset: int = 0
    mark_start: str = "<mark>"
    mark_stop: str = "</mark>"


@dataclass(frozen=True, slots=True)
class Findable:
    """What an article that was just stored is found by; without words, Postgres finds them."""

    language: str | None
    words: SearchWords | None


@dataclass(slots=True)
class _Stems:
    """The stems of words by language, asked for once; none where this database reads otherwise."""

    languages: frozenset[str]
    reads_alike: bool
    known: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    #: Of the known words those that have stems other than themselves.
    stems: dict[str, dict[str, list[str]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )

    @classmethod
    def of(cls, connection: Connection) -> "_Stems":
        rows = connection.execute(SQL.stemmed_languages).fetchall()
        alike = connection.execute(
            SQL.reads_alike,
            {
                "parted": "x" + "".join(f"{sign}x" for sign in search_words.SEPARATORS),
                "words": " ".join(f"x{letter}x1" for letter in search_words.LETTERS),
                "unicode": unicodedata.unidata_version,
            },
        ).fetchone()
        return cls(frozenset(str(name) for (name,) in rows), alike == (True,))

    def learn(self, connection: Connection, language: str, words: set[str]) -> None:
        """Have the stems of these words known."""
        known, stems = self.known[language], self.stems[language]
        if len(known) > WORDS_KEPT:
            known.clear()
            stems.clear()
        if new := sorted(words - known):
            values = {"words": " ".join(new), "language": language}
            for place, stem in connection.execute(SQL.word_stems, values).fetchall():
                stems[new[int(str(place)) - 1]].append(str(stem))
            known.update(new)


class _Vector(bytes):
    """A tsvector in Postgres' binary form."""

    __slots__ = ()


class _VectorDumper(Dumper):
    oid = psycopg.postgres.types["tsvector"].oid
    format = Format.BINARY

    def dump(self, obj: _Vector) -> bytes:
        return obj


psycopg.adapters.register_dumper(_Vector, _VectorDumper)
_STEMS: WeakKeyDictionary[Connection, _Stems] = WeakKeyDictionary()


def index(tx: Connection, articles: Mapping[int, Findable]) -> None:
    """Have articles found by what they say now, in the transaction that stores it. Repeatable."""
    if not articles:
        return
    stems = _STEMS.get(tx)
    if stems is None:
        stems = _STEMS[tx] = _Stems.of(tx)
    vectors = _vectors(tx, stems, articles) if stems.reads_alike else {}
    if vectors:
        ids = sorted(vectors)
        tx.execute(SQL.index_words, {"ids": ids, "vectors": [vectors[i] for i in ids]})
    if left := sorted(articles.keys() - vectors.keys()):
        tx.execute(SQL.index, {"ids": left})


def _vectors(tx: Connection, stems: _Stems, articles: Mapping[int, Findable]) -> dict[int, _Vector]:
    """Return the vectors of the articles whose words are known."""
    by_language: dict[str, set[str]] = defaultdict(set)
    for found in articles.values():
        if found.words and found.language in stems.languages:
            by_language[found.language] |= found.words.distinct()
    for language, words in by_language.items():
        stems.learn(tx, language, words)
    vectors = {}
    for article_id, found in articles.items():
        if found.words:
            its = stems.stems[found.language] if found.language in by_language else {}
            made = search_words.vector(found.words, its, found.language)
            if made is not None:
                vectors[article_id] = _Vector(made)
    return vectors


def search(connection: Connection, what: Search) -> list[Row]:
    """Return the rows of media.search() as dictionaries, best or newest first.

    Raises:
        TransientError: Postgres is away.
    """
    with transient_errors(), connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(SQL.search, storable(asdict(what))).fetchall()
