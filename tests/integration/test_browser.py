import asyncio
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
import redis

from crawler import addresses, browser
from crawler.context import Context
from crawler.spiders.source import SourceSpider
from crawler.summary import Summary
from services.cli.session import environment
from services.queue import PENDING, Queue
from services.queue.bodies import Taken
from services.queue.broker import redis_url
from services.shared import source_files
from services.shared.errors import RasidError
from services.shared.settings import Settings
from services.shared.sources import CrawlPolicy, Feed, Source
from services.storage import connect, links
from tests.integration.crawls import crawl_once, source
from tests.patience import PATIENCE_S
from tests.site import server, trouble
from tests.site.server import Site

HTML = {"Content-Type": "text/html; charset=utf-8"}
SCRIPT = {"Content-Type": "text/javascript; charset=utf-8"}
LACKING = browser.missing(Settings())
needs_browser = pytest.mark.skipif(LACKING is not None, reason=f"no browser here: {LACKING}")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """As everywhere, but loopback may be crawled, and a busy machine has its time."""
    limits = {"public_addresses_only": False, "fetch_timeout_s": PATIENCE_S}
    return settings.model_copy(update=limits)


class Patient(SourceSpider):
    """Whose browser may take as long as it does on a machine that does much else."""

    def __init__(self, *, context: Context) -> None:
        super().__init__(context=context)
        browser.START_S = browser.CONTENT_S = PATIENCE_S


def page(script: str, more: str = "") -> tuple[int, dict[str, str], bytes]:
    return 200, HTML, f"<html><body><p>بلا نص</p>{more}<script>{script}</script>".encode()


def crawled(
    settings: Settings,
    bad: Site,
    *paths: str,
    wants: bool = True,
    spider: type[SourceSpider] = Patient,
) -> Summary:
    bad.answers["/good"] = trouble.page("good")
    bad.answers["/sitemap.xml"] = (200, {}, bad.sitemap(paths))
    feed = Feed(url=f"{bad.url}/sitemap.xml", kind="sitemap")
    policy = CrawlPolicy(delay_s=0.05, browser=wants)
    outlet = source(bad.url, feed).model_copy(update={"crawl": policy})
    return crawl_once(settings, [outlet], spider)


def bodies(settings: Settings) -> dict[str, str]:
    """Return what is on the queue, by path."""
    with redis.Redis.from_url(redis_url(settings.bodies_url)) as client:
        ids = [page_id.decode() for page_id in client.zrange(PENDING["live"], 0, -1)]
    found = Queue(settings).take(ids).values()
    pages = [taken.page for taken in found if isinstance(taken, Taken)]
    return {"/" + (p.requested_url or "").split("/", 3)[3]: p.body.decode() for p in pages}


@needs_browser
@pytest.mark.slow
def test_a_page_made_by_scripts_is_read(settings: Settings) -> None:
    """The article that a script fetches and shows is in the page; without the setting it is not."""
    show = (
        "fetch('/api/story.json').then(r => r.json()).then(story => {"
        "document.body.innerHTML = '<h1>' + story.title + '</h1>'; });"
    )
    with server.serve() as bad:
        bad.answers["/story"] = (200, HTML, b"<html><body><script src=/app.js></script>")
        bad.answers["/app.js"] = (200, SCRIPT, show.encode())
        story = '{"title": "ميناء جديد"}'.encode()
        bad.answers["/api/story.json"] = (200, {"Content-Type": "application/json"}, story)
        crawled(settings, bad, "/story")
        asked = list(bad.asked)
        times = [request.at for request in bad.requests]
        gaps = [later - earlier for earlier, later in pairwise(times)]

    assert "<h1>ميناء جديد</h1>" in bodies(settings)["/story"]
    assert asked == ["/robots.txt", "/sitemap.xml", "/story", "/app.js", "/api/story.json"]
    # What the page asks for counts: the host's delay holds.
    assert min(gaps[2:]) >= 0.045


@needs_browser
@pytest.mark.slow
def test_the_browser_asks_for_nothing_else(settings: Settings) -> None:
    """No image, style, frame, beacon, socket, download or other page; robots.txt is obeyed."""
    more = (
        "<img src=/image.png><link rel=stylesheet href=/style.css><iframe src=/frame></iframe>"
        "<video src=/film.mp4 autoplay></video><script src=/private/x.js></script>"
    )
    script = (
        "navigator.sendBeacon('/beacon', 'x'); fetch('/post', {method: 'POST', body: 'x'});"
        "new WebSocket(location.href.replace('http', 'ws')); window.open('/popup');"
        "const a = document.createElement('a'); a.href = '/file.zip'; a.download = 'x';"
        "document.body.append(a); a.click(); document.title = 'ran';"
        "setTimeout(() => location.href = '/elsewhere', 50);"
    )
    with server.serve() as bad:
        bad.answers["/robots.txt"] = (200, {}, b"User-agent: *\nDisallow: /private/")
        bad.answers["/story"] = page(script, more)
        crawled(settings, bad, "/story")

    assert bad.asked == ["/robots.txt", "/sitemap.xml", "/story"]
    assert "<title>ran</title>" in bodies(settings)["/story"]


@needs_browser
@pytest.mark.slow
def test_nothing_of_a_page_is_kept(settings: Settings) -> None:
    """Cookies and storage of one page are not there for the next."""
    script = (
        "document.body.innerHTML = '<b>' + document.cookie + (localStorage.seen || '') + '</b>';"
        "document.cookie = 'id=1; path=/'; localStorage.seen = 'yes';"
    )
    with server.serve() as bad:
        cookie = {**HTML, "Set-Cookie": "id=2; Path=/"}
        for path in ("/a", "/b", "/c"):
            bad.answers[path] = (200, cookie, page(script)[2])
        crawled(settings, bad, "/a", "/b", "/c")

    assert [body.count("<b></b>") for body in bodies(settings).values()] == [1, 1, 1]
    assert not any("cookie" in names for names in [request.headers for request in bad.requests])


class OnlyThisHost(Patient):
    """To which one address of this machine is as public as any, and no other."""

    def __init__(self, *, context: Context) -> None:
        super().__init__(context=context)
        addresses.is_public = lambda text: text == "127.0.0.1"


@needs_browser
@pytest.mark.slow
def test_a_script_reaches_public_addresses_only(settings: Settings) -> None:
    """A page cannot have the browser ask what the crawler may not: no connection is made."""
    settings = settings.model_copy(update={"public_addresses_only": True})
    with server.serve() as bad, socket.create_server(("127.0.0.2", 0)) as inside:
        host = f"127.0.0.2:{inside.getsockname()[1]}"
        bad.answers["/away"] = trouble.redirect(f"http://{host}/")
        bad.answers["/story"] = page(
            f"new WebSocket('ws://{host}/'); new EventSource('http://{host}/');"
            f"new RTCPeerConnection({{iceServers: [{{urls: 'stun:{host}'}}]}}).createOffer();"
            f"const pre = document.createElement('link'); pre.rel = 'preconnect';"
            f"pre.href = 'http://{host}'; document.head.append(pre);"
            f"Promise.all([fetch('/good'), fetch('http://{host}/').catch(() => 'no'),"
            f"fetch('http://[::ffff:{host.replace(':', ']:')}/').catch(() => 'no'),"
            "fetch('/away').catch(() => 'no'), fetch('file:///etc/hosts').catch(() => 'no')])"
            ".then(all => document.title = all[0].status + ' ' + all.slice(1).join(' '));"
        )
        crawled(settings, bad, "/story", spider=OnlyThisHost)
        inside.settimeout(0.1)
        with pytest.raises(TimeoutError):
            inside.accept()

    assert "<title>200 no no no no</title>" in bodies(settings)["/story"]


@needs_browser
@pytest.mark.slow
def test_a_page_has_limits(settings: Settings) -> None:
    """Scripts that make too much are refused; those that ask for ever are stopped."""
    settings = settings.model_copy(update={"max_body_bytes": 1_000_000, "fetch_timeout_s": 10.0})
    with server.serve() as bad:
        bad.answers["/large"] = page("document.body.textContent = 'x'.repeat(1500000)")
        bad.answers["/busy"] = page("setInterval(() => fetch('/good'), 100)")
        crawled(settings, bad, "/large", "/busy")
        assert end_of(settings, bad, "/large") == ("refused", "too_large")
        assert end_of(settings, bad, "/busy") == ("fetched", None)
        assert bad.count("/good") <= browser.MOST_PARTS


@needs_browser
@pytest.mark.slow
def test_a_script_that_never_ends_holds_nobody_up(settings: Settings) -> None:
    """A page whose script runs for ever is a timeout, and the crawl ends."""
    settings = settings.model_copy(update={"fetch_timeout_s": 10.0})
    with server.serve() as bad:
        bad.answers["/endless"] = page("while (true) {}")
        crawled(settings, bad, "/endless", spider=SourceSpider)
        assert end_of(settings, bad, "/endless") == ("due", "timeout")


class Late(SourceSpider):
    """Whose browser does not start in time."""

    def __init__(self, *, context: Context) -> None:
        super().__init__(context=context)
        browser.START_S = 0.001


class Silent(SourceSpider):
    """Whose browser does not begin with a page in time."""

    def __init__(self, *, context: Context) -> None:
        super().__init__(context=context)
        browser.START_S = 5.0

        async def answer(_page: object, _route: object) -> None:
            await asyncio.sleep(PATIENCE_S)

        browser._Page.answer = answer  # type: ignore[method-assign, assignment]


@needs_browser
@pytest.mark.slow
@pytest.mark.parametrize("spider", [Late, Silent])
def test_a_browser_that_is_late_is_a_timeout(
    settings: Settings, spider: type[SourceSpider]
) -> None:
    """A page that the browser has not begun with is asked for again later; none is left empty."""
    with server.serve() as bad:
        crawled(settings, bad, "/good", spider=spider)
        assert end_of(settings, bad, "/good") == ("due", "timeout")

    assert bodies(settings) == {}


def end_of(settings: Settings, site: Site, path: str) -> tuple[object, object]:
    with connect(settings.database_url or "") as tx:
        end = links.trace(tx, site.url + path)
    assert end
    return end["state"], end["reason"]


def test_a_browser_that_is_not_there_is_told(settings: Settings) -> None:
    """A source that wants it says what is missing, before anything is crawled."""
    settings = settings.model_copy(update={"browser": "/no/such/chromium"})
    with server.serve() as bad, pytest.raises(RasidError, match="browser: true"):
        crawled(settings, bad, "/good")

    assert bad.asked == []


@pytest.mark.parametrize(
    "command",
    [
        ("crawl", "--check"),
        ("crawl", "--once"),
        ("backfill", "scripts", "--since", "2026-01-01"),
        ("fetch", "http://127.0.0.1:9/story"),
    ],
    ids=lambda command: command[0] + command[1][:7],
)
def test_each_command_says_what_to_install(
    settings: Settings, tmp_path: Path, command: tuple[str, ...]
) -> None:
    """Without what `browser: true` needs: in one sentence, with the source's name."""
    wants = CrawlPolicy(browser=True)
    scripts = source("http://127.0.0.1:9/", Feed(url="http://127.0.0.1:9/feed"), name="scripts")
    run = rasid(tmp_path, settings, [scripts.model_copy(update={"crawl": wants})], *command)
    installed = importlib.util.find_spec("playwright") is not None

    assert run.returncode == 1
    told = " ".join(run.stderr.split())
    assert "scripts: `browser: true`, but " in told
    assert ("install Debian's `chromium`" if installed else "pip install 'rasid[browser]'") in told
    assert "Traceback" not in told


def test_what_needs_no_browser_goes_on_without(settings: Settings, tmp_path: Path) -> None:
    """Commands that look, and addresses of other sources, do not ask for the extra."""
    with server.serve() as bad:
        bad.answers["/good"] = trouble.page("good")
        plain = source(bad.url, Feed(url=f"{bad.url}/feed"), name="plain")
        scripts = source("http://127.0.0.2:9/", Feed(url="http://127.0.0.2:9/"), name="scripts")
        scripts = scripts.model_copy(update={"crawl": CrawlPolicy(browser=True)})
        for command in (("sources", "list"), ("fetch", f"{bad.url}/good")):
            run = rasid(tmp_path, settings, [plain, scripts], *command)
            assert run.returncode == 0, run.stderr

    assert "/good" in bad.asked


def rasid(
    folder: Path, settings: Settings, outlets: Sequence[Source], *command: str
) -> subprocess.CompletedProcess[str]:
    """Run a command on a machine without Chromium, with these sources."""
    file = folder / "sources.yaml"
    file.write_text(source_files.write(outlets, "yaml"))
    given = {
        **environment(settings),
        "RASID_SOURCES": str(file),
        "RASID_BROWSER": "/no/such/chromium",
        "RASID_PUBLIC_ADDRESSES_ONLY": "false",
    }
    return subprocess.run(
        [sys.executable, "-P", "-m", "services.cli", *command],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **given},
        capture_output=True,
        text=True,
        check=False,
    )


def test_nobody_needs_the_extra() -> None:
    """The crawler runs without playwright: it is imported for the first page only."""
    code = "import sys, crawler.run, crawler.browser; print('playwright' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "False"
    if importlib.util.find_spec("playwright") is None or not shutil.which("chromium"):
        assert LACKING
