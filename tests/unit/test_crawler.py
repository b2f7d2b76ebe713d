from datetime import UTC, datetime

import pytest
from scrapy.http import Response

from crawler.addresses import is_public
from crawler.politeness import (
    LINK_TRIES,
    link_wait_s,
    retry_after_s,
)
from crawler.run import chosen
from crawler.settings import scrapy_settings
from services.demo.newspaper import read_stories, resources
from services.shared.errors import RasidError
from services.shared.settings import Settings
from services.shared.sources import Feed, Source

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SOURCE = Source(
    name="a",
    title="A",
    home_page="https://a.example/",
    enabled=False,
    feeds=(Feed(url="https://a.example/rss"),),
)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
        *("0.0.0.0", "224.0.0.1", "255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1%eth0"),
        *("fd00::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "x", ""),
        # IPv4 inside IPv6, in the ways that are out of use, and the local NAT64.
        *("::127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b:1::a00:1", "2001:0:7f00:1::"),
        # Metadata services, and what is reserved since Python 3.11.
        *("fd00:ec2::254", "168.63.129.16", "192.0.0.192", "192.88.99.1", "198.18.0.1"),
        *("fec0::1", "5f00::1", "3fff::1", "2001:db8::1", "240.0.0.1", "fe80::1", "100::1"),
    ],
)
def test_addresses_inside_are_not_public(address: str) -> None:
    """No private, loopback, reserved or multicast address is public, however wrapped."""
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_addresses_outside_are_public(address: str) -> None:
    """The Internet can be reached."""
    assert is_public(address)


def test_a_link_is_given_up_after_some_tries() -> None:
    """Each wait is longer than the one before, and then there is none."""
    waits = [link_wait_s(tries) for tries in range(1, LINK_TRIES + 1)]

    assert waits[-1] is None
    seconds = [wait for wait in waits if wait]
    assert len(seconds) == LINK_TRIES - 1
    assert seconds == sorted(seconds)
    assert 50 < seconds[0] < 70


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("Sat, 21 Nov 2026 12:10:00 GMT", 600),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 0),
        ("99999999999", 86400),
        ("soon", None),
        ("-5", None),
        ("٣", None),
        ("", None),
    ],
)
def test_retry_after_is_read(header: str, seconds: float | None) -> None:
    """A number or a date gives seconds, at most a day; anything else says nothing."""
    response = Response("https://a.example/", headers={"Retry-After": header})
    assert retry_after_s(response, NOW) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Date": "Sat, 21 Nov 2020 12:00:00 GMT"}, 600),
        ({"Date": "Sat, 21 Nov 2020 12:00:00 GMT", "Age": "200"}, 400),
        ({"Date": "Sat, 21 Nov 2020 13:00:00 GMT"}, 0),
        ({"Date": "today"}, 0),
        ({"Age": "200"}, 0),
    ],
)
def test_a_server_is_left_alone_by_its_own_clock(headers: dict[str, str], seconds: float) -> None:
    """Until when is counted from the server's own Date, less the time in caches."""
    until = {"Retry-After": "Sat, 21 Nov 2020 12:10:00 GMT"}
    response = Response("https://a.example/", status=503, headers=until | headers)
    assert retry_after_s(response, NOW) == seconds


def test_the_source_to_crawl_is_told_or_enabled() -> None:
    """Without `only` the enabled sources are crawled; a name takes that one, enabled or not."""
    on = SOURCE.model_copy(update={"name": "b", "enabled": True})

    assert chosen([SOURCE, on], None) == [on]
    assert chosen([SOURCE, on], "a") == [SOURCE]
    with pytest.raises(RasidError, match="enabled: true"):
        chosen([SOURCE], None)
    with pytest.raises(RasidError, match="there are: a, b"):
        chosen([SOURCE, on], "c")


def test_nothing_of_scrapy_listens() -> None:
    """Both of Scrapy's doors, which are open by default, are shut."""
    settings = scrapy_settings(Settings())

    assert settings["TELNETCONSOLE_ENABLED"] is False
    assert settings["REMOTE_CONTROL_ENABLED"] is False
    assert settings["DOWNLOAD_VERIFY_CERTIFICATES"] is True


def test_the_demo_site_is_as_varied_as_it_says() -> None:
    """Four languages, every dress, Arabic bytes without a declared charset, a true reprint."""
    stories = read_stories()
    files = resources("http://127.0.0.1:1/")

    assert {story.language for story in stories.values()} == {"ar", "en", "fa", "fr"}
    assert {story.dress for story in stories.values()} == {
        *("bare", "json_ld", "microdata", "opengraph", "windows-1256")
    }
    old = files[stories["manuscripts"].path]
    assert old.content_type == "text/html"
    assert stories["manuscripts"].paragraphs[0] in old.body.decode("windows-1256")
    assert b"charset" not in old.body
