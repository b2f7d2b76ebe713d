"""A parsed page goes in; the comments of its readers come out, apart from the article's text.

Read from lists of comments as sites mark them: an element of class `comment` with a name or an age,
and what was said. What holds neither name nor age is no comment that can be told from the page.
"""

import re
from collections.abc import Iterator
from itertools import islice

from lxml.html import HtmlElement

from services.shared.contracts import Comment
from worker import tree
from worker.body import plain

_ITEM = re.compile(
    r"(?:^|\s)comment(?:[_-]{1,2}(?:item|entry|list[_-]item|thread))?(?:\s|$)", re.IGNORECASE
)
_ITEM_TYPE = re.compile(r"schema\.org/(?:User)?Comment", re.IGNORECASE)
_AUTHOR = re.compile(r"author|(?:^|[\s_-])(?:user|name|username|fn)(?:[\s_-]|$)", re.IGNORECASE)
_AGE = re.compile(
    r"(?:^|[\s_-])(?:date|time|ago|age|datetime|metadata|timestamp)(?:[\s_-]|$)", re.IGNORECASE
)
_CONTENT = re.compile(r"content|text|message|(?:^|[\s_-])body(?:\s|$)", re.IGNORECASE)
#: What stands in a form to write a comment, or in a column of comment by journalists.
_OTHER = frozenset({"form", "input", "textarea", "h1", "h2", "h3"})
_MAX_COMMENTS, _MAX_ELEMENTS, _MAX_NAME, _MAX_AGE = 500, 200, 60, 60


def read(root: HtmlElement) -> tuple[Comment, ...]:
    """Return the comments in the order of the page, answers after what they answer."""
    found = []
    for item in root.iter("li", "div", "article"):
        if _is_item(item) and (comment := _comment(item)):
            found.append(comment)
            if len(found) == _MAX_COMMENTS:
                break
    return tuple(dict.fromkeys(found))


def _is_item(element: HtmlElement) -> bool:
    named = element.get("class")
    if named and "omment" in named and _ITEM.search(named):
        return True
    return bool(_ITEM_TYPE.search(element.get("itemtype") or ""))


def _comment(item: HtmlElement) -> Comment | None:
    own = list(islice(_own(item), _MAX_ELEMENTS))
    if any(element.tag in _OTHER for element in own):
        return None
    author = _first(own, _AUTHOR, ("b", "strong", "cite"), _MAX_NAME)
    age = _age(own)
    said = "\n".join(_said(own, author or "", age or "")) if author or age else ""
    return Comment(text=said, author=author, age=age) if said else None


def _own(item: HtmlElement) -> Iterator[HtmlElement]:
    """Yield what stands in this comment, and not in an answer to it."""
    waiting = list(reversed(item))
    while waiting:
        element = waiting.pop()
        if not _is_item(element):
            yield element
            waiting.extend(reversed(element))


def _first(
    elements: list[HtmlElement], named: re.Pattern[str], tags: tuple[str, ...], longest: int
) -> str | None:
    called = (e for e in elements if named.search(f"{e.get('class', '')} {e.get('itemprop', '')}"))
    for element in (*called, *(e for e in elements if e.tag in tags)):
        # The innermost name: around it often stands "says:" as well.
        inner = next(element.iter(*tags), element)
        if 0 < len(said := tree.text_of(inner)) <= longest:
            return said
    return None


def _age(elements: list[HtmlElement]) -> str | None:
    stated = _first(elements, _AGE, ("time",), _MAX_AGE)
    if stated and any(letter.isdigit() for letter in stated):
        return stated
    short = (said for e in elements if not len(e) and len(said := tree.text_of(e)) <= _MAX_AGE)
    return next((said for said in short if plain.AGE.match(said)), None)


def _said(elements: list[HtmlElement], author: str, age: str) -> list[str]:
    paragraphs = [text for e in elements if e.tag == "p" and (text := tree.text_of(e))]
    if paragraphs:
        return paragraphs
    called = (tree.text_of(e) for e in elements if _CONTENT.search(e.get("class", "")))
    bare = (text.removeprefix(author).strip().removeprefix(age).strip() for text in called)
    return list(islice(filter(None, bare), 1))
