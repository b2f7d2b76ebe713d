"""The JSON-LD of a page goes in, in any shape and state; what describes its article comes out."""

import html
import json
import re
from collections.abc import Iterator
from typing import Any

from lxml.html import HtmlElement

Node = dict[str, Any]

_ARTICLE = re.compile(r"(?:Article|Posting|Report|Review|Blog|Opinion\w*|Interview)$|^LiveBlog")
_NEWS = re.compile(r"NewsArticle$|^LiveBlog|^Reportage")
_WHOLE_PAGE = re.compile(r"(?:WebPage|ItemPage|AboutPage|MediaObject|VideoObject|CreativeWork)$")
_COMMENT_MARKS = re.compile(
    r"^\s*(?:<!--|//\s*<!\[CDATA\[|<!\[CDATA\[|/\*.*?\*/)|(?:-->|//\s*\]\]>|\]\]>);?\s*$"
)
_TRAILING_COMMA = re.compile(r",(\s*[}\]])")
#: What can be saved from JSON that no parser reads: the flat string fields of the article.
_FLAT_FIELD = re.compile(
    r'"(headline|datePublished|dateModified|dateCreated|articleSection|description|inLanguage)"'
    r'\s*:\s*"((?:[^"\\]|\\.)*)"'
)
_FLAT_AUTHOR = re.compile(r'"author"\s*:\s*\[?\s*\{[^{}]*?"name"\s*:\s*"((?:[^"\\]|\\.)*)"')
_MAX_LENGTH = 2_000_000
_MAX_NODES = 200


def articles(root: HtmlElement) -> list[Node]:
    """Return the nodes that are articles, then those that stand for the whole page."""
    nodes = [node for script in _scripts(root) for node in _nodes(script)][:_MAX_NODES]
    articles = [node for node in nodes if _is(node, _ARTICLE)]
    return articles + [node for node in nodes if _is(node, _WHOLE_PAGE) and node not in articles]


def is_news(node: Node) -> bool:
    """Tell what says it is news: written by a newsroom, not filled in by a blog's software."""
    return _is(node, _NEWS)


def text(value: object) -> str:
    """Return a field's text without markup and entities; the first where there are several."""
    if isinstance(value, list):
        return next((found for item in value if (found := text(item))), "")
    if isinstance(value, dict):
        return text(value.get("@value") or value.get("name") or value.get("headline"))
    if not isinstance(value, str):
        return ""
    return " ".join(re.sub("<[^<>]*>", " ", html.unescape(value)).split())


def names(value: object) -> list[str]:
    """Return the names of people in a field such as `author`, whatever its shape."""
    if isinstance(value, list):
        return [name for item in value for name in names(item)]
    if isinstance(value, dict):
        return names(value.get("name") or value.get("@list"))
    name = text(value)
    return [name] if name and not name.startswith(("http:", "https:")) else []


def _scripts(root: HtmlElement) -> Iterator[str]:
    for element in root.iter("script"):
        if "ld+json" in (element.get("type") or "").lower() and element.text:
            yield element.text[:_MAX_LENGTH]


def _is(node: Node, kind: re.Pattern[str]) -> bool:
    types = node.get("@type")
    return any(
        isinstance(name, str) and kind.search(name)
        for name in (types if isinstance(types, list) else [types])
    )


def _nodes(script: str) -> Iterator[Node]:
    parsed = _parse(script)
    if parsed is None:
        yield from _saved(script)
        return
    waiting = [parsed]
    while waiting:
        value = waiting.pop(0)
        if isinstance(value, list):
            waiting[:0] = value[:_MAX_NODES]
        elif isinstance(value, dict):
            yield value
            # Only what the page is about: a list of teasers holds articles of other pages.
            waiting.extend(value[name] for name in ("@graph", "mainEntity") if name in value)
            page = value.get("mainEntityOfPage")
            if isinstance(page, dict) and _is(page, _ARTICLE):
                waiting.append(page)


def _parse(script: str) -> object | None:
    """Return the JSON, mended where the usual mistakes were made, or None."""
    bare = _COMMENT_MARKS.sub("", script).strip().rstrip(";")
    for candidate in (bare, _TRAILING_COMMA.sub(r"\1", bare), html.unescape(bare)):
        try:
            # strict=False: raw line breaks inside strings are common.
            parsed: object = json.loads(candidate, strict=False)
        except (ValueError, RecursionError):
            continue
        return parsed
    return None


def _saved(script: str) -> Iterator[Node]:
    node: Node = {"@type": "Article"} if re.search(r'"[A-Za-z]*Article"', script) else {}
    for name, value in _FLAT_FIELD.findall(script):
        node.setdefault(name, _unescaped(value))
    authors = [_unescaped(name) for name in _FLAT_AUTHOR.findall(script)[:1]]
    if node:
        yield {**node, "author": authors}


def _unescaped(value: str) -> str:
    try:
        return str(json.loads(f'"{value}"', strict=False))
    except ValueError:
        return value
