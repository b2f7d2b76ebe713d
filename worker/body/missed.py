"""A page and the lines taken for its body go in; the lines with what was missed come out.

A body may stand in a container for each of its sections, and an extractor take only some of them.
Two others are asked: the blocks of prose that stand neither in lists of other articles nor in the
page's chrome, and a second extractor. What both have, and the lines lack, was missed; it is taken
where it makes the text much longer, for a little more may as well be a comment or a box.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lxml.html import HtmlElement
from resiliparse.extract.html2text import extract_plain_text

from worker import tree
from worker.body import kinds
from worker.fields import places, titles

_HEADINGS = frozenset({"h2", "h3", "h4", "h5", "h6"})
_LEAVES = ("p", "li", "blockquote", "pre", "dd", "dt", "div", "td", *sorted(_HEADINGS))
_HOLDERS = frozenset({*_LEAVES, "section", "article", "ul", "ol", "table", "tr", "tbody", "main"})
_AWAY_TAGS = places.ELSEWHERE_TAGS | {"aside", "form", "button", "figure", "header", "iframe"}
_AWAY = re.compile(
    r"comment|related|sidebar|footer|recent|popular|trending|teaser|read-?next|recommend|copyright"
    r"|(?<![a-z])nav(?:bar|igation|-)|menu|ticker|breaking|newsletter|promo|subscribe|cookie|consent"
    r"|modal|popup|disclaimer|author-?(?:bio|box|info)|byline|share|social|breadcrumb|banner|advert"
    r"|caption|credit|hidden|reply|respond",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?؟…。！？۔:؛;][\"'”’»)\]]*\s*(?:\[\d+\]\s*)*$")
_MIN_PROSE = 80
_MOSTLY_LINKS = 0.5
#: What was missed must be this much against what was taken before anyone else is asked.
_MIN_MISSED, _SHARE_MISSED = 250, 0.12
_MUCH_LONGER, _HELD = 1.4, 0.8
#: Hardly any text, and the second extractor finds an article's: it stands in no known block.
_HARDLY_ANY, _MANY_TIMES = 600, 10


@dataclass(frozen=True, slots=True)
class _Block:
    element: HtmlElement
    text: str

    @property
    def is_prose(self) -> bool:
        return len(self.text) >= _MIN_PROSE and bool(_SENTENCE_END.search(self.text))


def complete(
    root: HtmlElement, around: set[HtmlElement], markup: str, taken: list[str]
) -> list[str]:
    """Return the lines of the body: those taken, or more where much of it was missed.

    `around` holds the headline, and so is the article's whatever it is called.
    """
    length = sum(map(len, taken))
    missed = _missed(root, around, taken)
    is_missed = _is_much(missed, length)
    if not is_missed and length >= _HARDLY_ANY:
        return taken
    second = _second_opinion(markup)
    if length < _HARDLY_ANY and _prose_length(root, second) >= _MANY_TIMES * length:
        return second
    confirmed = "".join(map(titles.loose, second))
    is_missed = is_missed and _is_much([said for said in missed if said in confirmed], length)
    return _longer(root, around, confirmed, taken) if is_missed else taken


def _missed(root: HtmlElement, around: set[HtmlElement], taken: list[str]) -> list[str]:
    """Return the letters of the prose that was not taken."""
    lines = {line.removeprefix("- ") for line in taken}
    away = dict.fromkeys(around, False)
    # What was taken as it stands is most of a page, and soon told.
    others = (block for block in _blocks(root, _MIN_PROSE) if block.text not in lines)
    prose = [block.text for block in others if block.is_prose and _is_own(block, away)]
    known = "".join(map(titles.loose, taken)) if prose else ""
    return [said for said in map(titles.loose, prose) if said not in known]


def _is_much(missed: list[str], length: int) -> bool:
    return sum(map(len, missed)) >= max(_MIN_MISSED, _SHARE_MISSED * length)


def _second_opinion(markup: str) -> list[str]:
    text: str = extract_plain_text(
        markup, main_content=True, alt_texts=False, preserve_formatting=True, list_bullets=False
    )
    return [line for line in map(tree.squeeze, text.split("\n")) if line]


def _prose_length(root: HtmlElement, lines: list[str]) -> int:
    teasers = kinds.teasers(root)
    prose = (line for line in lines if len(line) >= _MIN_PROSE and _SENTENCE_END.search(line))
    return sum(len(line) for line in prose if titles.loose(line) not in teasers)


def _longer(
    root: HtmlElement, around: set[HtmlElement], confirmed: str, taken: list[str]
) -> list[str]:
    """Return what either was taken or stands in both other opinions, if it is much longer."""
    known = "".join(map(titles.loose, taken))
    teasers = kinds.teasers(root)
    blocks, seen = [], set()
    away = dict.fromkeys(around, False)
    for block in (block for block in _blocks(root, 1) if _is_own(block, away)):
        said = titles.loose(block.text)
        if said in known or (said in confirmed and said not in teasers):
            # A page may hold its text twice, for narrow and for wide screens.
            if not (said in seen and block.is_prose):
                blocks.append(block)
            seen.add(said)
    prose = [place for place, block in enumerate(blocks) if block.is_prose]
    lines = [block.text for block in blocks[prose[0] : prose[-1] + 1]] if prose else []
    held = "".join(map(titles.loose, lines))
    kept = sum(len(line) for line in taken if titles.loose(line) in held)
    length = sum(map(len, taken))
    longer = sum(map(len, lines)) >= _MUCH_LONGER * length
    return lines if longer and kept >= _HELD * length else taken


def _blocks(root: HtmlElement, shortest: int) -> Iterator[_Block]:
    """Yield the blocks that hold text of their own, in order."""
    for element in root.iter(*_LEAVES):
        if any(child.tag in _HOLDERS for child in element):
            continue
        written = " ".join(element.itertext())
        if len(written) >= shortest and len(text := tree.squeeze(written)) >= shortest:
            yield _Block(element, text)


def _is_own(block: _Block, away: dict[HtmlElement, bool]) -> bool:
    """Tell an innermost block that stands in no list or chrome, and is no list of links."""
    element, length = block.element, len(block.text)
    if next(element.iterdescendants(*_HOLDERS), None) is not None or _is_away(element, away):
        return False
    linked = sum(len(tree.text_of(link)) for link in element.iter("a"))
    return linked < _MOSTLY_LINKS * length or length < _MIN_PROSE


def _is_away(element: HtmlElement, away: dict[HtmlElement, bool]) -> bool:
    """Tell what stands in a list or chrome; `away` remembers what was told of its ancestors."""
    path = []
    answer = False
    for ancestor in (element, *element.iterancestors()):
        if ancestor in away:
            answer = away[ancestor]
            break
        path.append(ancestor)
    for ancestor in reversed(path):
        answer = answer or _says_away(ancestor)
        away[ancestor] = answer
    return answer


def _says_away(element: HtmlElement) -> bool:
    if element.tag in _AWAY_TAGS or element.get("hidden") is not None:
        return True
    if element.tag in {"body", "html"}:
        return False
    return bool(_AWAY.search(f"{element.get('class', '')} {element.get('id', '')}"))
