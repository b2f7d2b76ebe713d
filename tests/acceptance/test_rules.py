"""A source's rules on their whole way: sources.yaml, crawler, worker, article, alarm."""

import json
from pathlib import Path

from services.cli.session import environment
from services.demo import site as demo_site
from services.demo.newspaper import Resource
from services.demo.site import Site
from tests.acceptance.conftest import Product
from tests.acceptance.test_commands import SENTENCES, lines, rasid

#: A page whose own heading is the name of a series: nothing but its rule tells the headline.
PAGE = """<!DOCTYPE html><html lang="en"><head><title>Harbour days</title></head><body>
<h1>Harbour days</h1><div class="{box}">The {nth} gate of the harbour is mended</div>
<article>{text}<p>This is the day of the {nth} gate.</p></article></body></html>"""
SOURCES = """
sources:
  - name: quay
    title: The Quay
    home_page: {url}
    enabled: true
    crawl:
      delay_s: 0
    rules:
      title: .story-line
    feeds:
      - url: {url}{feed}
"""


def publish(site: Site, feed: str, box: str, numbers: range) -> None:
    """Put pages of this dress on the site, and a feed that lists them without their titles."""
    items = ""
    for number in numbers:
        page = PAGE.format(box=box, nth=f"{number}th", text=SENTENCES)
        site.files[f"/{number}"] = Resource(body=page.encode())
        items += f"<item><link>{site.url}{number}</link></item>"
    rss = f"<rss version='2.0'><channel><title>The Quay</title>{items}</channel></rss>"
    site.files[f"/{feed}"] = Resource(body=rss.encode(), content_type="application/rss+xml")


def test_a_rule_reads_a_source_until_its_site_changes(product: Product, tmp_path: Path) -> None:
    """The rule's title is the article's; when it stops matching, the general way and an alarm."""
    file = tmp_path / "sources.yaml"
    env = environment(product.settings)
    env |= {"RASID_SOURCES": str(file), "RASID_PUBLIC_ADDRESSES_ONLY": "false"}
    product.spawn("worker", "-m", "services.cli", "worker", env=env)

    def problems_after(site: Site, feed: str, box: str, numbers: range) -> list[str]:
        """Crawl new pages of this dress and return what `rasid status` finds wrong."""
        publish(site, feed, box, numbers)
        file.write_text(SOURCES.format(url=site.url, feed=feed), "utf-8")
        crawled = rasid("crawl", "--once", env=env)
        assert crawled.returncode == 0, crawled.stderr
        product.wait_until_done()
        told = json.loads(rasid("status", "--json", env=env).stdout)["problems"]
        return [problem for problem in told if "rule" in problem]

    with demo_site.serve() as site:
        assert problems_after(site, "before.xml", "story-line", range(4, 7)) == []
        (problem,) = problems_after(site, "redesigned.xml", "headline", range(7, 11))

    assert problem.startswith("quay: its rule for title selected nothing on 4 of the newest 7")
    articles = lines(rasid("articles", "--json", env=env).stdout)
    assert {str(row["url"]).rpartition("/")[2]: row["title"] for row in articles} == {
        **{str(n): f"The {n}th gate of the harbour is mended" for n in range(4, 7)},
        **{str(n): "Harbour days" for n in range(7, 11)},
    }
