"""What people and processes hand over: source files, and what lies on the queue."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

from services.queue.bodies import Taken, Unreadable, pack, unpack
from services.shared import compression, source_files, sources
from services.shared.contracts import RawPage
from services.shared.errors import InvalidSources
from tests.fuzz.pages import read
from tests.fuzz.promises import is_text, is_time
from tests.fuzz.target import Target

FORMATS: tuple[source_files.Format, ...] = ("yaml", "opml", "csv")
MOST = 4 * 1024 * 1024
YAML = """sources:
  - name: the-herald
    title: The Herald
    home_page: https://news.example/
    country: SA
    language: ar
    time_zone: Asia/Riyadh
    crawl: {delay_s: 2, concurrency: 2, refetch_hours: [1, 6]}
    rules:
      body: div.article > p
    feeds:
      - url: https://news.example/feed
        kind: sitemap
        poll_every_s: 60
"""
WORDS = (
    *(
        b"sources:",
        b"- name: a",
        b"\n",
        b"\n  ",
        b"\n    ",
        b"title: A",
        b"feeds:",
        b"url: ",
        b"kind:",
    ),
    *(
        b"&a ",
        b"*a",
        b"<<: *a",
        b"!!timestamp 2024-99-99",
        b"!!int 0x",
        b"!!python/object:os.system",
    ),
    *(b"? [a]\n: b", b"{", b"}", b"[", b"]", b"|", b">", b"---\n", b"%YAML 1.1\n", b"2024-13-45"),
    *(
        b"0b",
        b"1_0",
        b".inf",
        b".nan",
        b"1:60:61",
        b"crawl:",
        b"delay_s:",
        b"rules:",
        b"null",
        b"~",
    ),
    *(b"https://news.example/", b"time_zone: ", b"../../etc/passwd", b"country: SA", b"body: "),
    *(b":not(:is(a,b))", b"a > > b", b"!!binary x", b"!!set", b"=", b"max_age_days: "),
)
OPML = (
    *(
        b"<opml>",
        b"<body>",
        b"<outline ",
        b"/>",
        b"</outline>",
        b'xmlUrl="https://news.example/feed"',
    ),
    *(
        b' htmlUrl="https://news.example/"',
        b' text="A"',
        b' xmlns:r="urn:rasid:sources"',
        b' r:name="a"',
    ),
    *(
        b' r:crawl="1"',
        b' r:crawl.delay_s="2"',
        b' r:feeds="1"',
        b' language="ar-SA"',
        b"<!DOCTYPE x [",
    ),
    *(b'<!ENTITY a "aa">', b"]>", b"&a;", b'<!ENTITY b SYSTEM "file:///etc/hostname">', b"&b;"),
)
CSV = (
    *(
        b"name,title,home_page,feed.url",
        b",",
        b"\n",
        b'"',
        b"crawl",
        b",crawl.delay_s",
        b"feed.kind",
    ),
    *(b"a", b"https://news.example/", b"https://news.example/feed", b"\r", b"feed.", b"feed.url.x"),
)


def source_file(data: bytes) -> None:
    """First byte: the format; the rest: its text. What is read is written and read again."""
    form = FORMATS[data[0] % 3 if data else 0]
    text = data[1:].decode("utf-8", "replace")
    try:
        found = source_files.read(text, form, "sources.yaml")
    except InvalidSources as error:
        is_text(str(error) or None, 1_000_000)
        return
    for other in FORMATS:
        written = source_files.write(found, other)
        assert source_files.read(written, other, "again") == found


def message(data: bytes) -> None:
    """What lies under a page's id: a page that can be worked on, or told to be unreadable.

    First byte: whether what follows the header is packed as it should be.
    """
    stored = data[1:]
    if data[:1] < b"\x80":
        header, _, body = stored.partition(b"\n")
        stored = header + b"\n" + compression.compress(body)
    taken = unpack(stored, MOST)
    if isinstance(taken, Unreadable):
        assert taken.stored == stored
        assert taken.problem
        return
    assert isinstance(taken, Taken)
    page = taken.page
    texts = (page.origin, page.requested_url, page.final_url, page.source, page.time_zone)
    for text in (*texts, page.feed_url, page.feed_title, *page.headers.values()):
        assert text is None or isinstance(text, str)
    assert all(isinstance(text, str) for pair in page.rules.items() for text in pair)
    assert page.status is None or isinstance(page.status, int)
    is_time(page.fetched_at)
    is_time(page.feed_published_at)
    assert unpack(pack(page), MOST) == Taken(page=page, compressed=compression.compress(page.body))
    assert len(page.id) == 32
    read(page)


def _sources() -> Iterator[bytes]:
    yield b"\0" + YAML.encode()
    found = sources.parse(YAML, "a")
    yield b"\1" + source_files.write(found, "opml").encode()
    yield b"\2" + source_files.write(found, "csv").encode()


def _messages() -> Iterator[bytes]:
    page = RawPage(
        body=b"<p>The council voted on Tuesday to open the bridge again.</p>" * 5,
        origin="https://news.example/feed",
        requested_url="https://news.example/a",
        fetched_at=datetime(2024, 5, 3, tzinfo=UTC),
        status=200,
        headers={"content-type": "text/html"},
        source="the-herald",
        time_zone="Asia/Riyadh",
        rules={"body": "p"},
        feed_published_at=datetime(2024, 5, 3, tzinfo=UTC),
    )
    header, _, _ = pack(page).partition(b"\n")
    yield b"\0" + header + b"\n" + page.body
    yield b"\xff" + pack(page)
    fields = json.loads(header)
    for name in fields:
        yield b"\0" + json.dumps({**fields, name: [1]}).encode() + b"\n" + page.body


TARGETS = (
    Target(name="sources", run=source_file, seeds=_sources, pieces=(*WORDS, *OPML, *CSV)),
    Target(
        name="message",
        run=message,
        seeds=_messages,
        pieces=(
            *(b'"schema_version": 1', b'"origin": ', b'"headers": ', b'"rules": ', b'"status": '),
            *(
                b'"fetched_at": "2024-05-03T10:15:00"',
                b'"requested_url": ',
                b'{"body": "p"}',
                b"[]",
            ),
            *(b'{"a": 1}', b"true", b'"a"', b"1.5", b", ", b'"time_zone": "../x"', b'"source": '),
            *(b'"body": ', b"\n", b"\x28\xb5\x2f\xfd", b"[" * 5000, b"1e999", b"NaN", b'"\\ud800"'),
        ),
    ),
)
