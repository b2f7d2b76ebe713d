"""The dashboard: whatever strangers wrote is text, and every answer forbids to run anything."""

import asyncio
import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services import health
from services.dashboard import app as dashboard_app
from services.dashboard import latest, metrics, page, protocol, run
from services.dashboard.app import make_app
from services.dashboard.latest import Latest
from services.health import Health
from services.shared import settings as settings_module
from services.shared.errors import RasidError
from services.shared.terminal import harmless
from tests.dashboard import NOW, healthy, served, showing
from tests.patience import PATIENCE_S, until

STYLE = Path(page.__file__).with_name("style.css").read_text("utf-8")
#: Whatever a stranger may have written: surrogates, controls and markup among it.
WRITTEN = st.text(st.characters(exclude_categories=()), min_size=1) | st.sampled_from(
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "</title><svg onload=alert(1)>",
        "{{ 7 * 7 }}{% raw %}",
        "&lt;b&gt; &amp;amp; &#60;",
        "سطر\nآخر \u202eمقلوب",
        "]]><!-- --!> <![CDATA[",
    ]
)
WORDS = st.lists(WRITTEN, min_size=1, max_size=4, unique=True)


class Seen(HTMLParser):
    """What a parser makes of a page: its elements with their attributes, and their text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[tuple[str, str | None], ...]]] = []
        self.others: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(attrs)))
        self.texts.append("")

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 - the parser calls it so
        self.texts.append("")

    def handle_data(self, data: str) -> None:
        self.texts[-1:] = [(self.texts[-1] if self.texts else "") + data]

    def handle_comment(self, data: str) -> None:
        self.others.append(data)

    def unknown_decl(self, data: str) -> None:
        self.others.append(data)

    def handle_pi(self, data: str) -> None:
        self.others.append(data)


def written(words: list[str]) -> Health:
    """A state in which strangers' words stand wherever there is a place for them."""
    now = healthy(
        now=NOW,
        names=tuple((word, word) for word in words),
        outcomes={("created", word): 1 for word in words},
        links={(word, "x"): 2 for word in words},
        dead_letters=dict.fromkeys(words, 3),
        refusals=dict.fromkeys(words, 4),
        feed_problems=dict.fromkeys(words, 5),
    )
    return replace(now, problems=tuple(words))


@given(WORDS)
def test_the_page_shows_text_as_text(words: list[str]) -> None:
    """Whatever was written, the page has its own elements and attributes, and the words as text."""
    plain = [f"w{number}" for number in range(len(words))]
    seen = Seen(page.render(written(words), 15).decode())
    expected = Seen(page.render(written(plain), 15).decode())
    meant = dict(zip(plain, words, strict=True))

    assert seen.elements == expected.elements
    assert seen.others == expected.others == []
    assert seen.texts == [
        harmless(meant.get(text, text)).encode("utf-8", "replace").decode()
        for text in expected.texts
    ]
    assert sum(text in meant for text in expected.texts) == 8 * len(words)


@given(WORDS)
def test_figures_can_be_read_again(words: list[str]) -> None:
    """Prometheus' own parser reads each label as it was, quotes, lines and Arabic too."""
    text = metrics.render(written(words)).decode()
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value

    sent = [metrics.printable(word) for word in words]
    assert found["rasid_dead_letters"] == {(word,): 3.0 for word in sent}
    assert found["rasid_results"] == {("created", word): 1.0 for word in sent}
    assert {key[0] for key in found["rasid_source_feeds"]} == set(sent)
    assert found["rasid_problems"] == {(): float(len(words))}
    assert found["rasid_queue_pages"] == {("live",): 14.0, ("bulk",): 3120.0, ("replay",): 0.0}


def test_a_store_that_is_away_has_no_figures() -> None:
    """Its figures are missing, not zero, and the page says so."""
    away = Health(at=NOW, problems=("Postgres: connection refused", "Redis: refused"))
    text = metrics.render(away).decode()
    shown = page.render(away, None).decode()

    assert 'rasid_store_up{store="postgres"} 0.0' in text
    assert 'rasid_store_up{store="redis"} 0.0' in text
    assert "rasid_articles" not in text
    assert "rasid_queue" not in text
    assert "Not well: 2 problems" in shown
    assert "Postgres has not told" in shown
    assert "Redis has not told" in shown


def test_the_verdict_comes_first() -> None:
    """Title and first line say whether all is well, by a sign and by words."""
    well = page.render(healthy(), 15).decode()
    bad = page.render(replace(healthy(), problems=("x",)), 15).decode()

    for text, mark, words in ((well, "✓", "All is well"), (bad, "✗", "Not well: 1 problem")):
        assert f"<title>{mark} {words} · Rasid</title>" in text
        first = re.sub(r"<[^>]+>", "", text.split("<body>")[1].split("</h1>")[0]).split()
        assert " ".join(first) == f"{mark} {words}"


def test_long_lists_are_cut() -> None:
    """A thousand problems and sources make no endless page, and it says how many are left out."""
    names = tuple((f"source-{n}", "عنوان") for n in range(1000))
    many = replace(
        healthy(names=names), problems=tuple(f"problem {n} {'x' * 100_000}" for n in range(1000))
    )
    text = page.render(many, 15).decode()

    assert "And 950 more" in text
    assert "And 500 more" in text
    assert len(text) < 300_000
    assert text.count("x …") == 50
    with showing(many) as address:
        told = json.loads(ask(address, "/status.json")[2])
        figures = ask(address, "/metrics")[2].decode()
    assert len(told["sources"]) == told["more_sources"] == 500
    assert told["sources"][0]["name"] == "source-0"  # the busiest
    assert figures.count("rasid_source_articles_last_day{") == 500
    assert "rasid_more_sources 500.0" in figures


def test_two_sources_are_two_figures() -> None:
    """A letter that no terminal should see is sent as it is: written out, another is called so."""
    names = ("paper\u202e", "paper\\u202e")
    text = metrics.render(healthy(names=tuple((name, "") for name in names))).decode()
    told = [
        sample.labels["source"]
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "rasid_source_articles_last_day"
    ]

    assert sorted(told) == sorted(names)


def colours(dark: bool) -> dict[str, tuple[int, int, int]]:
    """The style sheet's colours by name."""
    light, _, other = STYLE.partition("@media (prefers-color-scheme: dark)")
    rules = light.split("* {")[0] + (other.split("* {")[0] if dark else "")
    return {
        name: tuple(bytes.fromhex(value))  # type: ignore[misc]
        for name, value in re.findall(r"--([\w-]+): #(\w{6});", rules)
    }


def contrast(one: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    """The contrast of two colours, as WCAG 2.2 counts it."""

    def light(colour: tuple[int, int, int]) -> float:
        parts = [
            v / 12.92 if (v := part / 255) <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4
            for part in colour
        ]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    darker, lighter = sorted((light(one), light(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_everything_can_be_read(dark: bool) -> None:
    """Text has a contrast of 4.5 to 1 and more to what is behind it, what is drawn 3 to 1."""
    of = colours(dark)
    texts = [(ink, paper) for ink in ("ink", "soft", "good", "bad") for paper in ("paper", "card")]
    texts += [("good", "good-paper"), ("bad", "bad-paper"), ("ink", "good-paper")]
    texts += [("ink", "bad-paper")]

    assert {pair: value for pair in texts if (value := contrast(*map(of.get, pair))) < 4.5} == {}  # type: ignore[arg-type]
    assert contrast(of["bar"], of["room"]) >= 3


# ------------------------------------------------------------------------------- over the network


def ask(
    address: str, path: str = "/", method: str = "GET", **headers: str
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Ask over a connection of its own."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=PATIENCE_S)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    found = (answer.status, answer.headers, answer.read())
    connection.close()
    return found


def say(address: str, words: bytes) -> bytes:
    """Say something that need not be HTTP; return the whole answer."""
    with socket.create_connection((urlsplit(address).hostname, urlsplit(address).port)) as client:
        client.sendall(words)
        return b"".join(iter(lambda: client.recv(65536), b""))


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A dashboard on which all is well, with a route that fails."""

    async def broken(_request: Request) -> Response:
        raise RuntimeError("s3cret")

    app = make_app(settings_module.load(), healthy, lambda: "")
    app.router.routes.append(Route("/broken", broken))
    with served(app) as address:
        yield address


#: Method, path, what it is answered with, and with which type.
ANSWERS = [
    ("GET", "/", 200, "text/html; charset=utf-8"),
    ("HEAD", "/", 200, "text/html; charset=utf-8"),
    ("GET", "/?still", 200, "text/html; charset=utf-8"),
    ("GET", "/status.json", 200, "application/json"),
    ("GET", "/metrics", 200, "text/plain; version=0.0.4; charset=utf-8"),
    ("GET", "/healthz", 200, "text/plain; charset=utf-8"),
    ("GET", "/readyz", 200, "text/plain; charset=utf-8"),
    ("GET", "/style.css", 200, "text/css; charset=utf-8"),
    ("GET", "/metrics/", 404, "text/plain; charset=utf-8"),
    ("GET", "/%3Cscript%3Ealert(1)%3C/script%3E", 404, "text/plain; charset=utf-8"),
    ("GET", "//evil.example/", 404, "text/plain; charset=utf-8"),
    ("POST", "/", 405, "text/plain; charset=utf-8"),
    ("DELETE", "/status.json", 405, "text/plain; charset=utf-8"),
    ("TRACE", "/", 405, "text/plain; charset=utf-8"),
    ("OPTIONS", "/metrics", 405, "text/plain; charset=utf-8"),
    ("GET", "/broken", 500, "text/plain; charset=utf-8"),
]


@pytest.mark.parametrize(("method", "path", "status", "kind"), ANSWERS)
def test_every_answer_forbids_to_run_anything(
    address: str, method: str, path: str, status: int, kind: str
) -> None:
    """Routes and errors alike carry the policy once; none echoes what was asked or what failed."""
    answered, headers, body = ask(address, path, method)

    assert (answered, headers["Content-Type"]) == (status, kind)
    assert {name: headers.get_all(name) for name in protocol.HEADERS} == {
        name: [value] for name, value in protocol.HEADERS.items()
    }
    assert "server" not in headers
    assert bool(body) == (method != "HEAD")
    assert b"alert(1)" not in body
    assert b"s3cret" not in body
    assert b"Traceback" not in body


@pytest.mark.parametrize(
    "words",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /\x01<script> HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100_000,
    ],
)
def test_what_is_no_http_is_refused_with_the_same_policy(address: str, words: bytes) -> None:
    """Even what uvicorn answers by itself carries the headers."""
    head, _, body = say(address, words).partition(b"\r\n\r\n")
    lines = dict(line.split(": ", 1) for line in head.decode().lower().split("\r\n")[1:])

    assert head.startswith(b"HTTP/1.1 400 ")
    assert body == b"Invalid HTTP request received."
    assert {name.lower(): value.lower() for name, value in protocol.HEADERS.items()}.items() <= (
        lines.items()
    )


METHODS = st.sampled_from([b"GET", b"HEAD", b"POST", b"CONNECT", b"get", b"PRI"]) | st.binary(
    max_size=8
)
TARGETS = st.sampled_from([b"/", b"*", b"/metrics", b"http://x/", b"//"]) | st.binary(max_size=40)
LINES = st.lists(
    st.sampled_from(
        [
            b"Host: localhost",
            b"Transfer-Encoding: chunked",
            b"Content-Length: 5",
            b"Expect: 100-continue",
            b"Upgrade: websocket",
            b"Connection: Upgrade",
            b"Connection: close",
        ]
    )
    | st.binary(max_size=30),
    max_size=6,
)


@given(METHODS, TARGETS, LINES, st.binary(max_size=60))
def test_whatever_is_asked(
    address: str, method: bytes, target: bytes, lines: list[bytes], body: bytes
) -> None:
    """Any bytes get no answer, or one that carries the policy and is no fault of ours."""
    asked = b"\r\n".join([method + b" " + target + b" HTTP/1.1", *lines, b"", body])
    with socket.create_connection((urlsplit(address).hostname, urlsplit(address).port)) as client:
        client.sendall(asked)
        client.shutdown(socket.SHUT_WR)
        with suppress(ConnectionResetError):
            answer = b"".join(iter(lambda: client.recv(65536), b""))
            found = answer.removeprefix(b"HTTP/1.1 100 \r\n\r\n")
            assert found == b"" or found.startswith((b"HTTP/1.1 2", b"HTTP/1.1 4"))
            assert found.count(b"HTTP/1.1 ") <= found.count(b"\r\ncontent-security-policy: ")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8080", 200),
        ("127.0.0.1:1", 200),
        ("[::1]:8080", 200),
        ("rasid.example.org", 200),
        ("a.inside.example", 200),
        ("evil.example", 400),
        ("localhost.evil.example", 400),
        ("127.0.0.1.evil.example:8080", 400),
        ("inside.example", 400),
        ("", 400),
        ("[::1", 400),
        ("localhost/..", 400),
        ("10.0.0.7", 400),
    ],
)
def test_only_names_it_goes_by_are_answered(named: str, host: str, status: int) -> None:
    """A page of strangers cannot have its name lead here and read what is answered."""
    answered, headers, body = ask(named, "/status.json", Host=host)

    assert answered == status
    assert (b"articles" in body) == (status == 200)
    assert headers["Content-Security-Policy"]


@pytest.fixture(scope="module")
def named() -> Iterator[str]:
    """A dashboard with names of its own."""
    given = settings_module.load(dashboard_hosts="rasid.example.org, *.inside.example")
    with served(make_app(given, healthy, lambda: "")) as address:
        yield address


@pytest.mark.parametrize("hosts", ["*", "a b", "http://x", "a,*", "a;b", "*x.example"])
def test_any_name_is_no_name(hosts: str) -> None:
    """A setting that would let every name in is refused."""
    with pytest.raises(RasidError, match="RASID_DASHBOARD_HOSTS"):
        settings_module.load(RASID_DASHBOARD_HOSTS=hosts)


def test_no_name_is_none(address: str) -> None:
    """A setting that is empty, as Compose makes it, is one that is not set."""
    assert settings_module.load(RASID_DASHBOARD_HOSTS="").dashboard_hosts == ""
    with served(make_app(settings_module.load(dashboard_hosts=" "), healthy, lambda: "")) as empty:
        assert [ask(empty, "/healthz", Host=host)[0] for host in ("localhost", "x", "")] == [
            ask(address, "/healthz", Host=host)[0] for host in ("localhost", "x", "")
        ]


def test_a_name_that_is_none_is_told_with_an_example() -> None:
    """The message says which name it is, and what one looks like."""
    with pytest.raises(RasidError, match=r"'http://x' is no name: .*rasid\.example\.org"):
        settings_module.load(RASID_DASHBOARD_HOSTS="a.example, http://x")


@pytest.mark.parametrize(
    ("bind", "hosts", "host", "status"),
    [
        ("127.0.0.9", None, "127.0.0.9:8080", 200),  # the address that it prints
        ("127.0.0.9", None, "127.0.0.8:8080", 400),
        ("::1", None, "[::1]:8080", 200),
        ("2001:db8::7", None, "[2001:db8::7]:8080", 200),
        ("0.0.0.0", None, "0.0.0.0", 400),
        ("0.0.0.0", "[2001:db8::8], b.example", "[2001:db8::8]:1", 200),
    ],
)
def test_the_address_it_listens_to_is_answered(
    bind: str, hosts: str | None, host: str, status: int
) -> None:
    """Where it is one address, without more settings; an address may be a name as well."""
    given = settings_module.load(dashboard_bind=bind, RASID_DASHBOARD_HOSTS=hosts)
    with served(make_app(given, healthy, lambda: "")) as address:
        assert ask(address, "/healthz", Host=host)[0] == status


@pytest.mark.parametrize("bind", ["127.0.0.1", "127.0.0.9", "0.0.0.0", "localhost"])
def test_the_address_it_prints_is_answered(bind: str) -> None:
    """What it prints can be typed into a browser of this machine."""
    given = settings_module.load(dashboard_bind=bind, dashboard_port=0)
    app = make_app(given, healthy, lambda: "")
    with run.listener(given) as listening, served(app) as address:
        printed = urlsplit(run.address_of(listening, given))
        assert printed.port == listening.getsockname()[1]
        assert ask(address, "/healthz", Host=printed.netloc)[0] == 200


def test_it_refreshes_itself_unless_held_still(address: str) -> None:
    """Without a script, by a header; a reader may hold the page still."""
    assert ask(address, "/")[1]["Refresh"] == "15"
    assert ask(address, "/?still")[1]["Refresh"] is None
    assert b'href="/?still"' in ask(address, "/")[2]


def test_not_ready_says_why() -> None:
    """503 with the reason, in words, and all is still answered."""
    with showing(healthy(), "the database's schema is at version 3") as address:
        assert ask(address, "/readyz")[::2] == (503, b"the database's schema is at version 3\n")
        assert ask(address, "/healthz")[0] == 200


def test_more_connections_than_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are told so, with the policy, and nobody waits; later all is answered again."""
    monkeypatch.setattr(run, "CONNECTIONS", 5)
    with showing(healthy()) as address:
        place = (urlsplit(address).hostname or "", urlsplit(address).port or 0)
        with ExitStack() as held:
            for _ in range(5):
                held.enter_context(socket.create_connection(place))
            until(lambda: ask(address)[0] == 503)
            assert ask(address)[1]["Content-Security-Policy"]
        until(lambda: ask(address)[0] == 200)


@pytest.mark.parametrize("words", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\n"])
def test_a_connection_ends(monkeypatch: pytest.MonkeyPatch, words: bytes) -> None:
    """Who says nothing, or never comes to an end, holds a connection for a bounded time."""
    monkeypatch.setattr(protocol, "CONNECTION_S", 0.1)
    with showing(healthy()) as address:
        assert say(address, words) == b""


def closed(client: socket.socket) -> bool:
    """Whether the other side has closed a connection."""
    try:
        return client.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def test_idle_connections_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many connect and say nothing, no more are held than the limit and a few."""
    monkeypatch.setattr(run, "CONNECTIONS", 50)
    monkeypatch.setattr(protocol, "SPARE", 5)
    monkeypatch.setattr(protocol, "CONNECTION_S", 10 * PATIENCE_S)
    with showing(healthy()) as address, ExitStack() as held:
        place = (urlsplit(address).hostname or "", urlsplit(address).port or 0)
        clients = [held.enter_context(socket.create_connection(place)) for _ in range(90)]
        until(lambda: sum(map(closed, clients)) == 90 - 50 - 5)
        for client in clients[:5]:
            client.close()
        until(lambda: answered(address) == 503)
        held.close()
        until(lambda: answered(address) == 200)


def answered(address: str) -> int:
    """The status of an answer; 0 where there is none."""
    try:
        return ask(address)[0]
    except OSError:
        return 0


def test_nonsense_writes_no_log(address: str, caplog: pytest.LogCaptureFixture) -> None:
    """Strangers who send what is no HTTP, or ask to upgrade, fill no disk."""
    say(address, b"nonsense\r\n\r\n")
    ask(address, "/", Connection="Upgrade", Upgrade="websocket")

    assert caplog.records == []


async def wait_for_the_client(request: Request) -> Response:
    """Answer when the client has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    return Response()


async def wait_for_ever(_request: Request) -> Response:
    """Answer never."""
    await asyncio.Event().wait()
    return Response()


def test_a_connection_ends_in_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is in the middle of an answer when its time is over, loses it a little later."""
    monkeypatch.setattr(protocol, "CONNECTION_S", 0.1)
    monkeypatch.setattr(protocol, "CLOSING_S", 0.1)
    app = make_app(settings_module.load(), healthy, lambda: "")
    app.router.routes.append(Route("/waits", wait_for_the_client))
    with served(app) as address:
        place = (urlsplit(address).hostname or "", urlsplit(address).port or 0)
        with socket.create_connection(place) as client:
            client.sendall(b"GET /waits HTTP/1.1\r\nHost: localhost\r\n\r\n")
            until(lambda: closed(client))


def test_an_answer_that_never_comes_holds_no_end_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server waits for what it is answering, but not for ever."""
    monkeypatch.setattr(run, "GRACE_S", 0.1)
    app = make_app(settings_module.load(), healthy, lambda: "")
    app.router.routes.append(Route("/waits", wait_for_ever))
    with ExitStack() as held, served(app) as address:  # `served` sees to it that it ends
        place = (urlsplit(address).hostname or "", urlsplit(address).port or 0)
        client = held.enter_context(socket.create_connection(place))
        client.sendall(b"GET /waits HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until(lambda: ask(address)[0] == 200)


def test_what_hangs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stores that have answered and then hang: not ready, and the page says that it is not news."""
    for name, value in {"WAIT_S": 0.05, "LATE_S": 0.05, "KEEP_S": 0, "READY_KEEP_S": 0}.items():
        monkeypatch.setattr(dashboard_app, name, value)
    monkeypatch.setattr(latest, "MOST_S", 0)
    hangs, over = threading.Event(), threading.Event()

    def look() -> Health:
        if hangs.is_set():
            over.wait()
        return healthy()

    def ready() -> str:
        if hangs.is_set():
            over.wait()
        return ""

    with served(make_app(settings_module.load(), look, ready)) as address:
        until(lambda: ask(address, "/readyz")[0] == 200)
        until(lambda: b"All is well" in ask(address)[2])
        hangs.set()
        until(lambda: ask(address, "/readyz")[0] == 503)
        until(lambda: b"all else is of 2026-11-22 09:40:12" in ask(address)[2])
        hanging = ask(address, "/readyz")[2], b"184,302" in ask(address)[2]
        over.set()
        until(lambda: ask(address, "/readyz")[0] == 200)
        until(lambda: b"All is well" in ask(address)[2])

    assert hanging == (b"the stores do not answer\n", True)


def test_what_is_old_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first page after an hour in which nobody looked says so, where the stores are slow."""
    monkeypatch.setattr(dashboard_app, "WAIT_S", 0.05)
    clock = Clock(monkeypatch)
    over = threading.Event()
    told = iter([healthy])

    def look() -> Health:
        for tell in told:
            return tell()
        over.wait()
        return healthy()

    with served(make_app(settings_module.load(), look, lambda: "")) as address:
        until(lambda: b"All is well" in ask(address)[2])
        clock.now += 3600
        assert b"what is known is 3600 s old" in ask(address)[2]
        over.set()
        until(lambda: b"All is well" in ask(address)[2])


def test_an_answer_waits_for_nothing() -> None:
    """Its parts go out at once; else each would take the 40 ms that a client waits to confirm."""
    listening = run.listener(settings_module.load(dashboard_port=0))
    with listening, socket.create_connection(listening.getsockname()), listening.accept()[0] as one:
        assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_that_is_taken() -> None:
    """Another program listens there: the error says what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RasidError, match=f"port {port}: another .*rasid up.*_PORT"):
            run.listener(settings_module.load(dashboard_port=port))
    with pytest.raises(
        RasidError, match=r"cannot listen on 203\.0\.113\.9 .* RASID_DASHBOARD_BIND"
    ):
        run.listener(settings_module.load(dashboard_bind="203.0.113.9"))


# ---------------------------------------------------------------------------------- one at a time


def test_it_is_asked_once_however_many_want_it() -> None:
    """A hundred at the same time are one question, and the next moment it is not asked again."""
    asked = []

    def ask_slowly() -> int:
        asked.append(threading.current_thread())
        time.sleep(0.1)
        return len(asked)

    async def many() -> list[int]:
        asking = Latest(ask_slowly, keep_s=60)
        answers = [await asking.get(PATIENCE_S) for _ in range(3)]
        answers += await asyncio.gather(*(asking.get(PATIENCE_S) for _ in range(100)))
        return [answer.value for answer in answers if answer]

    assert asyncio.run(many()) == [1] * 103
    assert len(asked) == 1


def test_nobody_waits_for_what_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The older answer comes, or none; the question is asked by one thread all the while."""
    monkeypatch.setattr(latest, "SHARE", 1e9)  # each is due at once
    answer = threading.Event()
    stuck: list[threading.Thread] = []

    def ask_once() -> str:
        if stuck:
            answer.wait()
        stuck.append(threading.current_thread())
        return "old" if len(stuck) == 1 else "new"

    async def look() -> tuple[list[str], float]:
        asked = Latest(ask_once, keep_s=0)
        seen = [await asked.get(PATIENCE_S)]
        seen += await asyncio.gather(*(asked.get(0.01) for _ in range(50)))
        waiting_s = asked.waiting_s
        answer.set()
        seen.append(await asked.get(PATIENCE_S))
        return [one.value for one in seen if one], waiting_s

    seen, waiting_s = asyncio.run(look())
    assert seen == ["old"] * 51 + ["new"]
    assert waiting_s > 0
    assert len(stuck) == 2


def test_an_answer_that_took_long_is_kept_for_long() -> None:
    """However large the store is, asking takes a twentieth of its time."""

    def slowly() -> float:
        time.sleep(0.05)
        return time.monotonic()

    async def look() -> float:
        asked = Latest(slowly, keep_s=0, dear=lambda _: True)
        began = await asked.get(PATIENCE_S)
        now = began
        while now == began:
            await asyncio.sleep(0.005)
            now = await asked.get(PATIENCE_S)
        assert began
        assert now
        return now.at - began.at

    assert asyncio.run(look()) >= 0.05 * 20


def test_an_answer_that_comes_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A question that is answered when the server has ended leaves no error behind."""
    failed: list[object] = []
    monkeypatch.setattr(threading, "excepthook", failed.append)
    before = set(threading.enumerate())
    answer = threading.Event()
    asyncio.run(Latest(answer.wait, keep_s=5).get(0.01))
    answer.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE_S)

    assert failed == []


class Clock:
    """A clock that stands still until it is turned."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(latest, "monotonic", lambda: self.now)


@pytest.mark.parametrize(
    ("took_s", "dear", "kept_s"),
    [
        (0.0, True, 5.0),  # no less than that
        (1.0, True, 20.0),  # a twentieth of the time
        (40.0, True, 60.0),  # it has waited, not worked: no more than that
        (40.0, False, 5.0),  # a failure costs nothing
    ],
)
def test_for_how_long_an_answer_is_kept(
    monkeypatch: pytest.MonkeyPatch, took_s: float, dear: bool, kept_s: float
) -> None:
    """By what it cost, up to a minute, so that what breaks after a long reading is soon seen."""
    clock = Clock(monkeypatch)
    told = iter(["first", "second"])

    def answer() -> str:
        clock.now += took_s
        return next(told)

    async def look() -> None:
        asked = Latest(answer, keep_s=5, dear=lambda value: dear and value == "first")
        for wait_s, expected in ((0.0, "first"), (kept_s, "first"), (0.01, "second")):
            clock.now += wait_s
            found = await asked.get(PATIENCE_S)
            assert found
            assert found.value == expected
            assert asked.age_s == (kept_s if wait_s == kept_s else 0)

    asyncio.run(look())


def test_a_thread_that_cannot_start_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """For one moment there is no room for a thread: that question fails, the next one does not."""

    def full(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def look() -> str:
        asked = Latest(lambda: "told", keep_s=5)
        with monkeypatch.context() as now:
            now.setattr(threading.Thread, "start", full)
            with pytest.raises(RuntimeError, match="new thread"):
                await asked.get(PATIENCE_S)
        found = await asked.get(PATIENCE_S)
        return found.value if found else ""

    assert asyncio.run(look()) == "told"


def test_what_breaks_is_seen_though_the_reading_before_took_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both questions are asked again within a minute; a store that is silent, each 5 seconds."""
    clock = Clock(monkeypatch)
    away = Health(at=NOW, problems=("Postgres is away",))
    states = {"now": healthy(), "why": ""}

    def look() -> Health:
        clock.now += 100
        return states["now"]  # type: ignore[return-value]

    def ready() -> str:
        clock.now += 100
        return str(states["why"])

    with served(make_app(settings_module.load(), look, ready)) as address:
        first = ask(address, "/readyz")[0], b'"well": true' in ask(address, "/status.json")[2]
        states.update(now=away, why="Postgres is away")
        clock.now += 61
        then = ask(address, "/readyz")[0], b'"well": true' in ask(address, "/status.json")[2]
        states.update(now=healthy(), why="")
        clock.now += 6
        last = ask(address, "/readyz")[0], b'"well": true' in ask(address, "/status.json")[2]

    assert [first, then, last] == [(200, True), (503, False), (200, True)]


def test_no_password_is_shown() -> None:
    """What a store says of itself is shown without passwords, wherever they stand."""
    given = settings_module.load(
        database_url="postgresql://rasid:hunter22hunter@db/rasid",
        redis_url="redis://:swordfish@q/0",
    )
    words = "cannot reach redis://:swordfish@q/0: hunter22hunter is wrong; ?access_token=abc"

    assert health.without_secrets(words, given) == (
        "cannot reach redis://***@q/0: *** is wrong; ?access_token=***"
    )
