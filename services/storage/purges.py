"""Articles that are removed everywhere, and the addresses that must not come again."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

from psycopg.rows import class_row, dict_row

from services.shared import urls
from services.shared.errors import InvalidUrl
from services.storage import Connection, queries, transient_errors

SQL = queries("purges")


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """An article that goes, or a copy of one."""

    id: int
    key: bytes
    url: str
    title: str | None
    version: int
    text_sha256: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A raw page that goes, and where its body lies."""

    id: str
    requested_url: str | None
    final_url: str | None
    article_id: int | None
    capture_sha256: bytes
    captured_on: date


@dataclass(slots=True)
class Plan:
    """All that goes; `keys` are hashes of normalized URLs."""

    keys: set[bytes]
    articles: list[Article] = field(default_factory=list)
    copies: list[Article] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def article_ids(self) -> list[int]:
        """Return the ids of the articles."""
        return [article.id for article in self.articles]

    @property
    def page_ids(self) -> list[str]:
        """Return the ids of the raw pages."""
        return [page.id for page in self.pages]


def key_of(url: str | None) -> bytes | None:
    """Return the hash by which an address is known; None for what is none."""
    if not url:
        return None
    try:
        return urls.key_sha256(url if url.startswith("urn:") else urls.key(url))
    except InvalidUrl:
        return None


def hold(tx: Connection) -> bool:
    """Have nothing purged until the transaction ends; return whether anything ever was.

    First of all in a transaction that writes of articles: what is read after it is read as the
    last purge left it.
    """
    row = tx.execute(SQL.hold).fetchone()
    return bool(row and row[0])


def purged(tx: Connection, keys: Iterable[bytes]) -> Collection[bytes]:
    """Return which keys are purged; until the transaction ends no other becomes so.

    `keys` is only asked for where anything is purged at all.
    """
    return among(tx, keys) if hold(tx) else ()


def among(connection: Connection, keys: Iterable[bytes]) -> Collection[bytes]:
    """Return which keys are purged.

    Raises:
        TransientError: Postgres is away.
    """
    with transient_errors():
        rows = connection.execute(SQL.among, {"keys": list(keys)}).fetchall()
    return {key for (key,) in rows if isinstance(key, bytes)}


def plan(
    connection: Connection, ids: Sequence[int], addresses: Sequence[str], *, copies: bool
) -> Plan:
    """Return all there is of articles and addresses; nothing is changed.

    Raises:
        TransientError: Postgres is away.
    """
    keys = {key for address in addresses if (key := key_of(address))}
    with transient_errors(), connection.transaction():
        found = _articles(connection, ids, keys)
        others = _copies(connection, found)
        if copies:
            found, others = [*found, *others], []
        keys |= {article.key for article in found}
        result = Plan(keys, found, others)
        known = {*addresses, *(article.url for article in found)}
        for row in connection.execute(SQL.links, {"keys": list(keys)}).fetchall():
            known |= {str(url) for url in row if url}
        result.pages = _pages(connection, result, known)
        values = {
            "ids": result.article_ids, "pages": result.page_ids, "keys": list(keys)
        }  # fmt: skip
        with connection.cursor(row_factory=dict_row) as cursor:
            counted = cursor.execute(SQL.count, values).fetchone() or {}
        result.counts = {name: int(number) for name, number in counted.items()}
    return result


def _articles(tx: Connection, ids: Sequence[int], keys: Collection[bytes]) -> list[Article]:
    with tx.cursor(row_factory=class_row(Article)) as cursor:
        return cursor.execute(SQL.articles, {"ids": list(ids), "keys": list(keys)}).fetchall()


def _copies(tx: Connection, articles: Sequence[Article]) -> list[Article]:
    values = {
        "texts": [article.text_sha256 for article in articles],
        "ids": [article.id for article in articles],
    }
    with tx.cursor(row_factory=class_row(Article)) as cursor:
        return cursor.execute(SQL.copies, values).fetchall()


def _pages(tx: Connection, so_far: Plan, known: set[str]) -> list[Page]:
    """Return the pages of articles and addresses, whichever of its forms they were asked by."""
    ids, found = set(so_far.article_ids), list[Page]()
    while True:
        values = {"ids": list(ids), "keys": list(so_far.keys), "urls": list(known)}
        with tx.cursor(row_factory=class_row(Page)) as cursor:
            rows = cursor.execute(SQL.pages, values).fetchall()
        found = [
            page
            for page in rows
            if page.article_id in ids
            or {key_of(page.requested_url), key_of(page.final_url)} & so_far.keys
        ]
        forms = {
            url
            for page in found
            for url in (page.requested_url, page.final_url)
            if url and key_of(url) in so_far.keys
        }
        if forms <= known:
            return found
        known |= forms


def forbid(connection: Connection, keys: Collection[bytes], reason: str) -> None:
    """Have nothing of these addresses come in from now on; those who save pages are waited for.

    Raises:
        TransientError: Postgres is away, or somebody saves for very long.
    """
    with transient_errors():
        connection.execute(SQL.forbid, {"keys": list(keys), "reason": reason})


def purge(connection: Connection, planned: Plan, reason: str) -> None:
    """Remove all that is planned, in one transaction; its addresses are forbidden.

    `changes.publish` is to follow.

    Raises:
        TransientError: Postgres is away.
    """
    values = {
        "ids": planned.article_ids,
        "pages": planned.page_ids,
        "keys": list(planned.keys),
        "reason": reason,
    }
    with transient_errors():
        connection.execute(SQL.purge, values)


def lift(connection: Connection, addresses: Sequence[str]) -> int:
    """Let addresses come again; return how many were purged.

    Raises:
        TransientError: Postgres is away.
    """
    keys = [key for address in addresses if (key := key_of(address))]
    with transient_errors():
        ((lifted,),) = connection.execute(SQL.lift, {"keys": keys}).fetchall()
    return int(str(lifted))
