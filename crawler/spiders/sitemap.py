"""Sitemaps that are due go in; their links and the pages behind them come out."""

from crawler.spiders.base import FrontierSpider


class SitemapSpider(FrontierSpider):
    """Polls sitemaps, news sitemaps and their indexes, and fetches every link that is due."""

    name = "sitemap"
    kinds = ("sitemap",)
