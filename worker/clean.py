"""The paragraphs an extractor took go in; the article's own, without what stands around it, come out.

By position and shape first: a phrase alone never removes a sentence of the body. Headings are
marked with `## `.
"""

import re
from collections.abc import Iterable

from worker import titles

HEADING = "## "

_DATE = r"(?:\d{1,2}[:.h]\d{2}|\d{4}[-/.年]\s?\d{1,2}|\d{1,2}[./-]\s?\d{1,2}[./-]\s?\d{2,4}|(?:19|20)\d\d)"
_DATE_LINE = re.compile(rf"^.{{0,45}}{_DATE}.{{0,30}}$")
_BYLINE = re.compile(
    r"^\W*(?:by|von|par|por|di|av|af|door|autor(?:in)?|text|kirjoittaja|przez|كتبت?|بقلم|إعداد|حوار"
    r"|نوشته|記者)\s*:?\s.{2,60}$",
    re.IGNORECASE,
)
#: A line of its own that leads to another article.
_TEASER = re.compile(
    r"^\W*(?:read (?:more|also|next)|also read|see also|related(?: \w+)?:|recommended|don.t miss"
    r"|les også|lesen sie|lies auch|auch interessant|mehr (?:zum thema|dazu)|lire aussi|à lire aussi"
    r"|czytaj|zobacz też|leggi anche|lee también|te puede interesar|le[ri]a? também|läs också"
    r"|lue myös|ilgili haber|baca juga|[اإ]قرأ (?:أيض|المزيد|ايض)|شاهد أيض|طالع أيض|بیشتر بخوانید"
    r"|あわせて読みたい|関連記事)",
    re.IGNORECASE,
)
#: What stands below an article, when it stands at the end and is short.
_FOOT = re.compile(
    r"newsletter|subscribe|sign up|abonn|suscr|iscriviti|follow us|folge uns|suivez-nous|síguenos"
    r"|تابعونا|تابعوا|اشترك|مقالات (?:ذات صلة|متعلقة)|مواضيع ذات صلة|会員|無料で|무단|재배포|copyright|©"
    r"|all rights reserved|alle rechte|tous droits|جميع الحقوق|javascript|advertisement|publicidad"
    r"|whatsapp|facebook|twitter|instagram|telegram|google news",
    re.IGNORECASE,
)
_MAX_TEASER, _MAX_FOOT, _MAX_HEAD = 220, 260, 200


def clean(lines: Iterable[str], page_titles: Iterable[str]) -> list[str]:
    """Return the body's paragraphs in order."""
    known = {loose for title in page_titles if len(loose := titles.loose(title)) > 8}
    kept = [line for line in map(str.strip, lines) if line]
    kept = _without_foot(_without_head(kept, known))
    kept = [line for line in kept if not _is_teaser(line)] or kept
    return _without_repeats(kept)


def _is_teaser(line: str) -> bool:
    return len(line) < _MAX_TEASER and bool(_TEASER.match(line.removeprefix(HEADING)))


def _without_head(lines: list[str], known: set[str]) -> list[str]:
    """Cut the headline where it is repeated, and the date and byline above the body."""
    for place, line in enumerate(lines[:4]):
        if len(lines) > place + 1 and titles.loose(line) in known:
            lines = lines[place + 1 :]
            break
    start = 0
    while start < min(8, len(lines) - 1) and _is_head(lines[start], known):
        start += 1
    return lines[start:]


def _is_head(line: str, known: set[str]) -> bool:
    if len(line) > _MAX_HEAD:
        return False
    short = len(line) < 90 and (_DATE_LINE.match(line) or _BYLINE.match(line))
    return bool(short) or titles.loose(line) in known


def _without_foot(lines: list[str]) -> list[str]:
    end = len(lines)
    while end > 2 and _is_foot(lines[end - 1]):
        end -= 1
    return lines[:end]


def _is_foot(line: str) -> bool:
    if len(line) > _MAX_FOOT:
        return False
    if line.startswith(HEADING) or _is_teaser(line) or _FOOT.search(line):
        return True
    return len(line) < 60 and bool(_DATE_LINE.match(line))


def _without_repeats(lines: list[str]) -> list[str]:
    seen: set[str] = set()
    kept = []
    for line in lines:
        loose = titles.loose(line)
        if len(loose) > 25 and loose in seen:
            continue
        seen.add(loose)
        kept.append(line)
    return kept
