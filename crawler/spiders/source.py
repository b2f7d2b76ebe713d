"""Feeds of every kind that are due go in; their links and the pages behind them come out."""

from crawler.spiders.base import FrontierSpider


class SourceSpider(FrontierSpider):
    """Polls all that a source has: what `rasid crawl` runs, so that hosts are asked by one."""

    name = "source"
    kinds = ("feed", "sitemap", "section")
