import gzip
import json
import logging
import os
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import brotli
import pytest
from backports import zstd

from crawler import run as crawler_run
from services.shared.observability import configure_logging
from services.shared.settings import Settings
from services.shared.sources import CrawlPolicy, Feed
from services.storage import connect, links
from tests.integration.crawls import crawl_once, done, source
from tests.site import server, trouble
from tests.site.certificate import authority, certificate
from tests.site.server import Site

T = TypeVar("T")

HTML = {"Content-Type": "text/html"}
PAGE = "<html><p>صفحة</p></html>".encode()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """As everywhere, but loopback may be crawled, and pages are small."""
    return settings.model_copy(update={"public_addresses_only": False, "max_body_bytes": 1_000_000})


def ends(settings: Settings, bad: Site, *paths: str) -> dict[str, tuple[object, object]]:
    """Crawl these paths; return how each ended."""
    bad.answers["/sitemap.xml"] = (200, {}, bad.sitemap(paths))
    feed = Feed(url=f"{bad.url}/sitemap.xml", kind="sitemap")
    crawl_once(settings, [source(bad.url, feed)])
    with connect(settings.database_url or "") as tx:
        found = {path: links.trace(tx, bad.url + path) for path in paths}
    return {path: (end["state"], end["reason"]) for path, end in found.items() if end}


@contextmanager
def raw_server(*pieces: bytes, every_s: float = 0.0) -> Iterator[str]:
    """Serve one answer byte for byte, whatever is asked."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                try:
                    for piece in pieces:
                        connection.sendall(piece)
                        time.sleep(every_s)
                except OSError:
                    continue

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()


def test_bombs_of_every_kind_are_too_large(settings: Settings) -> None:
    """A small body that unpacks to a large one is refused, in each coding, also packed twice."""
    zeros = bytes(30_000_000)
    bombs = {
        "gzip": gzip.compress(zeros),
        "deflate": zlib.compress(zeros),
        "br": brotli.compress(zeros, quality=5),
        "zstd": zstd.compress(zeros),
        "gzip, gzip": gzip.compress(gzip.compress(zeros, 1)),
    }
    with server.serve() as bad:
        paths = {f"/bomb-{number}": coding for number, coding in enumerate(bombs)}
        for path, coding in paths.items():
            bad.answers[path] = (200, {**HTML, "Content-Encoding": coding}, bombs[coding])
        found = ends(settings, bad, *paths)

    assert found == dict.fromkeys(paths, ("refused", "too_large"))


def test_cut_and_broken_bodies_are_no_pages(settings: Settings) -> None:
    """A packed body that ends early, or is none, is told as such and tried again."""
    with server.serve() as bad:
        gz = {**HTML, "Content-Encoding": "gzip"}
        bad.answers["/cut"] = (200, gz, gzip.compress(PAGE * 100)[:-12])
        bad.answers["/broken"] = (200, gz, b"\x1f\x8b\x08" + PAGE)
        bad.answers["/whole"] = (200, gz, gzip.compress(PAGE))
        found = ends(settings, bad, "/cut", "/broken", "/whole")

    assert found == {
        "/cut": ("due", "truncated_body"),
        "/broken": ("due", "broken_body"),
        "/whole": ("fetched", None),
    }


def test_a_body_without_end_is_cut_off(settings: Settings) -> None:
    """A server that sends for ever is stopped at the limit, though it never says how much."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/rss+xml\r\nConnection: close\r\n\r\n"
    with raw_server(head, *[bytes(100_000)] * 100) as url:
        policy = CrawlPolicy(delay_s=0, obey_robots=False)
        endless = source(url, Feed(url=f"{url}/feed")).model_copy(update={"crawl": policy})
        summary = crawl_once(settings, [endless])

    assert summary.feed_failures == {"too_large": 1}


def test_a_slow_answer_has_a_time_limit(settings: Settings) -> None:
    """A byte now and then does not keep a connection: the time counts as a whole."""
    settings = settings.model_copy(update={"fetch_timeout_s": 1.0})
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\n"
    with raw_server(head, *[b"x"] * 100, every_s=0.2) as url:
        policy = CrawlPolicy(delay_s=0, obey_robots=False)
        slow = source(url, Feed(url=f"{url}/feed")).model_copy(update={"crawl": policy})
        summary = crawl_once(settings, [slow])

    assert summary.feed_failures == {"timeout": 1}


@pytest.mark.parametrize(
    "target",
    [
        *("http://169.254.169.254/latest/meta-data/", "http://[::ffff:169.254.169.254]/"),
        *("http://2852039166/", "http://0xa9fea9fe/", "http://0251.0376.0251.0376/"),
        *("http://[64:ff9b::a9fe:a9fe]/", "http://[2002:a9fe:a9fe::]/", "http://[fd00:ec2::254]/"),
        *("http://[fe80::1]/", "http://168.63.129.16/"),
    ],
)
def test_no_address_of_a_machine_itself_is_asked(settings: Settings, target: str) -> None:
    """However the metadata service is written, no connection is made, and that is told."""
    settings = settings.model_copy(update={"public_addresses_only": True})
    summary = crawl_once(settings, [source(target, Feed(url=target))])

    assert summary.feed_failures == {"address_not_public": 1}


def test_a_redirect_is_checked_as_well(settings: Settings) -> None:
    """A redirect leads to http(s) only, and no more than ten times."""
    with server.serve() as bad:
        bad.answers["/loop"] = trouble.redirect("/loop")
        bad.answers["/file"] = (302, {"Location": "file:///etc/passwd"}, b"")
        bad.answers["/data"] = (302, {"Location": "data:text/html,x"}, b"")
        found = ends(settings, bad, "/file", "/data", "/loop")

    assert found["/loop"] == ("failed", "too_many_redirects")
    assert {state for state, _ in found.values()} == {"failed"}
    assert bad.asked.count("/loop") == 11


def test_no_cookie_is_kept(settings: Settings) -> None:
    """What one answer sets, no later request brings back: not even to the same host."""
    with server.serve() as bad:
        for path in ("/a", "/b", "/c"):
            bad.answers[path] = (200, {**HTML, "Set-Cookie": "id=1; Path=/"}, PAGE)
        ends(settings, bad, "/a", "/b", "/c")

    assert {"/a", "/b", "/c"} < set(bad.asked)
    assert not any("cookie" in names for names in [request.headers for request in bad.requests])


def trusting(root: Path, work: Callable[..., T], *args: object, **kwargs: object) -> T:
    """Do the work, in a process of its own, with this authority as the one that is trusted."""
    os.environ["SSL_CERT_FILE"] = str(root)
    return work(*args, **kwargs)


OTHERS = "the certificate is another host's"
UNTRUSTED = "the certificate has expired, or nobody we trust vouches for it"


@pytest.mark.parametrize(
    ("is_trusted", "address", "expired", "told"),
    [
        (True, "127.0.0.1", False, None),
        (True, "127.0.0.1", True, UNTRUSTED),
        (True, "127.0.0.9", False, OTHERS),
        (False, "127.0.0.1", False, UNTRUSTED),
    ],
    ids=["good", "expired", "another-name", "self-signed"],
)
def test_a_certificate_has_to_be_good(
    settings: Settings,
    tmp_path: Path,
    *,
    is_trusted: bool,
    address: str,
    expired: bool,
    told: str | None,
) -> None:
    """With one thing wrong alone nothing is asked, and that is told; `verify_tls: false` is one's.

    Its source is served; another one on the same server still refuses it.
    """
    by = authority(tmp_path)
    pem = certificate(tmp_path, by=by if is_trusted else None, address=address, expired=expired)
    with server.serve(certificate=pem) as bad:
        strict = source(bad.url, Feed(url=f"{bad.url}/strict.xml"), name="strict")
        lax = source(bad.url, Feed(url=f"{bad.url}/sitemap.xml", kind="sitemap")).model_copy(
            update={"crawl": CrawlPolicy(delay_s=0, verify_tls=False)}
        )
        bad.answers["/good"] = trouble.page()
        bad.answers["/sitemap.xml"] = (200, {}, bad.sitemap(["/good"]))
        bad.answers["/strict.xml"] = (200, {}, bad.sitemap([]))
        summary = done(trusting, by.root, crawler_run.run, settings, [lax, strict], once=True)
    with connect(settings.database_url or "") as connection:
        ((error,),) = connection.execute(
            b"select last_error from rasid.feeds where source = 'strict'"
        ).fetchall()

    assert summary.pages_published == 1
    assert summary.feed_failures.get("tls", 0) == (0 if told is None else 1)
    assert ("/strict.xml" in bad.asked) == (told is None)
    assert told is None or error == told


def test_no_log_has_a_secret(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """What a log line says of an address is without its password and its tokens."""
    before = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        configure_logging(settings.model_copy(update={"log_format": "json"}))
        logging.getLogger("x").error(
            "no page https://e.org/f?token=hunter2",
            exc_info=ValueError("https://me:hunter2@example.org/"),
        )
        told = capsys.readouterr().err
    finally:
        logging.getLogger().handlers[:], level = before
        logging.getLogger().setLevel(level)

    assert "hunter2" not in told
    assert "***" in json.loads(told.splitlines()[-1])["event"]
