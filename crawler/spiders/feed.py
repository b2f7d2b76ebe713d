"""RSS and Atom feeds that are due go in; their links and the pages behind them come out."""

from crawler.spiders.base import FrontierSpider


class FeedSpider(FrontierSpider):
    """Polls feeds, and fetches every link that is due."""

    name = "feed"
    kinds = ("feed",)
