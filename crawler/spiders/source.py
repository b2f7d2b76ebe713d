"""Feeds of every kind that are due go in; their links and the pages behind them come out."""

from crawler.discovery import parse_feed, parse_sitemap
from crawler.spiders.base import FrontierSpider


class SourceSpider(FrontierSpider):
    """Polls all that a source has: what `rasid crawl` runs, so that hosts are asked by one."""

    name = "source"
    parsers = {  # noqa: RUF012 - the base class says it is the class's
        "feed": parse_feed,
        "sitemap": parse_sitemap,
    }
