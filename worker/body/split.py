"""A parsed page goes in; the containers that its body is split into come out, to be joined."""

from collections import Counter, defaultdict

from lxml.html import HtmlElement

from worker.fields.places import is_elsewhere

_LONG, _SEVERAL = 80, 2
_MOST, _NEARLY_ALL = 0.6, 0.8


def containers(root: HtmlElement) -> list[HtmlElement]:
    """Return the containers of one kind that a body is split into; none where it stands in one.

    Pages that set advertisements or pictures between the paragraphs do so by closing the container
    and opening another of the same class. An extractor may take only the first.
    """
    holders = [holder for paragraph in root.iter("p") if (holder := _holder(paragraph)) is not None]
    counts = Counter(holders)
    groups: dict[tuple[str, str], list[HtmlElement]] = defaultdict(list)
    for holder, count in counts.items():
        if holder.get("class") and count >= _SEVERAL and not is_elsewhere(holder, set()):
            groups[holder.tag, holder.get("class")].append(holder)
    split = (group for group in groups.values() if len(group) > 1)
    return next((group for group in split if _is_whole_body(group, holders)), [])


def join(group: list[HtmlElement]) -> None:
    """Bring what these containers hold together in the first."""
    for container in group[1:]:
        group[0].extend(list(container))


def _holder(paragraph: HtmlElement) -> HtmlElement | None:
    """Return what holds a paragraph of a sentence or more."""
    is_long = len(paragraph.text or "") >= _LONG or len("".join(paragraph.itertext())) >= _LONG
    return paragraph.getparent() if is_long else None


def _is_whole_body(group: list[HtmlElement], holders: list[HtmlElement]) -> bool:
    """Tell whether these containers hold most of the page's text, and all of it between them."""
    members = set(group)
    places = [place for place, holder in enumerate(holders) if holder in members]
    alone = len(places) >= _NEARLY_ALL * (places[-1] - places[0] + 1)
    return alone and len(places) >= _MOST * len(holders) and not _are_teasers(group)


def _are_teasers(containers: list[HtmlElement]) -> bool:
    """Tell containers that each have a heading which leads elsewhere."""
    linked = sum(1 for container in containers if container.find(".//h2//a") is not None)
    return linked * 2 > len(containers)
