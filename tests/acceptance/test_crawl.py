"""Many hosts, two crawlers, one of them killed: what the servers saw, links and queue agree."""

import os
import signal
import time

import pytest

from services.shared.settings import Settings
from tests.integration.crawls import crawling, exit_code_after
from tests.site import newspapers
from tests.site.accounts import Killed, complaints, under_way
from tests.site.server import serve

#: `200 x 100` is what is promised; the short form asks the same of a smaller site.
HOSTS, ARTICLES = map(int, os.environ.get("RASID_TEST_CRAWL", "20 x 50").split("x"))
DELAY_S = float(os.environ.get("RASID_TEST_CRAWL_DELAY_S", "0.3"))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_crawlers_and_a_kill(settings: Settings) -> None:
    """Every article is fetched once but for those the killed one had, and no delay is broken."""
    settings = settings.model_copy(
        update={
            "public_addresses_only": False,
            "crawl_lease_s": 10.0,
            # Or one crawler would take all.
            "crawl_hosts": HOSTS // 2,
            "queue_max_pages": 10 * HOSTS * ARTICLES,
        }
    )
    doomed, survivor = (
        settings.model_copy(update={"user_agent": name}) for name in ("doomed", "survivor")
    )
    with serve(hosts=HOSTS) as site:
        addresses = newspapers.publish(site, ARTICLES)
        papers = newspapers.sources(site, delay_s=DELAY_S)
        with crawling(doomed, papers) as (first, _), crawling(survivor, papers) as (_, second):
            end = time.monotonic() + 1800
            while len(site.requests) < len(addresses) // 2:
                assert time.monotonic() < end, "the crawl does not come to its half"
                time.sleep(0.02)
            assert exit_code_after(first, signal.SIGKILL) == -signal.SIGKILL
            killed = Killed(user_agent="doomed", under_way=under_way(settings))
            assert second.poll(1800)

    assert complaints(site, addresses, settings, killed) == []
    assert {request.headers["user-agent"] for request in site.requests} == {"doomed", "survivor"}
    assert site.closest() >= DELAY_S
