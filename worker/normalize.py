"""An extraction and its raw page go in; an article that can be stored comes out.

Settles the address and the keys, and makes every string one that Postgres holds: NFC, without NUL,
lone surrogates and direction marks. Letters stay: ZWNJ, tatweel, long titles.
"""

import re
from dataclasses import replace

from services.shared import combining, search_words, urls
from services.shared.contracts import Article, Comment, Extraction, RawPage
from services.shared.errors import InvalidUrl
from worker import quote
from worker.fingerprint import fingerprint, in_one_spelling, text_sha256

_UNWANTED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069"
    "\ud800-\udfff\ufeff\ufffe\uffff]"
)
#: Of a title, name or caption in characters; of names, tags or captions; of an address.
MOST_LINE, MOST_LINES, MOST_URL = 10_000, 1_000, 16_000
_HOME_PATHS = frozenset({"", "/"})


def normalize(extraction: Extraction, page: RawPage) -> Article:
    """Return the article under the address it is known by."""
    cleaned = _storable(extraction)
    url = _address(page, cleaned.canonical_url)
    if url is None:
        identity = f"urn:sha256:{page.capture_sha256.hex()}"
        return _article(cleaned, identity, identity)
    return _article(cleaned, url, urls.key(url))


def _article(extraction: Extraction, url: str, identity: str) -> Article:
    normal = in_one_spelling(extraction.text)
    tokens, quoted = quote.split(normal)
    return Article(
        extraction=extraction,
        url=url,
        normalized_url=identity,
        text_sha256=text_sha256(tokens),
        fingerprint=fingerprint(tokens),
        passages=quote.hashes(tokens, quoted),
        search_words=search_words.of(extraction.title, extraction.text, normal, tokens),
    )


def text(written: str) -> str:
    """Return a string that Postgres holds and that reads the same: line breaks stay."""
    return combining.normalized("NFC", _UNWANTED.sub("", written))


def _storable(extraction: Extraction) -> Extraction:
    return replace(
        extraction,
        title=_line(extraction.title),
        text=text(extraction.text).strip(),
        authors=_lines(extraction.authors),
        published_at_seen=_line(extraction.published_at_seen),
        canonical_url=_clean(extraction.canonical_url),
        site_name=_line(extraction.site_name),
        section=_line(extraction.section),
        dateline=_line(extraction.dateline),
        description=_line(extraction.description),
        image_url=_line(extraction.image_url) if _is_short(extraction.image_url) else None,
        tags=_lines(extraction.tags),
        captions=_lines(extraction.captions),
        comments=tuple(
            Comment(text=text(said.text), author=_line(said.author), age=_line(said.age))
            for said in extraction.comments
        ),
    )


def _line(written: str | None) -> str | None:
    """Return what is written in one line; what is longer than any is cut, not stored whole."""
    line = " ".join(text((written or "")[: 2 * MOST_LINE]).split())
    return line[:MOST_LINE].rstrip() or None


def _is_short(address: str | None) -> bool:
    return len(address or "") <= MOST_LINE


def _lines(written: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(line for item in written[:MOST_LINES] if (line := _line(item)))


def _clean(url: str | None) -> str | None:
    """Return the address in its last form; None for none, and for one no server would take."""
    try:
        clean = urls.clean(url) if url and len(url) <= MOST_URL else None
    except InvalidUrl:
        return None
    return clean if clean is None or len(clean) <= MOST_URL else None


def _address(page: RawPage, stated: str | None) -> str | None:
    """Return the address the page states, if it can be believed, or the one it came from.

    Some sites name their home page, or a partner's, as the canonical address of every article.
    """
    came_from = _clean(page.final_url) or _clean(page.requested_url)
    if stated is None or came_from is None:
        return came_from or stated
    same_site = urls.site(stated) == urls.site(came_from)
    return stated if same_site and not _is_home(stated) else came_from


def _is_home(url: str) -> bool:
    host_and_path, _, query = urls.key(url).partition("?")
    return f"/{host_and_path.partition('/')[2]}" in _HOME_PATHS and not query
