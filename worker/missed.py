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

from worker import kinds, places, titles, tree

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
#: What was missed must be this much of the page's prose before anyone else is asked.
_MIN_MISSED, _SHARE_MISSED = 300, 0.15
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
    known = "".join(map(titles.loose, taken))
    prose = [block.text for block in _blocks(root, around, _MIN_PROSE) if block.is_prose]
    missed = sum(len(text) for text in prose if titles.loose(text) not in known)
    length = sum(map(len, taken))
    is_missed = missed >= max(_MIN_MISSED, _SHARE_MISSED * sum(map(len, prose)))
    if not is_missed and length >= _HARDLY_ANY:
        return taken
    second = _second_opinion(markup)
    if length < _HARDLY_ANY and _prose_length(root, second) >= _MANY_TIMES * length:
        return second
    return _longer(root, around, second, taken) if is_missed else taken


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
    root: HtmlElement, around: set[HtmlElement], second: list[str], taken: list[str]
) -> list[str]:
    """Return what either was taken or stands in both other opinions, if it is much longer."""
    known, confirmed = ("".join(map(titles.loose, lines)) for lines in (taken, second))
    teasers = kinds.teasers(root)
    blocks, seen = [], set()
    for block in _blocks(root, around, 1):
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


def _blocks(root: HtmlElement, around: set[HtmlElement], shortest: int) -> Iterator[_Block]:
    """Yield the innermost blocks with text that stand in no list or chrome, in order."""
    away = dict.fromkeys(around, False)
    for element in root.iter(*_LEAVES):
        if next(element.iterdescendants(*_HOLDERS), None) is not None:
            continue
        written = " ".join(element.itertext())
        if len(written) < shortest or len(text := tree.squeeze(written)) < shortest:
            continue
        if _is_away(element, away):
            continue
        linked = sum(len(tree.text_of(link)) for link in element.iter("a"))
        if linked < _MOSTLY_LINKS * len(text) or len(text) < _MIN_PROSE:
            yield _Block(element, text)


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
