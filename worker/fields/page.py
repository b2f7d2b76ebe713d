"""A parsed page goes in; what every reader of a field asks of it comes out, found once."""

from dataclasses import dataclass

from lxml.html import HtmlElement

from worker import tree
from worker.fields import jsonld, marks, places


@dataclass(frozen=True, slots=True)
class Page:
    """A parsed page, its ways of speaking to machines, its headline, and its address if known."""

    root: HtmlElement
    data: jsonld.Found
    metas: dict[str, str]
    marks: marks.Marks
    headline: HtmlElement | None
    #: The elements that hold the headline: what else they hold is about the same article.
    around: set[HtmlElement]
    url: str | None = None

    def is_elsewhere(self, element: HtmlElement) -> bool:
        """Tell what stands in a list of other articles, a comment or the page's chrome."""
        return places.is_elsewhere(element, self.around)


def read(root: HtmlElement, url: str | None = None) -> Page:
    """Return the page whose tree this is."""
    headline = places.headline(root)
    return Page(
        root=root,
        data=jsonld.read(root),
        metas=tree.metas(root),
        marks=marks.read(root),
        headline=headline,
        around=places.around(headline),
        url=url,
    )
