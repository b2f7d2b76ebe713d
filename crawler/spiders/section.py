"""Section pages that are due go in; the articles they link to and their pages come out."""

from crawler.spiders.base import FrontierSpider


class SectionSpider(FrontierSpider):
    """Polls section pages, and fetches every link that is due."""

    name = "section"
    kinds = ("section",)
