"""The JSON-LD of a page goes in, in any shape and state; what describes its article comes out."""

import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lxml.html import HtmlElement

Node = dict[str, Any]

_ARTICLE = re.compile(r"(?:Article|Posting|Report|Review|Blog|Opinion\w*|Interview)$|^LiveBlog")
_TRAIL = re.compile(r"BreadcrumbList$")
_SITE = re.compile(r"^WebSite$")
_NEWS = re.compile(r"NewsArticle$|^LiveBlog|^Reportage")
_WHOLE_PAGE = re.compile(r"(?:WebPage|ItemPage|AboutPage|MediaObject|VideoObject|CreativeWork)$")
_COMMENT_MARKS = re.compile(
    r"^\s*(?:<!--|//\s*<!\[CDATA\[|<!\[CDATA\[|/\*.*?\*/)|(?:-->|//\s*\]\]>|\]\]>);?\s*$"
)
_TRAILING_COMMA = re.compile(r",(\s*[}\]])")
#: What can be saved from JSON that no parser reads: the flat fields of the article.
_FLAT_FIELD = re.compile(
    r'"(headline|datePublished|dateModified|dateCreated|articleSection|description|inLanguage'
    r'|keywords|isAccessibleForFree|commentCount)"\s*:\s*(?:"((?:[^"\\]|\\.)*)"|(true|false|\d+)\b)'
)
_FLAT_AUTHOR = re.compile(
    r'"author"\s*:\s*(?:\[((?:\s*+(?:,\s*+)?\{[^{}]{0,1000}\}){1,100}+)|(\{[^{}]{0,1000}\})|("(?:[^"\\]|\\.)*"))'
)
_FLAT_NAME = re.compile(r'"name"\s*:\s*"((?:[^"\\]|\\.)*)"')
_FLAT_TYPE = re.compile(r'"@type"\s*:\s*\[?\s*"([A-Za-z]*(?:Article|Posting))"')
_WORD = re.compile(r"\w+")
_PEOPLE = ("author", "creator", "publisher")
_MAX_LENGTH = 2_000_000
_MAX_NODES = 200
_MAX_TYPE = 200
#: Real ones have six levels; what reads them calls itself.
_MAX_DEPTH = 50


@dataclass(frozen=True, slots=True)
class Found:
    """What the JSON-LD of a page holds."""

    #: Those that are articles, then those that stand for the whole page.
    articles: list[Node] = field(default_factory=list)
    #: Names and addresses of the pages that lead to this one, from the home page down.
    trail: list[tuple[str, str]] = field(default_factory=list)
    site_name: str | None = None


def read(root: HtmlElement) -> Found:
    """Return what the page says in JSON-LD.

    An article whose headline has no word of the page's title is another page's, and comes last.
    """
    nodes = [node for script in _scripts(root) for node in _nodes(script)][:_MAX_NODES]
    named = {node["@id"]: node for node in nodes if isinstance(node.get("@id"), str)}
    nodes = [_with_people(node, named) for node in nodes]
    title = set(_WORD.findall((root.findtext(".//title") or "").casefold()))
    found = [node for node in nodes if is_a(node, _ARTICLE) or _looks_like_article(node)]
    found.sort(key=lambda node: _is_of_another_page(node, title))
    pages = [node for node in nodes if is_a(node, _WHOLE_PAGE) and node not in found]
    sites = (text(node.get("name")) for node in nodes if is_a(node, _SITE))
    return Found(found + pages, _trail(nodes), next((name for name in sites if name), None))


def articles(root: HtmlElement) -> list[Node]:
    """Return the nodes that are articles, then those that stand for the whole page."""
    return read(root).articles


def _trail(nodes: list[Node]) -> list[tuple[str, str]]:
    inside = (node.get("breadcrumb") for node in nodes)
    for node in (*nodes, *(item for item in inside if isinstance(item, dict))):
        items = node.get("itemListElement") if is_a(node, _TRAIL) else None
        if isinstance(items, list):
            steps = [item for item in items if isinstance(item, dict)]
            found = [
                (text(step.get("name")) or text(step.get("item")), _step(step)) for step in steps
            ]
            return [(name, address) for name, address in found if name]
    return []


def _step(step: Node) -> str:
    item = step.get("item")
    address = (item.get("@id") or item.get("url")) if isinstance(item, dict) else item
    return address if isinstance(address, str) else ""


def _is_of_another_page(node: Node, title: set[str]) -> bool:
    headline = set(_WORD.findall(text(node.get("headline")).casefold()))
    return bool(title and headline) and not title & headline


def _looks_like_article(node: Node) -> bool:
    """Tell a node without a type that has what articles have."""
    return not node.get("@type") and bool(node.get("headline") and node.get("datePublished"))


def _with_people(node: Node, named: dict[str, Node]) -> Node:
    """Return a node that has who it names by "@id" written out."""
    references = [name for name in _PEOPLE if _references(node.get(name))]
    return {**node, **{name: _resolved(node[name], named) for name in references}}


def _references(value: object) -> bool:
    values = value if isinstance(value, list) else [value]
    return any(isinstance(item, dict) and "@id" in item for item in values)


def _resolved(value: object, named: dict[str, Node]) -> object:
    if isinstance(value, list):
        return [_resolved(item, named) for item in value]
    if isinstance(value, dict) and not value.get("name") and isinstance(value.get("@id"), str):
        return named.get(value["@id"], value)
    return value


def is_news(node: Node) -> bool:
    """Tell what says it is news: written by a newsroom, not filled in by a blog's software."""
    return is_a(node, _NEWS)


def text(value: object) -> str:
    """Return a field's text without markup and entities; the first where there are several."""
    if isinstance(value, list):
        return next((found for item in value if (found := text(item))), "")
    if isinstance(value, dict):
        return text(value.get("@value") or value.get("name") or value.get("headline"))
    if not isinstance(value, str):
        return ""
    return " ".join(re.sub("<[^<>]*>", " ", html.unescape(value)).split())


def address(value: object) -> str:
    """Return the address in a field such as `image`: text, object or the first of a list."""
    if isinstance(value, list):
        return next((found for item in value if (found := address(item))), "")
    if isinstance(value, dict):
        return address(value.get("url") or value.get("contentUrl") or value.get("@id"))
    return value.strip() if isinstance(value, str) else ""


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


def is_a(node: Node, kind: re.Pattern[str]) -> bool:
    """Tell a node that has a type of this kind."""
    types = node.get("@type")
    return any(
        isinstance(name, str) and len(name) <= _MAX_TYPE and kind.search(name)
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
            if isinstance(page, dict) and is_a(page, _ARTICLE):
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
        return None if _is_deep(parsed) else parsed
    return None


def _is_deep(parsed: object) -> bool:
    level = [parsed]
    for _ in range(_MAX_DEPTH):
        inner: list[object] = []
        for value in level:
            if isinstance(value, list):
                inner += value
            elif isinstance(value, dict):
                inner += value.values()
        if not inner:
            return False
        level = inner
    return True


def _saved(script: str) -> Iterator[Node]:
    """Yield what can be read of broken JSON without guessing: the first of each flat field."""
    kind = _FLAT_TYPE.search(script)
    node: Node = {"@type": kind[1]} if kind else {}
    for name, value, bare in _FLAT_FIELD.findall(script):
        node.setdefault(name, bare or _unescaped(value))
    if author := _FLAT_AUTHOR.search(script):
        people = _FLAT_NAME.findall(author[1] or author[2] or "")
        written = people or [(author[3] or "").strip('"')]
        node["author"] = [_unescaped(name) for name in written if name]
    if node:
        yield node


def _unescaped(value: str) -> str:
    try:
        return str(json.loads(f'"{value}"', strict=False))
    except ValueError:
        return value
