"""A parsed page and the text taken from it go in; the reason why it is no article comes out.

Told by structure: a text made of teasers that lead elsewhere is a home, section, tag or search page
whatever it is called, and a page that says it sells its article and shows a stub of it is a
paywall. Recall first: a page that calls itself an article in its data is refused only where hardly
any text of its own is left.
"""

import re
from collections import Counter
from collections.abc import Iterator

from lxml.html import HtmlElement

from services.shared.contracts import Rejection
from worker import tree
from worker.fields import jsonld, titles
from worker.fields.page import Page

_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5"})
#: A link in a run of text is no teaser: it has its block for itself.
_BLOCKS = frozenset({"li", "div", "td", "dt", "dd", "article", "section", "p", *_HEADINGS})
_MIN_HEADLINE = 18
_MAX_TEASER = 600
_TWO, _FEW_TEASERS, _MANY_TEASERS = 2, 3, 8
_MIN_PARAGRAPH, _LONG_PARAGRAPH, _PROSE = 80, 180, 500
_EDGE, _LITTLE, _STUB, _SHORT = 120, 250, 400, 1_500
_SHARE_OF_TEASERS, _SHARE_SHOWN = 0.6, 0.5
_MANY_IMAGES = 6

_LIST_PATH = re.compile(
    r"^/*(?:[a-z]{2}/)?$|/(?:tags?|category|categories|kategorie|rubrique|topics?|search|suche|author"
    r"|authors|page/\d+)(?:/|$)",
    re.IGNORECASE,
)
_LIST_CLASS = re.compile(
    r"(?:^|\s)(?:home|archive|category|tag|search|search-results|blog)(?=\s|$)"
)
_LIST_TYPE = re.compile(r'"@type"\s*:\s*\[?\s*"(?:CollectionPage|SearchResultsPage)"')
_GALLERY_TYPE = re.compile(r'"@type"\s*:\s*\[?\s*"(?:ImageGallery|MediaGallery)"')
_VIDEO_TYPE = re.compile(r'"@type"\s*:\s*\[?\s*"(?:VideoObject|Clip|Movie|TVEpisode)"')
_MAX_TYPE = 200
_ARTICLE_TYPE = re.compile(r"(?:Article|Posting|Report|Review|Opinion\w*|Interview)$|^LiveBlog")
_UNFINISHED = re.compile(r"(?:…|\.\.\.|\[…\]|\[\.\.\.\])[\"'”»]?\s*$")
_WALL = re.compile(r"(?:^|[\s_-])(?:pay|reg|premium|subscri\w*)-?_?wall", re.IGNORECASE)


def refuse(page: Page, text: str) -> Rejection | None:
    """Return a rejection for a list of articles, a gallery, a video stub or a paid teaser."""
    root, nodes, metas = page.root, page.data.articles, page.metas
    says_article = any(_is_article(node) for node in nodes)
    if _is_walled(root, nodes, metas, text):
        return Rejection(reason="paywall", detail=f"a paid article, {len(text)} characters shown")
    scripts = "\n".join(_scripts(root))
    if not says_article and len(text) < _LITTLE and (shown := _media(root, metas, scripts)):
        return Rejection(reason="not_article", detail=f"{shown} with {len(text)} characters")
    signs = _signs_of_list(root, page.url, metas, scripts)
    stated = says_article or "article:published_time" in metas or metas.get("og:type") == "article"
    if says_article or (stated and not signs):
        return None
    items = _items(root)
    share = _share(items, text)
    if _is_list(text, len(items), share, has_sign=bool(signs)) and not _has_prose(root, items):
        return Rejection(reason="not_article", detail=_detail(len(items), share, signs))
    return None


def teasers(root: HtmlElement) -> str:
    """Return the letters of all teasers of a page, one a line, to look for a text in."""
    return "\n".join(map(titles.loose, _items(root)))


def _is_list(text: str, teasers: int, share: float, *, has_sign: bool) -> bool:
    if len(text) * (1 - share) >= _LITTLE:
        return False
    # Where only the edge of a list was taken for a text, hardly anything may be left of it.
    few = share >= _SHARE_OF_TEASERS and len(text) >= _EDGE
    enough = (_TWO if has_sign else _FEW_TEASERS) if few else _MANY_TEASERS
    return (few or has_sign) and teasers >= enough


def _detail(teasers: int, share: float, signs: list[str]) -> str:
    said = f", {', '.join(signs)}" if signs else ""
    return f"a list of {teasers} teasers, {share:.0%} of the text{said}"


# --- Lists ---


def _signs_of_list(
    root: HtmlElement, url: str | None, metas: dict[str, str], scripts: str
) -> list[str]:
    """Return in words how the page calls itself a list."""
    body, path = root.find("body"), titles.path(url)
    found = {
        "address of a list": path is not None and _LIST_PATH.search(path),
        "class of a list": body is not None and _LIST_CLASS.search(body.get("class") or ""),
        "typed as a list": _LIST_TYPE.search(scripts),
        "typed as a site": metas.get("og:type", "").lower() in {"website", "blog"},
    }
    return [words for words, sign in found.items() if sign]


def _share(items: list[str], text: str) -> float:
    """Return the share of the text that stands in these teasers."""
    told = "\n".join(map(titles.loose, items))
    lines = [line for line in text.split("\n") if line]
    taken = sum(len(line) for line in lines if titles.loose(line) in told)
    return taken / (sum(map(len, lines)) or 1)


def _has_prose(root: HtmlElement, items: list[str]) -> bool:
    """Tell a page with paragraphs of its own, whether they were taken for the text or not."""
    told = "\n".join(items)
    found = (tree.text_of(element) for element in root.iter("p"))
    return sum(len(text) for text in found if _is_prose(text, told)) >= _PROSE


def _is_prose(paragraph: str, teasers: str) -> bool:
    if paragraph in teasers:  # a section of an article may have one link of its own as well
        return len(paragraph) >= _LONG_PARAGRAPH and not _UNFINISHED.search(paragraph)
    return len(paragraph) >= _MIN_PARAGRAPH


def _items(root: HtmlElement) -> list[str]:
    """Return the texts of the largest elements that hold one headline link each."""
    links = [link for link in root.iter("a") if link.get("href") and _stands_alone(link)]
    counts = Counter(holder for link in links for holder in link.iterancestors())
    texts = (tree.text_of(_largest(link, counts)) for link in links)
    return [text for text in dict.fromkeys(texts) if len(text) <= _MAX_TEASER]


def _largest(link: HtmlElement, counts: Counter[HtmlElement]) -> HtmlElement:
    item = link
    for holder in link.iterancestors():
        if counts[holder] > 1:
            break
        item = holder
    return item


def _stands_alone(link: HtmlElement) -> bool:
    """Tell a link with a headline's length that has its line for itself, or is a heading."""
    if len(tree.text_of(link)) < _MIN_HEADLINE:
        return False
    if any(element.tag in _HEADINGS for element in link.iter()):
        return True
    while not (link.tail or "").strip():
        before, holder = link.getprevious(), link.getparent()
        if holder is None:
            return False
        if titles.loose((holder.text if before is None else before.tail) or ""):
            return False
        if holder.tag in _BLOCKS:
            return True
        link = holder
    return False


# --- Galleries, videos ---


def _media(root: HtmlElement, metas: dict[str, str], scripts: str) -> str | None:
    kind = metas.get("og:type", "").lower()
    if kind.startswith("video") or _VIDEO_TYPE.search(scripts):
        return "a video"
    if _GALLERY_TYPE.search(scripts):
        return "a gallery"
    figures = sum(1 for figure in root.iter("figure") if figure.find(".//img") is not None)
    return "a gallery" if figures >= _MANY_IMAGES else None


# --- Paywalls ---


def _is_walled(
    root: HtmlElement, nodes: list[jsonld.Node], metas: dict[str, str], text: str
) -> bool:
    """Tell a page that says its article is paid for and shows a stub of it."""
    tier = metas.get("article:content_tier", "").lower()
    paid = [node for node in nodes if _is_paid(node)]
    if len(text) >= _SHORT or not (paid or tier in {"locked", "metered"}):
        return False
    if any(_is_partly_shown(node, text) for node in paid):
        return True
    return len(text) < _STUB and (bool(_UNFINISHED.search(text)) or _has_wall(root))


def _is_paid(node: jsonld.Node) -> bool:
    return str(node.get("isAccessibleForFree")).lower().rpartition("/")[2] == "false"


def _is_partly_shown(node: jsonld.Node, text: str) -> bool:
    count = jsonld.text(str(node.get("wordCount") or ""))
    return count.isdigit() and len(text.split()) < _SHARE_SHOWN * int(count)


def _has_wall(root: HtmlElement) -> bool:
    return any(
        _WALL.search(f"{element.get('class') or ''} {element.get('id') or ''}")
        for element in root.iter("div", "section", "aside")
    )


# --- Data of the page ---


def _is_article(node: jsonld.Node) -> bool:
    types = node.get("@type")
    return any(
        isinstance(name, str) and len(name) < _MAX_TYPE and bool(_ARTICLE_TYPE.search(name))
        for name in (types if isinstance(types, list) else [types])
    )


def _scripts(root: HtmlElement) -> Iterator[str]:
    for element in root.iter("script"):
        if "ld+json" in (element.get("type") or "").lower() and element.text:
            yield element.text
