"""A raw page goes in; what was read from it, line by line with the reason, comes out. Pure.

Each line that a reader sees of the page has a fate. Lines that were never taken for the body, such
as menus and lists of other articles, are told from lines that were taken and cut again, which have
the reason that `clean` gives.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from lxml import etree

from services.shared.contracts import Extraction, RawPage, Rejection
from services.shared.settings import MIB
from worker import clean, tree
from worker.decode import decode
from worker.extract import extract
from worker.fields import titles

Fate = (
    Literal[
        "kept",
        "caption",
        "comment",
        "field",  # author, dateline, site's name, section or date: stands in a field of its own
        "not taken",
    ]
    | clean.Reason
)
#: Below so many letters a line found within another may be there by chance.
_ENOUGH = 25
_UNSEEN = ("script", "style", "noscript", "template", "svg", "head", "iframe", "select")


@dataclass(frozen=True, slots=True)
class Shown:
    """A line of the page, and what became of it."""

    text: str
    fate: Fate


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What was read and why; no encoding where the body is no text, no lines where it is empty."""

    encoding: str | None
    result: Extraction | Rejection
    lines: tuple[Shown, ...]


def explain(page: RawPage, max_body_bytes: int = 20 * MIB) -> Explanation:
    """Return what the worker reads from the page, with the fate of each visible line."""
    judged: list[clean.Line] = []
    result = extract(page, max_body_bytes, judged)
    too_large = isinstance(result, Rejection) and result.reason == "too_large"
    decoded = None if too_large else decode(page.body, page.headers.get("content-type"))
    if decoded is None or isinstance(decoded, Rejection):
        return Explanation(encoding=None, result=result, lines=())
    lines = _Fates(result, judged).of(_visible(decoded.text, page))
    return Explanation(encoding=decoded.encoding, result=result, lines=tuple(lines))


def _visible(text: str, page: RawPage) -> list[str]:
    """Return the lines that a reader sees."""
    if page.headers.get("content-type", "").startswith("text/plain") and "</" not in text:
        return [line for line in map(tree.squeeze, text.splitlines()) if line]
    root = tree.parse(text)
    if root is None:
        return []
    etree.strip_elements(root, *_UNSEEN, with_tail=False)
    markup = etree.tostring(root, encoding="unicode", method="html")
    return [line for line in map(tree.squeeze, tree.lines(tree.squeeze(markup))) if line]


class _Fates:
    """Looks each visible line up in what was read."""

    def __init__(self, result: Extraction | Rejection, judged: Iterable[clean.Line]) -> None:
        judged = list(judged)
        self._paragraphs = (
            [line.text for line in judged if line.cut is None]
            if isinstance(result, Rejection)
            else result.text.split("\n\n")
        )
        self._body = "".join(map(titles.loose, self._paragraphs))
        #: Paragraphs that no line has shown yet: the second time it may be one that was cut.
        self._whole = Counter(filter(None, map(titles.loose, self._paragraphs)))
        self._next = 0
        self._known = _named(result) if isinstance(result, Extraction) else {}
        self._known |= {titles.loose(line.text): line.cut for line in judged if line.cut}

    def of(self, visible: Iterable[str]) -> Iterator[Shown]:
        """Yield each line with its fate, then paragraphs that no line showed."""
        seen = ""
        for text in visible:
            loose = titles.loose(text)
            seen += loose
            yield Shown(text, self._fate(loose))
        for paragraph in self._paragraphs:
            if paragraph and titles.loose(paragraph) not in seen:
                yield Shown(paragraph, "kept")

    def _fate(self, loose: str) -> Fate:
        if self._whole[loose] > 0:
            self._whole[loose] -= 1
            self._next = self._body.find(loose) + len(loose)
            return "kept"
        if loose in self._known:
            return self._known[loose]
        if self._is_kept(loose):
            return "kept"
        within = (fate for text, fate in self._known.items() if _is_part(loose, text))
        return next(within, "not taken")

    def _is_kept(self, loose: str) -> bool:
        """Tell a part of a paragraph: it goes on where the last one ended, or is long enough."""
        if not loose:
            return False
        at = self._next if self._body.startswith(loose, self._next) else -1
        if at < 0 and len(loose) >= _ENOUGH:
            at = self._body.find(loose)
        if at >= 0:
            self._next = at + len(loose)
        return at >= 0


def _is_part(one: str, other: str) -> bool:
    shorter, longer = sorted((one, other), key=len)
    return len(shorter) >= _ENOUGH and shorter in longer


def _named(read: Extraction) -> dict[str, Fate]:
    """Return the fates of the texts that stand in fields of their own."""
    found: list[tuple[Fate, str | None]] = [
        ("title", read.title),
        *(("caption", caption) for caption in read.captions),
        *(("field", author) for author in read.authors),
        *(("field", value) for value in (read.dateline, read.section, read.site_name)),
        ("field", read.published_at_seen),
    ]
    for comment in read.comments:
        said = (comment.author, comment.age, *comment.text.split("\n"))
        found += [("comment", text) for text in said]
    known: dict[str, Fate] = {}
    for fate, text in found:
        if text and (loose := titles.loose(text)):
            known.setdefault(loose, fate)
    return known
