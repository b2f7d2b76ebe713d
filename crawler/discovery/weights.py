"""An address, or the text that links to it, goes in; how much it looks like an article's comes out.

The numbers are set on labelled pages: `benchmarks/sections.py`.
"""

import re
from urllib.parse import unquote, urlsplit

_DATE = re.compile(
    r"(?:19|20)\d\d[/_-]?(?:0?[1-9]|1[0-2])(?:[/_-]?(?:0?[1-9]|[12]\d|3[01]))?(?!\d)"
)
_NUMBER = re.compile(r"\d+")
_WORD = re.compile(r"[^\W\d_]{2,}")
_PARAMETER = re.compile(r"(?<![^=&])([^=&]+)=")
_HEX = re.compile(r"^(?=.*\d)[0-9a-f-]{16,}$", re.IGNORECASE)
_WIDE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]")
_FILE = re.compile(
    r"\.(?:pdf|jpe?g|png|gif|svg|webp|mp[34]|m3u8?|avi|mov|zip|rar|gz|apk|exe|docx?|xlsx?|pptx?|xml"
    r"|rss|json|css|js|ico|ics)$",
    re.IGNORECASE,
)
_PAGE = re.compile(r"\.(?:html?|shtml|xhtml|php|aspx?|jsp|cms)$", re.IGNORECASE)
#: Segments that sites of all languages give to lists, forms and notices.
_LISTS = re.compile(
    r"^(?:tags?|topics?|tema|temas|label|keywords?|trends?|category|categories|cat|sections?"
    r"|authors?|autor|people|person|profile|users?|members?|writers?|columnists?|archives?|page"
    r"|search|suche|buscar|log-?in|sign-?(?:in|up)|log-?out|register|auth|account|subscri\w+|abo\w*"
    r"|newsletters?|rss|feeds?|about(?:-?us)?|contacts?(?:-?us)?|privacy(?:-policy)?|terms"
    r"|cookies?|legal|impressum|careers?|advertis\w+|ads?|help|faqs?|sitemap|services?|docs"
    r"|print|share|redirect|weather)$",
    re.IGNORECASE,
)


def path(url: str, here: str) -> float:
    """Return the weight of an address's path and parameters, linked to from the path `here`."""
    parts = urlsplit(url)
    segments = [unquote(segment) for segment in parts.path.split("/") if segment]
    if _FILE.search(parts.path):
        return -10.0
    if not segments:
        return -5.0 if not _NUMBER.search(parts.query) else -1.0
    last = _PAGE.sub("", segments[-1])
    weight = 0.5 if _PAGE.search(segments[-1]) else 0.0
    # An address above this page's is its section.
    weight -= 3.0 * here.startswith(parts.path.rstrip("/") + "/")
    words = len(_WORD.findall(last))
    if words < 2:  # noqa: PLR2004 - an id, as a rule, behind the slug
        words = max(len(_WORD.findall(segment)) for segment in [last, *segments[-3:-1]])
    weight += 2.5 if words >= 5 else 1.5 if words >= 3 else -1.0 if words <= 1 else 0.0  # noqa: PLR2004
    weight += 2.0 * bool(_DATE.search("/".join(segments)))
    numbers = [
        len(number) for number in _NUMBER.findall(f"{'/'.join(segments[-3:])}?{parts.query}")
    ]
    longest = max(numbers, default=0)
    weight += 2.0 if longest >= 5 else 0.5 if longest >= 3 else 0.0  # noqa: PLR2004
    names = [*segments, (parts.hostname or "").partition(".")[0], *_PARAMETER.findall(parts.query)]
    if any(map(is_list_word, names)):
        # Some have their articles below a word for lists; then with an id.
        weight -= 1.0 if longest >= 5 else 3.0  # noqa: PLR2004
    return weight + 2.0 * bool(_HEX.match(last))


def text(words: str) -> float:
    """Return the weight of the longest text that links to it: a headline is a sentence."""
    letters = length(words)
    if not letters:
        return -0.5
    return 2.0 if letters >= 50 else 1.5 if letters >= 32 else 0.5 if letters >= 20 else -1.0  # noqa: PLR2004


def length(text: str) -> float:
    """Return the length of a text as it would be in letters: a sign of Chinese says more."""
    return len(text) + 1.5 * len(_WIDE.findall(text))


def shape(url: str) -> str:
    """Return what the addresses of one site's articles have in common."""
    parts = urlsplit(url)
    names = []
    for segment in parts.path.split("/"):
        name = unquote(_PAGE.sub(".page", segment))
        if name.isdigit():
            names.append("1")
        elif len(_WORD.findall(name)) > 2:  # noqa: PLR2004
            names.append("slug1" if _NUMBER.search(name) else "slug")
        elif _NUMBER.search(name):
            names.append("name1")
        else:
            names.append("name")
    return f"{parts.hostname}/{'/'.join(names)}?{len(parts.query.split('&')) if parts.query else 0}"


def is_list_word(segment: str) -> bool:
    """Return whether sites give this segment to lists, forms and notices."""
    return bool(_LISTS.match(_PAGE.sub("", segment)))
