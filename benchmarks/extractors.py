"""The bytes and the address of a page go in; what each extractor reads from it comes out.

Every extractor is imported only when it is asked for, so that one can be measured alone. All give
the same answer: title, text, authors and date, as far as they read them.
"""

# ruff: noqa: PLC0415 - see above

import importlib
import warnings
from collections.abc import Callable
from typing import Any

Answer = dict[str, Any]
Extractor = Callable[[bytes, str], Answer]


def _rasid() -> Extractor:
    from services.shared.contracts import RawPage, Rejection
    from worker.extract import extract, warm

    warm()

    def read(html: bytes, url: str) -> Answer:
        found = extract(RawPage(body=html, origin="benchmark", final_url=url or None))
        if isinstance(found, Rejection):
            return {}
        return {
            "title": found.title,
            "text": found.text,
            "authors": list(found.authors),
            "date": found.published_at,
        }

    return read


def _trafilatura(*, fast: bool = False) -> Extractor:
    import trafilatura

    def read(html: bytes, url: str) -> Answer:
        found: Any = trafilatura.bare_extraction(
            html, url=url or None, with_metadata=True, include_comments=False, fast=fast
        )
        if found is None:
            return {}
        return {
            "title": found.title,
            "text": found.text,
            "authors": [name for name in (found.author or "").split("; ") if name],
            "date": found.date,
        }

    return read


def _readability() -> Extractor:
    from lxml.html import fromstring

    readability = importlib.import_module("readability")

    def read(html: bytes, url: str) -> Answer:
        document = readability.Document(_text(html), url=url or None)
        body = fromstring(document.summary(html_partial=True))
        return {"title": document.short_title(), "text": " ".join(body.itertext())}

    return read


def _newspaper() -> Extractor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it works without nltk
        newspaper = importlib.import_module("newspaper")

    def read(html: bytes, url: str) -> Answer:
        article = newspaper.Article(url or "https://example.org/", fetch_images=False)
        article.download(input_html=_text(html))
        article.parse()
        return {
            "title": article.title,
            "text": article.text,
            "authors": article.authors,
            "date": article.publish_date,
        }

    return read


def _resiliparse() -> Extractor:
    from resiliparse.extract.html2text import extract_plain_text
    from resiliparse.parse.html import HTMLTree

    def read(html: bytes, _: str) -> Answer:
        tree = HTMLTree.parse(_text(html))
        text = extract_plain_text(tree, main_content=True, alt_texts=False, comments=False)
        return {"title": tree.title, "text": text}

    return read


def _text(html: bytes) -> str:
    """Return a page's text, for those that take no bytes or read their encoding badly."""
    from resiliparse.parse.encoding import bytes_to_str, detect_encoding

    text: str = bytes_to_str(html, detect_encoding(html) or "utf-8")
    return text


_MAKERS: dict[str, Callable[[], Extractor]] = {
    "rasid": _rasid,
    "trafilatura": _trafilatura,
    "trafilatura fast": lambda: _trafilatura(fast=True),
    "readability-lxml": _readability,
    "newspaper4k": _newspaper,
    "resiliparse": _resiliparse,
}
NAMES = tuple(_MAKERS)


def load(name: str) -> Extractor | None:
    """Return the extractor of this name, ready to measure; None where it is not installed."""
    try:
        return _MAKERS[name]()
    except ModuleNotFoundError:
        return None
