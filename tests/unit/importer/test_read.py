"""Files of every kind become raw pages; what is wrong with a file or record is named."""

import base64
import gzip
import hashlib
import itertools
import json
import os
import random
import socket
import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.importer import files, texts
from services.importer.files import File
from services.importer.read import read
from services.importer.records import Found, Omitted, Refusal
from services.shared.contracts import RawPage
from tests.archives import address, html, line, members, news_archive, one_member, record, response

LIMIT = 64 * 1024
Pack = Callable[[list[bytes]], bytes]
#: The folder of a test is shared by the examples of hypothesis, each of which writes its file.
shared_folder = settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)


def read_all(path: Path, *, limit: int = LIMIT, after: int = 0) -> list[Found]:
    """Return everything found under the path."""
    found: list[Found] = []
    for item in files.find([path]):
        if isinstance(item, File):
            found += read(item, max_body_bytes=limit, after=after)
        else:
            found.append(Found(0, 0, item))
    return found


def save(folder: Path, name: str, data: bytes) -> Path:
    """Write the file and return its path."""
    path = folder / name
    path.write_bytes(data)
    return path


def pages(found: list[Found]) -> list[RawPage]:
    """Return the pages among the outcomes."""
    return [item.outcome for item in found if isinstance(item.outcome, RawPage)]


def refusals(found: list[Found]) -> list[Refusal]:
    """Return the refusals among the outcomes."""
    return [item.outcome for item in found if isinstance(item.outcome, Refusal)]


def reasons(found: list[Found]) -> list[tuple[str, str]]:
    """Return origin and reason of each refusal."""
    return [(refusal.origin, refusal.reason) for refusal in refusals(found)]


def test_records_of_older_archives(tmp_path: Path) -> None:
    """What `rasid archive` wrote formerly is read as far as it goes; nonsense is left out."""
    digest = "sha256:" + base64.b32encode(hashlib.sha256(html(1)).digest()).decode()
    ours = ("Rasid-Page-ID: 1", f"WARC-Payload-Digest: {digest}", "Rasid-Origin: seeds/1.html")
    odd = ("Rasid-Status: 99999999999", "Rasid-Received-At: soon", "Rasid-HTTP-Headers: [1]",
           "Rasid-Feed-Published-At: 2026-01-01")  # fmt: skip
    data = b"".join(
        record(1, "resource", html(1), "text/html; charset=utf-8", *ours, *more)
        for more in ((), odd)
    )
    older, other = pages(read_all(save(tmp_path, "a.warc", data)))

    assert older.headers == {"content-type": "text/html; charset=utf-8"}
    assert older.fetched_at == other.fetched_at == datetime(2024, 5, 1, 0, 0, 5, tzinfo=UTC)
    assert (older.received_at, other.received_at, other.status) == (None, None, None)
    assert (other.headers, other.feed_published_at) == ({}, None)


class TestDocuments:
    """Files that hold one page each."""

    def test_html_is_passed_on_as_it_is(self, tmp_path: Path) -> None:
        """An HTML file's very bytes are the body: nothing is decoded here."""
        body = "<p>خبر".encode("cp1256") + b"\0\xff"
        save(tmp_path, "a.html", body)
        save(tmp_path, "b.HTM", body)
        save(tmp_path, "c.html.gz", gzip.compress(body))

        assert [body] * 3 == [page.body for page in pages(read_all(tmp_path))]

    def test_a_file_says_nothing_of_its_address_or_time(self, tmp_path: Path) -> None:
        """Nothing is invented: the file's own time is not the page's."""
        (page,) = pages(read_all(save(tmp_path, "a.html", b"<p>x")))

        assert RawPage(body=b"<p>x", origin="a.html") == page

    def test_text_becomes_a_page(self, tmp_path: Path) -> None:
        """A text file is decoded and wrapped, compressed or not."""
        text = "سطر أول\n\nسطر ثان\n"
        save(tmp_path, "a.txt", text.encode("cp1256"))
        save(tmp_path, "b.txt.gz", gzip.compress(text.encode()))

        assert [texts.page(text)] * 2 == [page.body for page in pages(read_all(tmp_path))]

    def test_origins_are_named_from_the_folder_given(self, tmp_path: Path) -> None:
        """An origin is the path as a person would name it, and folders are read in order."""
        (tmp_path / "seeds" / "deep").mkdir(parents=True)
        for name in ("b.html", "a.html", "deep/c.html"):
            save(tmp_path, f"seeds/{name}", b"x")

        origins = [page.origin for page in pages(read_all(tmp_path / "seeds"))]

        assert origins == ["seeds/a.html", "seeds/b.html", "seeds/deep/c.html"]

    def test_an_empty_page_is_left_to_the_worker(self, tmp_path: Path) -> None:
        """Empty .html and .txt files are pages of no bytes, which the worker rejects."""
        save(tmp_path, "a.html", b"")
        save(tmp_path, "b.txt", b"\n \n")

        assert [page.body for page in pages(read_all(tmp_path))] == [b"", b""]

    @given(data=st.binary(max_size=2000), suffix=st.sampled_from([*files.SUFFIXES, ".html.gz"]))
    @shared_folder
    def test_no_bytes_stop_the_reader(self, tmp_path: Path, data: bytes, suffix: str) -> None:
        """Any bytes under any name give outcomes, never an exception."""
        read_all(save(tmp_path, f"any{suffix}", data))


class TestRefusedFiles:
    """Every file that cannot be read is named with its reason."""

    @pytest.mark.parametrize(
        ("name", "data", "reason"),
        [
            ("big.html", bytes(LIMIT + 1), "too_large"),
            ("big.txt", b"a\n" * LIMIT, "too_large"),
            ("wide.txt", b"a\n" * (LIMIT // 4), "too_large"),
            ("bomb.html.gz", gzip.compress(bytes(50_000_000)), "too_large"),
            (
                "cut.html.gz",
                gzip.compress(random.Random(1).randbytes(1000))[:-20],
                "truncated_gzip",
            ),
            ("trailer.html.gz", gzip.compress(b"x" * 1000)[:-1], "truncated_gzip"),
            ("empty.html.gz", b"", "truncated_gzip"),
            ("plain.html.gz", b"<html>not compressed</html>", "broken_gzip"),
            ("tail.html.gz", gzip.compress(b"<html>") + b"junk", "broken_gzip"),
            ("program.txt", b"\x7fELF\x02\x01\x01" + bytes(50), "not_text"),
            ("photo.jpg", b"\xff\xd8\xff", "unknown_kind"),
            ("README", b"read me", "unknown_kind"),
            ("expected.json", b"{}", "unknown_kind"),
            ("empty.jsonl", b"", "empty_file"),
            ("empty.warc.gz", b"", "empty_file"),
        ],
    )
    def test_bad_file(self, tmp_path: Path, name: str, data: bytes, reason: str) -> None:
        """A bad file gives one refusal and no page."""
        found = read_all(save(tmp_path, name, data))

        assert [(name, reason)] == reasons(found)
        assert pages(found) == []

    def test_padding_after_gzip_is_allowed(self, tmp_path: Path) -> None:
        """Zero bytes after compressed data are padding, as tapes leave it."""
        path = save(tmp_path, "a.html.gz", gzip.compress(b"<html>") + bytes(20_000))

        assert [page.body for page in pages(read_all(path))] == [b"<html>"]

    def test_missing(self, tmp_path: Path) -> None:
        """A path that does not exist is named."""
        assert reasons(read_all(tmp_path / "nothing.html")) == [("nothing.html", "missing")]

    def test_pipe_and_socket(self, tmp_path: Path) -> None:
        """A pipe or socket is named, and not waited for."""
        os.mkfifo(tmp_path / "pipe.html")
        with socket.socket(socket.AF_UNIX) as server:
            here = Path.cwd()
            os.chdir(tmp_path)  # a socket's path may not be long
            try:
                server.bind("socket.html")
            finally:
                os.chdir(here)
            found = read_all(tmp_path)

        origin = tmp_path.name
        expected = [(f"{origin}/pipe.html", "not_a_file"), (f"{origin}/socket.html", "not_a_file")]
        assert expected == reasons(found)

    def test_symlink_loops(self, tmp_path: Path) -> None:
        """Links that lead round in a circle end, named; other links are followed."""
        top = tmp_path / "top"
        (top / "inner").mkdir(parents=True)
        (top / "inner" / "up").symlink_to(top)
        (top / "self.html").symlink_to("self.html")
        save(tmp_path, "elsewhere.html", b"x")
        (top / "link.html").symlink_to(tmp_path / "elsewhere.html")

        found = read_all(top)

        expected = [("top/inner/up", "symlink_loop"), ("top/self.html", "symlink_loop")]
        assert expected == reasons(found)
        assert [page.origin for page in pages(found)] == ["top/link.html"]

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_forbidden(self, tmp_path: Path) -> None:
        """A file without read permission is named."""
        path = save(tmp_path, "secret.html", b"x")
        path.chmod(0)

        assert reasons(read_all(path)) == [("secret.html", "unreadable")]

    @pytest.mark.skipif(sys.platform != "linux", reason="needs a file that fails when read")
    @pytest.mark.parametrize("name", ["bad.html", "bad.txt", "bad.warc"])
    def test_disk_error(self, tmp_path: Path, name: str) -> None:
        """A file that opens but fails when read is named, and the next one is read."""
        folder = tmp_path / "in"
        folder.mkdir()
        (folder / name).symlink_to("/proc/self/mem")
        save(folder, "good.html", b"x")

        found = read_all(folder)

        # An empty file by its size, so a container is refused before it is opened.
        reason = "empty_file" if name.endswith(".warc") else "unreadable"
        assert [(f"in/{name}", reason)] == reasons(found)
        assert [page.origin for page in pages(found)] == ["in/good.html"]

    def test_hidden_files_are_counted(self, tmp_path: Path) -> None:
        """Hidden files and folders are left out, and counted."""
        save(tmp_path, ".DS_Store", b"x")

        assert [Omitted(reason="hidden_file")] == [f.outcome for f in read_all(tmp_path)]

    def test_names_no_store_can_hold(self, tmp_path: Path) -> None:
        """A file name of broken UTF-8 or with a line end gets an origin in plain characters."""
        try:
            save(tmp_path, os.fsdecode(b"\xff\n.html"), b"x")
        except OSError:
            pytest.skip("this file system wants UTF-8")

        (page,) = pages(read_all(tmp_path))

        assert f"{tmp_path.name}/\\xff\\n.html" == page.origin


class TestJsonLines:
    """Files with a page in each line."""

    def test_fields(self, tmp_path: Path) -> None:
        """What a line states is on the page; what it does not state is None."""
        full = line(
            1,
            final_url="https://news.example/final",
            fetched_at="2024-03-01T12:00:00+02:00",
            status=200,
            headers={"Content-Language": "ar", "Set-Cookie": "x"},
            source="النهار",
            title="عنوان",
        )
        first, second = pages(read_all(save(tmp_path, "a.jsonl", full + line(2))))

        assert html(1) == first.body
        assert first.origin == "a.jsonl#1"
        assert first.url == "https://news.example/final"
        assert datetime(2024, 3, 1, 10, tzinfo=UTC) == first.fetched_at
        assert first.status == 200
        expected = {"content-language": "ar", "content-type": "text/html; charset=utf-8"}
        assert expected == first.headers
        assert (first.source, first.feed_title) == ("النهار", "عنوان")
        assert (second.fetched_at, second.status, second.source) == (None, None, None)

    def test_bodies(self, tmp_path: Path) -> None:
        """The body is the bytes of html_base64, else html, else text made a page."""
        raw = "خبر".encode("cp1256")
        lines = [
            {"html_base64": base64.b64encode(raw).decode(), "html": "no"},
            {"html": "<p>", "text": "no"},
            {"text": "نص"},
        ]
        data = "\n\n".join(map(json.dumps, lines)).encode()

        found = read_all(save(tmp_path, "a.ndjson", b"\xef\xbb\xbf" + data))

        assert [raw, b"<p>", texts.page("نص")] == [page.body for page in pages(found)]
        assert [item.number for item in found] == [1, 3, 5]

    @pytest.mark.parametrize(
        "bad",
        [
            b"{broken",
            b"[1, 2]",
            b"null",
            b'{"url": "https://a.example/"}',
            b'{"html": 5}',
            b'{"html": "x", "url": ["a"]}',
            b'{"html_base64": "%%%"}',
            b'{"html": "\xff"}',
            b"[" * 50_000,
            b"1" * 5000,
            b'{"html": "x", "source": "two\\nlines"}',
        ],
    )
    def test_a_bad_line_is_named_and_the_rest_read(self, tmp_path: Path, bad: bytes) -> None:
        """A line that holds no page is refused by its number."""
        found = read_all(save(tmp_path, "a.jsonl", line(1) + bad + b"\n" + line(3)))

        assert reasons(found) == [("a.jsonl#2", "broken_line")]
        assert [page.origin for page in pages(found)] == ["a.jsonl#1", "a.jsonl#3"]

    def test_long_lines(self, tmp_path: Path) -> None:
        """A page or line above the limit is refused, and the next line read."""
        data = (
            line(1)
            + line(2, html="x" * (LIMIT + 1))
            + b'{"html": "' + b"x" * (LIMIT * 9) + b'"}\n'
            + line(4)
        )  # fmt: skip
        found = read_all(save(tmp_path, "a.jsonl", data))

        assert reasons(found) == [("a.jsonl#2", "too_large"), ("a.jsonl#3", "too_large")]
        assert [page.origin for page in pages(found)] == ["a.jsonl#1", "a.jsonl#4"]

    @pytest.mark.parametrize(
        ("stated", "expected"),
        [
            ("2024-03-01T10:00:00Z", datetime(2024, 3, 1, 10, tzinfo=UTC)),
            ("2024-03-01 10:00:00", datetime(2024, 3, 1, 10, tzinfo=UTC)),
            (1709287200, datetime(2024, 3, 1, 10, tzinfo=UTC)),
            (1709287200000, datetime(2024, 3, 1, 10, tzinfo=UTC)),
            ("yesterday", None),
            (True, None),
            (1e300, None),
            (float("nan"), None),
            ("0001-01-01T00:00:00+14:00", None),
        ],
    )
    def test_fetched_at(self, tmp_path: Path, stated: object, expected: datetime | None) -> None:
        """A time is read as ISO 8601 or Unix time; another is counted, and the page kept."""
        found = read_all(save(tmp_path, "a.jsonl", line(1, fetched_at=stated)))

        assert [expected] == [page.fetched_at for page in pages(found)]
        unread = Omitted(reason="fetched_at_unread")
        assert ([unread] if expected is None else []) == [
            item.outcome for item in found if isinstance(item.outcome, Omitted)
        ]

    def test_lone_surrogates(self, tmp_path: Path) -> None:
        """Half a character, which JSON can spell but no encoding hold, becomes a mark."""
        data = b'{"html": "a\\ud800b", "url": "https://a.example/\\udfff"}\n'

        (page,) = pages(read_all(save(tmp_path, "a.jsonl", data)))

        assert page.body.decode() == "a\ufffdb"
        assert page.url == "https://a.example/\ufffd"

    @given(cut=st.integers(min_value=1))
    @shared_folder
    def test_cut_gzip_keeps_whole_lines(self, tmp_path: Path, cut: int) -> None:
        """Of a file cut anywhere the lines before the cut are read, and the cut is named."""
        noise = random.Random(1)
        whole = gzip.compress(b"".join(line(i, x=noise.randbytes(40).hex()) for i in range(300)))
        cut = 10 + cut % (len(whole) - 10)

        found = read_all(save(tmp_path, "a.jsonl.gz", whole[:cut]))

        assert [i + 1 for i in range(len(pages(found)))] == [
            int(page.origin.partition("#")[2]) for page in pages(found)
        ]
        assert [(f"a.jsonl.gz#{len(pages(found)) + 1}", "truncated_gzip")] == reasons(found)


class TestWarc:
    """WARC files: a page for each HTML response."""

    def test_fields(self, tmp_path: Path) -> None:
        """Address, time, status and the headers that matter come from the record."""
        headers = ("Content-Type: text/html; charset=windows-1256", "X-Other: 1")
        data = response(7, headers=headers, status="404 Not Found")

        (page,) = pages(read_all(save(tmp_path, "a.warc", data)))

        expected = RawPage(
            body=html(7),
            origin="a.warc#1",
            requested_url="https://news.example/7",
            fetched_at=datetime(2024, 3, 1, 10, 0, 7, tzinfo=UTC),
            status=404,
            headers={"content-type": "text/html; charset=windows-1256"},
        )
        assert expected == page

    def test_other_records_are_counted(self, tmp_path: Path) -> None:
        """Requests, metadata and responses that are not HTML are left out, and counted."""
        parts = [
            response(1, record_type="warcinfo"),
            response(2, record_type="request"),
            response(3, headers=["Content-Type: image/png"]),
            response(4, headers=["Content-Type: application/xhtml+xml"]),
            response(5, headers=[]),
            response(6, b"\x89PNG", headers=[]),
        ]
        found = read_all(save(tmp_path, "a.warc.gz", members(parts)))

        assert [page.origin for page in pages(found)] == ["a.warc.gz#4", "a.warc.gz#5"]
        assert [item.outcome.reason for item in found if isinstance(item.outcome, Omitted)] == [
            "not_response",
            "not_response",
            "not_html",
            "not_html",
        ]

    @pytest.mark.parametrize("name", ["a.warc", "a.warc.gz"])
    @pytest.mark.parametrize("pack", [b"".join, members, one_member])
    def test_however_it_is_compressed(self, tmp_path: Path, pack: Pack, name: str) -> None:
        """Plain, a gzip member for each record, or one for all: whatever the file is called."""
        data = pack([response(i) for i in range(20)])

        found = read_all(save(tmp_path, name, data))

        assert [html(i) for i in range(20)] == [page.body for page in pages(found)]

    @pytest.mark.parametrize(
        ("after", "expected"), [(0, [1, 2, 3, 4]), (2, [3, 4]), (4, []), (9, [])]
    )
    def test_going_on(self, tmp_path: Path, after: int, expected: list[int]) -> None:
        """Reading goes on after a record number, with the same numbers."""
        path = save(tmp_path, "a.warc", b"".join(response(i) for i in range(4)))

        assert expected == [item.number for item in read_all(path, after=after)]

    @pytest.mark.parametrize(
        "middle",
        [
            b"GARBAGE\r\nmore garbage\r\n\r\n",
            response(1).replace(b"Content-Length", b"Content-Size"),
            response(1, length=999_999_999_999_999_999_999),
            response(1, length=40),
            response(1, length=700),
            response(1, length=60_000),
            response(1).replace(b"HTTP/1.1", b"SMTP"),
            response(1, b"zz", headers=["Content-Type: text/html", "Content-Encoding: zz"]),
            b"WARC/1.0\r\n" + b"A: b\r\n" * 20_000,
        ],
    )
    @pytest.mark.parametrize("pack", [b"".join, members])
    def test_a_broken_record_costs_only_itself(
        self, tmp_path: Path, middle: bytes, pack: Pack
    ) -> None:
        """The records before and after a broken one are imported, and it is named."""
        parts = [response(0), middle, *(response(i) for i in range(2, 30))]
        found = read_all(save(tmp_path, "a.warc", pack(parts)))

        assert [html(0), *(html(i) for i in range(2, 30))] == [p.body for p in pages(found)]
        assert {"broken_record"} == {refusal.reason for refusal in refusals(found)}

    def test_a_large_record_is_refused_unread(self, tmp_path: Path) -> None:
        """A page above the limit is named and not held in memory."""
        parts = [
            response(0),
            response(1, bytes(400_000)),
            response(2, bytes(LIMIT + 1)),
            response(3),
        ]
        found = read_all(save(tmp_path, "a.warc.gz", members(parts)))

        assert [html(0), html(3)] == [page.body for page in pages(found)]
        assert reasons(found) == [("a.warc.gz#2", "too_large"), ("a.warc.gz#3", "too_large")]

    @given(cut=st.integers(min_value=0))
    @shared_folder
    def test_a_file_cut_anywhere(self, tmp_path: Path, cut: int) -> None:
        """Every record that is whole before the cut is imported, and the cut is named."""
        parts = [gzip.compress(response(i), mtime=0) for i in range(12)]
        ends = list(itertools.accumulate(map(len, parts)))
        cut = 1 + cut % ends[-1]
        whole = sum(end <= cut for end in ends)

        found = read_all(save(tmp_path, "a.warc.gz", b"".join(parts)[:cut]))

        assert [page.body for page in pages(found)] == [html(i) for i in range(whole)]
        named = [] if cut in ends else [(f"a.warc.gz#{whole + 1}", "truncated_gzip")]
        assert reasons(found) == named

    @given(at=st.integers(min_value=0), bit=st.integers(0, 7))
    @shared_folder
    def test_a_flipped_bit_anywhere(self, tmp_path: Path, at: int, bit: int) -> None:
        """Damage costs the record it is in; a page that may be altered is not imported."""
        parts = [gzip.compress(response(i), mtime=0) for i in range(12)]
        data = bytearray(b"".join(parts))
        at %= len(data)
        data[at] ^= 1 << bit
        hit = sum(at >= len(b"".join(parts[: i + 1])) for i in range(len(parts)))

        found = read_all(save(tmp_path, "a.warc.gz", bytes(data)))

        bodies = [page.body for page in pages(found)]
        others = [html(i) for i in range(12) if i != hit]
        assert others == [body for body in bodies if body != html(hit)]
        assert refusals(found) or len(bodies) == 12


def test_a_news_archive(tmp_path: Path) -> None:
    """Of a file as Common Crawl makes them every record has its outcome: page, reason or count."""
    parts, good = news_archive()

    found = read_all(save(tmp_path, "CC-NEWS-20240501000000-00001.warc.gz", members(parts)))

    assert [item.number for item in found] == list(range(1, len(parts) + 1))
    by_status = [(page.status, page.requested_url) for page in pages(found)]
    assert by_status == [(404 if n == 4 else 200, address(n)) for n in sorted([*good, 4])]
    assert [page.body for page in pages(found) if page.status == 200] == [html(n) for n in good]
    assert [(refusal.reason, refusal.origin[-3:]) for refusal in refusals(found)] == [
        ("truncated_record", "#15"),
        ("truncated_record", "#18"),
    ]
    left_out = Counter(i.outcome.reason for i in found if isinstance(i.outcome, Omitted))
    assert left_out == {"not_response": 1 + 2 * 9 + 1, "redirect": 1, "not_html": 1}


class TestHttpBodies:
    """Bodies in WARC files are decoded as their headers say, where that is true."""

    @pytest.mark.parametrize(
        ("coding", "body"),
        [
            ("gzip", gzip.compress(html(1))),
            ("x-gzip", members([html(1)[:9], html(1)[9:]])),
            ("gzip, gzip", gzip.compress(gzip.compress(html(1)))),
            ("gzip", html(1)),
            ("br", html(1)),
            ("deflate", html(1)),
            ("identity", html(1)),
        ],
    )
    def test_content_encoding(self, tmp_path: Path, coding: str, body: bytes) -> None:
        """Compressed bodies are unpacked; those unpacked already stay as they are."""
        headers = ("Content-Type: text/html", f"Content-Encoding: {coding}")

        found = read_all(save(tmp_path, "a.warc", response(1, body, headers=headers)))

        assert [html(1)] == [page.body for page in pages(found)]

    @pytest.mark.parametrize(
        "body",
        [
            b"6;x=y\r\n<html>\r\n1\r\nx\r\n0\r\n\r\n",
            b"7\n<html>x\n0\n\n",
            b"<html>x",
        ],
    )
    def test_chunked(self, tmp_path: Path, body: bytes) -> None:
        """Chunks are joined; a body that is not in chunks stays as it is."""
        headers = ("Content-Type: text/html", "Transfer-Encoding: chunked")

        found = read_all(save(tmp_path, "a.warc", response(1, body, headers=headers)))

        assert [page.body for page in pages(found)] == [b"<html>x"]

    @pytest.mark.parametrize(
        ("header", "body", "reason"),
        [
            (
                "Content-Encoding: gzip",
                gzip.compress(random.Random(1).randbytes(500))[:-20],
                "broken_record",
            ),
            ("Content-Encoding: gzip", gzip.compress(bytes(5_000_000)), "too_large"),
            ("Content-Encoding: gzip", b"\x1f\x8b\x08junk", "broken_record"),
            ("Content-Encoding: br", b"\xff\xff\xff", "broken_record"),
            ("Content-Encoding: zstd", b"\x28\xb5\x2f\xfdjunk", "broken_record"),
            ("Content-Encoding: deflate", b"junk", "broken_record"),
            ("Transfer-Encoding: chunked", b"5\r\n<html\r\nff\r\n>x", "broken_record"),
            ("Transfer-Encoding: chunked", b"5\r\n<html\r\n", "broken_record"),
        ],
    )
    def test_bodies_that_cannot_be_read(
        self, tmp_path: Path, header: str, body: bytes, reason: str
    ) -> None:
        """A body that is cut or damaged is refused, not imported in part."""
        data = response(1, body, headers=["Content-Type: text/html", header])

        found = read_all(save(tmp_path, "a.warc", data))

        assert [("a.warc#1", reason)] == reasons(found)
        assert pages(found) == []
