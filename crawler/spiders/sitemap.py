"""Sitemaps that are due go in; their links and the pages behind them come out."""

from crawler.discovery import parse_sitemap
from crawler.spiders.base import FrontierSpider


class SitemapSpider(FrontierSpider):
    """Polls sitemaps, news sitemaps and their indexes, and fetches every link that is due."""

    name = "sitemap"
    parsers = {"sitemap": parse_sitemap}  # noqa: RUF012 - the base class says it is the class's
