"""The lines of a document without markup go in; its title, body, captions and comments come out.

Such a document is a page copied as text: chrome, headline, byline and captions stand above the
body, related articles and comments below it. Nothing marks them but their place and their shape:
the body is what lies between the first and the last full sentence, and a short line between two of
its paragraphs is a heading.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.shared.contracts import Comment
from worker.fields import dates, titles
from worker.tree import HEADING


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What was found; empty where the document does not say."""

    title: str | None = None
    paragraphs: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    site_name: str | None = None
    section: str | None = None
    dateline: str | None = None
    published: dates.Instant | None = None
    published_seen: str | None = None
    captions: tuple[str, ...] = ()
    comments: tuple[Comment, ...] = ()
    witnesses: dict[str, str] = field(default_factory=dict)


_SENTENCE_END = re.compile(r"[.!?؟…。！？۔:؛]['\"”’»)\]]*\s*$|['\"”’»)]\s*[.。۔]\s*$")
_LONG = 60
_HEAD_LINES = 25
_TITLE_WORDS = 4

_ICON = re.compile(r"^(?:camera|tag|image|photo|user|clock|calendar)?[ _-]?icon\s*", re.IGNORECASE)
_DOMAIN = r"(?:[a-z0-9-]+\.)+(?:com|net|org|info|tv|me|sy|[a-z]{2})"
_SITE_AT_END = re.compile(rf"\s+[|–—ـ-]\s+({_DOMAIN})\s*$", re.IGNORECASE)
_NAME = r"[^\W\d_]{2,}(?:[ .'’-]+[^\W\d_]{1,}){1,3}"
_NAME_AND_SITE = re.compile(rf"^({_NAME})\s*[|–—ـ-]\s*({_DOMAIN})$", re.IGNORECASE)
_BYLINE = re.compile(rf"^(?:by|von|par|por|كتبت?|بقلم|إعداد)\s*:?\s+({_NAME})$", re.IGNORECASE)
_PLACE_AND_AGENCY = re.compile(r"^(\S+(?: \S+)?)\s*[–—ـ-]\s*(\S+(?: \S+)?)$")
_AGENCIES = frozenset(
    {"خاص", "متابعات", "وكالات", "رويترز", "أ ف ب", "فرانس برس", "الأناضول", "سبوتنيك", "reuters"}
    | {"ap", "afp", "agencies", "dpa"}
)
_CREDIT = re.compile(r"[-–—]\s*(?:[A-Z]{2,}[\w /]*|\([^()]{2,40}\)|رويترز|أ ف ب|الأناضول)\s*$")
#: How long ago a comment was written.
AGE = re.compile(
    r"^\W{0,3}((?:منذ|قبل) .{2,40}|.{1,30} ago|vor .{2,30}|il y a .{2,30}|hace .{2,30})$",
    re.IGNORECASE,
)
_MAX_DATE_LINE = 60


def read(lines: Sequence[str]) -> Document:
    """Return what the document says, from its lines in order; blank lines may be left out."""
    lines = [squeezed for line in lines if (squeezed := " ".join(line.split()))]
    if not lines:
        return Document()
    place, title, site = _title(lines)
    comments_start, comments = _comments(lines)
    start, end = _body(lines, place + 1, comments_start)
    head = lines[place + 1 : start]
    date = _date(head)
    authors, dateline, named_site = _credits(head)
    section = _section(lines[: max(place, 0)], title)
    fields = {
        "title": title,
        "site_name": site or named_site,
        "section": section,
        "dateline": dateline,
        "authors": authors,
    }
    witnesses = {name: "text" for name, value in fields.items() if value}
    if date:
        witnesses["published_at"] = "text"
    return Document(
        title=title,
        paragraphs=tuple(_with_headings(lines[start:end])),
        authors=authors,
        site_name=site or named_site,
        section=section,
        dateline=dateline,
        published=date and date[0],
        published_seen=date and date[1],
        captions=tuple(_captions(head)),
        comments=tuple(comments),
        witnesses=witnesses,
    )


def _is_sentence(line: str) -> bool:
    return len(line) >= _LONG and bool(_SENTENCE_END.search(line)) and not _CREDIT.search(line)


def _title(lines: Sequence[str]) -> tuple[int, str | None, str | None]:
    """Return place, title and site's name: the first line of four words or more, at the head."""
    for place, line in enumerate(lines[:_HEAD_LINES]):
        bare = titles.without_remains(line)
        site = _SITE_AT_END.search(bare)
        title = bare[: site.start()].strip() if site else bare
        if len(title.split()) >= _TITLE_WORDS:
            return place, title, site and site[1]
    return -1, None, None


def _body(lines: Sequence[str], first: int, comments_start: int) -> tuple[int, int]:
    """Return the slice of the body: from its first full sentence to its last."""
    sentences = [i for i in range(first, comments_start) if _is_sentence(lines[i])]
    if not sentences:
        return first, comments_start
    start, end = sentences[0], sentences[-1] + 1
    while start > first and _SENTENCE_END.search(lines[start - 1]):
        start -= 1
    # A body may close with a short sentence; what closes without a stop is chrome.
    while end < comments_start and _SENTENCE_END.search(lines[end]):
        end += 1
    return start, end


def _with_headings(body: Sequence[str]) -> list[str]:
    last = len(body) - 1
    return [
        f"{HEADING}{line}"
        if 0 < i < last and len(line) < 2 * _LONG and not _SENTENCE_END.search(line)
        else line
        for i, line in enumerate(body)
    ]


def _comments(lines: Sequence[str]) -> tuple[int, list[Comment]]:
    """Return where the comments start, and the comments: a name, an age, then what they say."""
    ages = [i for i in range(1, len(lines)) if AGE.match(lines[i]) and _is_short(lines[i - 1])]
    if not ages:
        return len(lines), []
    ends = [*(age - 1 for age in ages[1:]), len(lines)]
    comments = []
    for age, end in zip(ages, ends, strict=True):
        said: list[str] = []
        for line in lines[age + 1 : end]:
            if said and len(line) < _LONG and not _SENTENCE_END.search(line):
                break  # the buttons below the comment
            said.append(line)
        comments.append(
            Comment(text="\n".join(said), author=lines[age - 1], age=AGE.sub(r"\1", lines[age]))
        )
    start = ages[0] - 1
    while start > 0 and _is_short(lines[start - 1]):
        start -= 1  # "Comments (2)"
    return start, comments


def _is_short(line: str) -> bool:
    return len(line) < _LONG and not _SENTENCE_END.search(line)


def _date(head: Sequence[str]) -> tuple[dates.Instant, str] | None:
    for line in head:
        if len(line) > _MAX_DATE_LINE or not dates.stands_alone(line):
            continue
        found = dates.parse(line, dates.zone_of_city(line))
        if found:
            return found, line
    return None


def _credits(head: Sequence[str]) -> tuple[tuple[str, ...], str | None, str | None]:
    """Return authors, dateline and the site's name as the lines above the body give them."""
    authors, dateline, site = [], None, None
    for line in head:
        if match := _NAME_AND_SITE.match(line):
            authors.append(match[1])
            site = match[2]
        elif match := _BYLINE.match(line):
            authors.append(match[1])
        elif (match := _PLACE_AND_AGENCY.match(line)) and match[2].lower() in _AGENCIES:
            if match[1].isascii():
                site = match[1]  # an outlet's name in Latin letters, not a place
            else:
                dateline = line
    return tuple(authors), dateline, site


def _captions(head: Sequence[str]) -> list[str]:
    """Return the lines above the body with a photo's credit, and the line that one belongs to."""
    captions: list[str] = []
    for i, line in enumerate(head):
        if len(line) >= _LONG and _CREDIT.search(line):
            if i and _is_short(head[i - 1]) and len(head[i - 1].split()) >= _TITLE_WORDS:
                captions.append(head[i - 1])
            captions.append(_ICON.sub("", line))
    return captions


def _section(above: Sequence[str], title: str | None) -> str | None:
    """Return the line above the headline, if it is in the headline's script: no icon's name."""
    if not above or not title:
        return None
    line = above[-1]
    same_script = line.isascii() == title.isascii()
    return line if same_script and len(line.split()) < _TITLE_WORDS else None
