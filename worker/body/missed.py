"""A page and the lines taken for its body go in; the lines with what was missed come out.

A body may stand in a container for each of its sections, and an extractor take only some of them.
Two others are asked: the blocks of prose that stand neither in lists of other articles nor in the
page's chrome, and a second extractor. What both have, and the lines lack, was missed. It is taken
where it stands between lines that were; elsewhere only where it makes the text much longer, for a
little more may as well be a comment or a box.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree
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
#: What was missed between two lines that were taken is the article's own, unless it is little.
_MIN_GAP, _SHARE_GAP, _MIN_LINE = 150, 0.02, 25
#: So much between lines that were taken is the article's, whoever else took it or not.
_MOST_MISSED = 1.5
_STYLE_TAG = re.compile(
    r"<(/?)(?:b|big|code|em|font|i|nobr|s|small|strike|strong|tt|u)[\s>/]", re.IGNORECASE
)
_MOST_REPEATED = 500_000
#: How many lines on a short one is looked for: the same few words may stand anywhere.
_NEXT = 5
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
    missed, between = _missed(root, around, taken)
    is_missed, has_gap = _is_much(missed, length), _is_gap(between, length)
    if not is_missed and not has_gap and length >= _HARDLY_ANY:
        return taken
    second = _second_opinion(root, markup)
    if length < _HARDLY_ANY and _prose_length(root, second) >= _MANY_TIMES * length:
        return second
    confirmed = "".join(map(titles.loose, second))
    if is_missed and _is_much([said for said in missed if said in confirmed], length):
        longer = _longer(root, around, confirmed, taken)
        if longer is not taken:
            return longer
    if sum(map(len, between)) >= _MOST_MISSED * length:
        confirmed = "".join([confirmed, *between])  # the second extractor took a part as well
    is_gap = _is_gap([said for said in between if said in confirmed], length)
    return _filled(root, around, confirmed, taken) if is_gap else taken


def _missed(
    root: HtmlElement, around: set[HtmlElement], taken: list[str]
) -> tuple[list[str], list[str]]:
    """Return the letters of the prose that was not taken, and of all between what was."""
    lines = {line.removeprefix("- ") for line in taken}
    away = dict.fromkeys(around, False)
    missed: list[str] = []
    between: list[_Block] = []
    waiting: list[_Block] = []
    begun = False
    for block in _blocks(root, _MIN_LINE):
        # What was taken as it stands is most of a page, and soon told.
        if block.text in lines:
            if begun:
                between += [b for b in waiting if _is_own(b, away)]
            waiting, begun = [], begun or block.is_prose
        else:
            waiting += [block] if begun else []
            if block.is_prose and _is_own(block, away):
                missed.append(titles.loose(block.text))
    known = "".join(map(titles.loose, taken)) if missed or between else ""
    others = (titles.loose(block.text) for block in between)
    return [said for said in missed if said not in known], [s for s in others if s not in known]


def _is_much(missed: list[str], length: int) -> bool:
    return sum(map(len, missed)) >= max(_MIN_MISSED, _SHARE_MISSED * length)


def _is_gap(between: list[str], length: int) -> bool:
    return sum(map(len, between)) >= max(_MIN_GAP, _SHARE_GAP * length)


def _filled(
    root: HtmlElement, around: set[HtmlElement], confirmed: str, taken: list[str]
) -> list[str]:
    """Return the lines with what stands between them and both other opinions have."""
    letters = list(map(titles.loose, taken))
    known, teasers = "".join(letters), kinds.teasers(root)
    prose = {said: at for at, said in enumerate(letters) if len(said) >= _MIN_PROSE}
    added: dict[int, list[str]] = {}
    waiting: list[str] = []
    seen: set[str] = set()
    away = dict.fromkeys(around, False)
    place = -1
    for block in (block for block in _blocks(root, 1) if _is_own(block, away)):
        said = titles.loose(block.text)
        near = letters[place + 1 : place + 1 + _NEXT] if place >= 0 else []
        at = place + 1 + near.index(said) if said in near else prose.get(said, -1)
        if at > place:
            if place >= 0:
                added[place] = waiting
            place, waiting = at, []
        elif said not in known and said not in seen and said in confirmed and said not in teasers:
            waiting.append(block.text)
            seen.add(said)
    return [line for at, own in enumerate(taken) for line in (own, *added.get(at, ()))]


def _second_opinion(root: HtmlElement, markup: str) -> list[str]:
    if tree.is_flattened(root) or _is_misnested(markup):
        markup = etree.tostring(root, encoding="unicode", method="html")
    text: str = extract_plain_text(
        markup, main_content=True, alt_texts=False, preserve_formatting=True, list_bullets=False
    )
    return [line for line in map(tree.squeeze, text.split("\n")) if line]


def _is_misnested(markup: str) -> bool:
    """Tell markup whose styles are left open so often that a parser repeats them without end.

    HTML opens each of them again in every paragraph that follows.
    """
    still_open, most = 0, 0
    for match in _STYLE_TAG.finditer(markup):
        still_open += -1 if match[1] else 1
        most = max(most, still_open)
    return most * markup.count("<") > _MOST_REPEATED


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
