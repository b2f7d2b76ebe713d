"""What `rasid explain` says of a page: every visible line with its fate."""

from hypothesis import given
from hypothesis import strategies as st

from services.shared.contracts import Extraction, RawPage, Rejection
from worker.explain import explain
from worker.extract import extract

BRIDGE = "The council met on Monday and spoke about the bridge across the river for two hours."
RIVER = "Nobody could say what the bridge would cost, nor when the river would be free of ice."
LAST = "The next meeting will be held in the town hall on the first Thursday of the month."
PAGE = f"""<html><head><title>Council speaks of the bridge</title></head><body>
<nav><a href="/">Home</a></nav><article><h1>Council speaks of the bridge</h1>
<figure><img src="b.jpg"><figcaption>The bridge in winter</figcaption></figure>
<p>{BRIDGE}</p><p>Nobody could say <b>what the bridge would
cost</b>,<br>nor when the river would be free of ice.</p><h2>Next</h2><p>{LAST}</p>
<p>{BRIDGE}</p><p>Read also</p></article><footer>All rights reserved</footer></body></html>"""


def fates(page: str, **fields: str) -> dict[str, list[str]]:
    """Return the lines by their fate."""
    found: dict[str, list[str]] = {}
    for line in explain(RawPage(body=page.encode(), origin="test", headers=fields)).lines:
        found.setdefault(line.fate, []).append(line.text)
    return found


def test_each_line_has_its_fate() -> None:
    """Body, headline, caption and menus are told apart, broken paragraphs and headings found."""
    found = fates(PAGE)
    assert found["title"] == ["Council speaks of the bridge"]
    assert found["caption"] == ["The bridge in winter"]
    assert {"Home", "All rights reserved"} <= set(found["not taken"])
    assert found["kept"] == [
        BRIDGE,
        "Nobody could say what the bridge would cost,",
        "nor when the river would be free of ice.",
        "Next",
        LAST,
    ]


def test_a_line_that_was_cut_tells_why() -> None:
    """A sentence that stands twice is kept once, and cut as a repeat the second time."""
    assert fates(PAGE)["repeat"] == [BRIDGE]


def test_documents_of_text_are_explained_too() -> None:
    """Lines without markup have fates as well: reader comments are told from the body."""
    text = f"A headline of five words\n{BRIDGE}\n{RIVER}\n{LAST}\nRana\n3 hours ago\nWell said.\n"
    found = fates(text, **{"content-type": "text/plain"})
    assert found["kept"] == [BRIDGE, RIVER, LAST]
    assert found["comment"] == ["Rana", "3 hours ago", "Well said."]


def test_a_refused_page_shows_what_was_there() -> None:
    """The reason stands beside the lines, so that a wrong refusal can be seen."""
    explained = explain(RawPage(body=b"<p>Hello there</p>", origin="test"))
    assert isinstance(explained.result, Rejection)
    assert [line.text for line in explained.lines] == ["Hello there"]


def test_what_is_no_text_has_no_lines() -> None:
    """An image is refused without encoding or lines."""
    explained = explain(RawPage(body=b"\x89PNG\r\n\x1a\n\0\0", origin="test"))
    assert isinstance(explained.result, Rejection)
    assert (explained.encoding, explained.lines) == (None, ())


def test_it_tells_what_the_worker_reads() -> None:
    """The result is the very extraction that the worker makes."""
    page = RawPage(body=PAGE.encode(), origin="test")
    assert explain(page).result == extract(page)


@given(st.lists(st.sampled_from([BRIDGE, RIVER, LAST, "Share", "Home", "By Rana"]), max_size=12))
def test_nothing_of_the_body_is_hidden(lines: list[str]) -> None:
    """Whatever a page repeats, each paragraph of the body is among the lines that are kept."""
    body = "".join(f"<p>{line}</p>" for line in lines)
    explained = explain(RawPage(body=f"<h1>A title</h1>{body}".encode(), origin="test"))
    kept = {shown.text for shown in explained.lines if shown.fate == "kept"}
    if isinstance(explained.result, Extraction):
        assert {*explained.result.text.split("\n\n")} <= kept
