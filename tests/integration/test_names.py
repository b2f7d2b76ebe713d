"""Names and addresses that lead inside, or begin to: nothing there is ever connected to."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from crawler import bulk
from crawler import run as crawler_run
from crawler.survey import survey
from services.shared.settings import Settings
from services.shared.sources import Feed
from services.storage import connect
from tests.integration.crawls import done, source
from tests.site import documents, names, server, trouble
from tests.site.server import Answer, Site

#: Each is an address of this machine or its network, or is handed on to one by somebody.
LITERALS = (
    *("127.0.0.1", "2130706433", "0x7f000001", "017700000001", "0177.0.0.1", "0x7f.1", "127.1"),
    *(
        "127.0.1",
        "127.0.0.1.",
        "0",
        "0.0.0.0",
        "localhost",
        "localhost.",
        "LOCALHOST",
        "127。0。0。1",
    ),
    *("[::1]", "[::]", "[::127.0.0.1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[fe80::1]"),
    *("[0:0:0:0:0:ffff:7f00:1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]"),
    *("[2001:0:7f00:1::]", "[2001:0:5ef5:79fd:0:0:80ff:fffe]", "[fd00:ec2::254]", "10.0.0.1"),
    *("169.254.169.254", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518"),
    *("[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::]", "168.63.129.16"),
    *("100.100.100.200", "192.0.0.192", "outlet.test@127.0.0.1", "outlet.test:80@127.0.0.1"),
    *("127.0.0.1/@outlet.test", "127.0.0.1\\@outlet.test", "127.0.0.1?@outlet.test"),
    *("127.0.0.1#@outlet.test", "1.1.1.1 @127.0.0.1"),
    *("127.0.0.1.", "localhost."),
)
#: No browser takes these for addresses; neither do we.
INVALID = (
    "[fe80::1%25lo]",
    "[::1%25lo]",
    "[::1%lo]",
    "127.0.0.1%00.outlet.test",
    "[::1",
    "256.1.1.1",
)
INSIDE = ("127.0.0.1", "169.254.169.254", "::ffff:127.0.0.1")
REFUSED = ("refused", "address_not_public")


@pytest.fixture
def site() -> Iterator[Site]:
    """Serve on what stands for a public address; each answer ends its connection."""
    with server.serve(at=names.PUBLIC) as site:
        site.otherwise = lambda _: trouble.page()._replace(is_last=True)
        site.answers["/robots.txt"] = Answer(404, is_last=True)
        yield site


@contextmanager
def nobody_comes(site: Site) -> Iterator[int]:
    """Listen at the same port of loopback; in the end nobody has connected."""
    port = int(site.url.rpartition(":")[2])
    with ExitStack() as stack:
        listening = [stack.enter_context(socket.create_server(("127.0.0.1", port)))]
        with suppress(OSError):  # a machine without IPv6
            six = socket.create_server(("::1", port), family=socket.AF_INET6)
            listening.append(stack.enter_context(six))
        yield port
        for one in listening:
            one.setblocking(False)
            with pytest.raises(BlockingIOError):
                one.accept()


def ends(settings: Settings) -> dict[str, tuple[object, object]]:
    """Return how each link ended."""
    with connect(settings.database_url or "") as tx:
        rows = tx.execute(b"select url, state, reason from rasid.links").fetchall()
    return {str(url): (state, reason) for url, state, reason in rows}


def test_no_spelling_of_an_address_leads_inside(settings: Settings, site: Site) -> None:
    """Listed or redirected to, each is refused and counted; what is no address at all, too."""
    with nobody_comes(site) as port, names.serve({"outlet.test": [names.PUBLIC]}) as dns:
        base = f"http://outlet.test:{port}"
        listed, redirects = [], {}
        for number, name in enumerate((*LITERALS, *INVALID)):
            host = name if "outlet" in name or " " in name else f"{name}:{port}"
            listed.append(f"http://{host}/direct-{number}")
            redirects[f"/to-{number}"] = f"http://{host}/redirected"
        for path, to in redirects.items():
            site.answers[path] = trouble.redirect(to.encode().decode("latin-1"))
        body = documents.sitemap([*listed, *(base + path for path in redirects)])
        site.answers["/sitemap.xml"] = Answer(200, {}, body)
        outlet = source(base, Feed(url=f"{base}/sitemap.xml", kind="sitemap"))
        summary = done(names.behind, dns.port, crawler_run.run, settings, [outlet], once=True)
    found = ends(settings)
    redirected = [found.pop(base + path) for path in redirects]

    assert redirected[: len(LITERALS)] == [REFUSED] * len(LITERALS)
    assert redirected[len(LITERALS) :] == [("failed", "invalid_redirect")] * len(INVALID)
    assert set(found.values()) == {REFUSED}
    assert summary.problems["invalid_link"] == len(INVALID)
    assert summary.link_failures["address_not_public"] == len(found) + len(LITERALS)
    assert not summary.link_retries


def test_a_name_that_changes_its_address_leads_nowhere(settings: Settings, site: Site) -> None:
    """Public when it is looked at first, inside when it is connected to: refused, at every step."""
    rebound = {f"r{number}.test": [names.PUBLIC, inside] for number, inside in enumerate(INSIDE)}
    # Letters, as they are shown and as they are asked for.
    rebound["xn--mgbh0fb.test"] = [names.PUBLIC, "127.0.0.1"]
    answers = {
        **rebound,
        "outlet.test": [names.PUBLIC],
        "inside.test": ["127.0.0.1"],
        "feed.test": [names.PUBLIC, "127.0.0.1"],
        "child.test": [names.PUBLIC, "169.254.169.254"],
        "robots.test": [names.PUBLIC],
    }
    with nobody_comes(site) as port, names.serve(answers) as dns:
        base = f"http://outlet.test:{port}"
        pages = [f"http://{name}:{port}/page" for name in rebound]
        dotted = f"http://inside.test.:{port}/"
        site.answers["/to"] = trouble.redirect(dotted)._replace(is_last=True)
        site.answers["/index.xml"] = Answer(
            200, {}, documents.index([f"http://child.test:{port}/sitemap.xml", f"{base}/own.xml"])
        )
        listed = [*pages, f"{base}/to", f"http://robots.test:{port}/page"]
        site.answers["/own.xml"] = Answer(200, {}, documents.sitemap(listed))
        site.answers["/robots.txt"] = lambda request: (
            trouble.redirect(f"http://inside.test:{port}/robots.txt")
            if request.host == "robots.test"
            else Answer(404, is_last=True)
        )
        outlet = source(
            base,
            Feed(url=f"{base}/index.xml", kind="sitemap"),
            Feed(url=f"http://feed.test:{port}/feed"),
            Feed(url=f"http://feed.test:{port}/section", kind="section"),
        )
        summary = done(names.behind, dns.port, crawler_run.run, settings, [outlet], once=True)
    found = ends(settings)

    assert [found[url] for url in pages] == [REFUSED] * len(pages)
    assert found[f"{base}/to"] == REFUSED
    # Nobody knows what it allows; the page's own host is as public as before.
    assert found[f"http://robots.test:{port}/page"] == ("due", None)
    assert summary.feed_failures == {"address_not_public": 3}
    asked = {(request.host, request.path) for request in site.requests}
    assert {(name, "/robots.txt") for name in rebound} < asked
    assert not {host for host, path in asked if path == "/page"}
    assert all(dns.asked.count(name) > 1 for name in rebound)


def test_addresses_given_by_hand_are_checked(settings: Settings, site: Site) -> None:
    """`rasid fetch` asks no more than a crawl may."""
    answers = {"outlet.test": [names.PUBLIC], "r.test": [names.PUBLIC, "127.0.0.1"]}
    with nobody_comes(site) as port, names.serve(answers) as dns:
        base = f"http://outlet.test:{port}"
        site.answers["/to"] = trouble.redirect("http://2852039166/latest/")
        given = [f"http://r.test:{port}/page", f"{base}/to", "http://[::ffff:a9fe:a9fe]/latest/"]
        outlet = source(base, Feed(url=f"{base}/feed"))
        job = done(names.behind, dns.port, bulk.fetch, settings, [outlet], given)

    assert ends(settings) == dict.fromkeys(given, REFUSED)
    assert job.reasons == [("refused", "address_not_public", 3)]


def test_a_survey_stays_outside(settings: Settings, site: Site) -> None:
    """What a home page names, or redirects to, is looked up and connected to as in a crawl."""
    answers = {
        "outlet.test": [names.PUBLIC],
        "inside.test": ["127.0.0.1"],
        "r.test": [names.PUBLIC, "::ffff:127.0.0.1"],
    }
    with nobody_comes(site) as port, names.serve(answers) as dns:
        base = f"http://outlet.test:{port}"
        feeds = [f"http://inside.test:{port}/a", f"http://r.test:{port}/b", f"{base}/to"]
        tags = "".join(
            f'<link rel=alternate type="application/rss+xml" href="{feed}">' for feed in feeds
        )
        home = f"<html><head>{tags}</head><body><p>صفحة".encode()
        site.answers["/"] = Answer(200, {"Content-Type": "text/html"}, home)
        site.answers["/to"] = trouble.redirect("http://[64:ff9b::a9fe:a9fe]/rss")
        found = done(names.behind, dns.port, survey, settings, f"{base}/", delay_s=0.0)

    told = dict(found.others)
    assert [told[feed] for feed in feeds] == ["address_not_public"] * 3
    assert "r.test" in {request.host for request in site.requests}
