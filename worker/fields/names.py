"""A line that names authors goes in; the names of the people in it come out.

"By", roles, places and employers are cut; an agency is an author only where no person is named.
"""

import re
from functools import cache

from worker import lexicon
from worker.fields import titles
from worker.tree import squeeze

_PARTS = re.compile(r"\s*(?:[,;،、•·/／]|\s[-–—]\s)\s*")
_EMPLOYER = re.compile(r"\s*[|｜]\s*")
#: A place and an agency: "(Cairo - agencies)".
_DATELINE = re.compile(r"^\(.*[-–—].*\)$")
_AND = re.compile(
    r"\s*(?:&|\b(?:and|und|et|og|och|en|ve|и|та)\b|\s(?-i:[eiy])\s|\sو\s"
    # "and" grown together with the name after it, which is one of two words at least: there are
    # names that begin with this letter.
    r"|(?<=\w\w\s)و(?=\w+\s\w))\s*",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"https?:|www\.|\S@\S", re.IGNORECASE)
_ACCOUNT = re.compile(r"^[a-z\d]+[._-][a-z\d._-]+$|\badmin\b", re.IGNORECASE)
_NO_NAME = re.compile(
    r"@|\d{3}|\.txt$|\bsays$|\bmin read\b|^reviewed\b|^(?:more|articles|insights|read) ",
    re.IGNORECASE,
)
_WHERE = re.compile(r"^(\S+\s\S.*?)\s(?:in|[Ff]or|from|at|aus|für|pour|à|para)(?:\s.*)?$")
_AROUND = " ,;|-–—·•:()[]/"
_MAX_AUTHORS = 12
#: Longer is no byline; it may be anything, and must not take long.
_MAX_LINES, _MAX_LINE, _MAX_LABEL = 50, 500, 60
_MIN_NAME, _MAX_NAME, _MAX_WORDS = 2, 60, 5
_FULL_NAME = 2


def people(written: list[str]) -> tuple[str, ...]:
    """Return the names in these texts, each once, without what is around them."""
    found: dict[str, str] = {}
    for line in written[:_MAX_LINES]:
        if _ADDRESS.search(line):
            continue
        for name in _in_line(line[:_MAX_LINE]):
            found.setdefault(titles.loose(name), name)
    return tuple(found.values())[:_MAX_AUTHORS]


def without_label(line: str) -> str:
    """Return a line without the "By" that it begins with; nothing where there is nothing more."""
    line = squeeze(line[:_MAX_LINE]).strip(_AROUND)
    while match := _label().match(line):
        line = line[match.end() :].strip(_AROUND)
    return _after().sub("", line)


def has_label(line: str, *, plain: bool = False) -> bool:
    """Tell a line that begins with "By", or `plain`ly with "Written by"."""
    line = squeeze(line.lstrip()[:_MAX_LABEL]).lstrip(_AROUND)
    return bool((_plain_label() if plain else _label()).match(line))


def look_like_names(line: str) -> bool:
    """Tell names from a sentence: few words between separators, none a number or in small letters.

    Scripts without capitals are told by the number of words alone.
    """
    separate = _PARTS.split(_EMPLOYER.sub(", ", without_label(line)))
    parts = [name for part in separate for name in _AND.split(part)]
    parts = [part for part in parts if part.strip(_AROUND)]
    return bool(parts) and all(_looks_like_name(part) for part in parts)


def is_account(name: str) -> bool:
    """Tell the name of an account from that of a person: first.last, NOC Admin."""
    return bool(_ACCOUNT.search(name))


def before_role(line: str) -> str:
    """Return the full name in "Mira Aalto, senior writer, 3 May 2024"; nothing without a role."""
    name, *others = _PARTS.split(_EMPLOYER.sub(", ", squeeze(line)))
    fits = len(name.split()) >= _FULL_NAME and _looks_like_name(name) and not has_role(name)
    return name if fits and any(has_role(part) for part in others) else ""


def is_nobody(line: str) -> bool:
    """Tell an account or a label that names no one."""
    line = line[:_MAX_LINE]
    bare = squeeze(line).strip(_AROUND).casefold()
    if bare in _words("nobody") or not without_label(line):
        return True
    return bool(_NO_NAME.search(line) or _ADDRESS.search(line))


def has_role(line: str) -> bool:
    """Tell whether a word of the line is one for what people of the press do."""
    return any(_is_role(word) for word in re.findall(r"\w+", line))


def _looks_like_name(part: str) -> bool:
    words = part.strip(_AROUND).split()
    if not 0 < len(words) <= _MAX_WORDS or re.search(r"\d", part):
        return False
    return not any(word[0].islower() and word not in _words("particles") for word in words)


def _in_line(line: str) -> list[str]:
    if _DATELINE.match(line.strip()) or _credit().match(line.strip()):
        return []
    before, *employers = _EMPLOYER.split(without_label(line))
    if employers and not _is_full(before):
        before = ", ".join((before, *employers))
    first, *others = _PARTS.split(before)
    beside = [part for part in others if not (_is_full(first) and _is_beside(part))]
    parts = [name for part in (first, *beside) for name in _AND.split(part)]
    return [name for part in parts if (name := _name(part))]


def _is_full(part: str) -> bool:
    return len(part.split()) >= _FULL_NAME


def _is_beside(part: str) -> bool:
    """Tell the role, place or agency that stands after a full name."""
    return not _is_full(part) or part.casefold() in _words("agencies") or has_role(part)


def _name(part: str) -> str:
    name = _WHERE.sub(r"\1", without_label(part)).strip(_AROUND)
    words = name.split()
    role = next((i for i, word in enumerate(words) if i >= _FULL_NAME and _is_role(word)), None)
    name = " ".join(words[:role])
    return name if _MIN_NAME <= len(name) <= _MAX_NAME and not is_nobody(name) else ""


def _is_role(word: str) -> bool:
    return word.casefold() in _words("roles")


@cache
def _words(kind: str) -> frozenset[str]:
    return frozenset(word.casefold() for word in lexicon.load("bylines")[kind])


@cache
def _label() -> re.Pattern[str]:
    spaced = _beginning(_words("by") | _words("written_by"))
    at_once = "|".join(sorted(map(re.escape, _words("by_at_once")), key=len, reverse=True))
    return re.compile(rf"{spaced.pattern}|(?:{at_once})[\s:：]*", re.IGNORECASE)


@cache
def _credit() -> re.Pattern[str]:
    listed = "|".join(sorted(map(re.escape, _words("credit")), key=len, reverse=True))
    return re.compile(rf"(?:{listed})(?:\s+(?:by|von|par|de|di))?(?:\s*[:：/]|\s)", re.IGNORECASE)


@cache
def _after() -> re.Pattern[str]:
    return re.compile(rf"(?<=\w\w)\s*(?:{'|'.join(map(re.escape, _words('after')))})$")


@cache
def _plain_label() -> re.Pattern[str]:
    return _beginning(_words("written_by"))


def _beginning(words: frozenset[str]) -> re.Pattern[str]:
    listed = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return re.compile(rf"(?:{listed})(?:\s*[:：]\s*|\s+|$)", re.IGNORECASE)
