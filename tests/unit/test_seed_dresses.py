"""The seeds' text is read alike when it arrives as a page, whatever its markup is like."""

import html
from collections.abc import Callable

import pytest

from services.shared.contracts import Extraction, RawPage
from tests.unit.test_seeds import EXPECTED, lines_of
from worker.extract import extract

Parts = tuple[str, list[tuple[str, str]], str]


def parts(name: str) -> Parts:
    """Return a seed's title, its body as (tag, line), and its comments as list items."""
    truth, lines = EXPECTED[name], lines_of(name)
    first, last = truth["body_lines"]
    body = [
        ("h3" if i in truth["headings"] else "p", html.escape(lines[i]))
        for i in range(first, last + 1)
        if lines[i]
    ]
    said = "".join(
        f"<li class=comment><b class=comment-author>{c['author']}</b><i>{c['age']}</i>"
        f"<p>{html.escape(lines[c['line']])}</p></li>"
        for c in truth["comments"]
    )
    return html.escape(truth["title"]), body, said


def wordpress(name: str) -> str:
    """An article with entry classes, a menu, and a list of comments."""
    title, body, said = parts(name)
    text = "".join(f"<{tag}>{line}</{tag}>" for tag, line in body)
    return (
        f"<html lang=ar><head><title>{title} - موقع</title></head><body>"
        "<div class=site-header><a href=/>الرئيسية</a></div><article class=post>"
        f"<h1 class=entry-title>{title}</h1><div class=entry-content>{text}</div></article>"
        f"<div id=comments><h3>التعليقات</h3><ol class=comment-list>{said}</ol></div></body></html>"
    )


def breaks(name: str) -> str:
    """One block whose paragraphs are parted by line breaks."""
    title, body, _ = parts(name)
    text = "<br><br>".join(line for _, line in body)
    return f"<html><title>{title}</title><body><h1>{title}</h1><div>{text}</div></body></html>"


def layout_table(name: str) -> str:
    """A page laid out with nested tables."""
    title, body, _ = parts(name)
    text = "".join(f"<p>{line}</p>" for _, line in body)
    inner = f"<table><tr><td><b>{title}</b></td></tr><tr><td>{text}</td></tr></table>"
    menu = "<a href=/>الرئيسية</a>"
    return (
        f"<html><title>{title}</title><body><table><tr><td>{menu}</td><td>{inner}</td></tr></table>"
        "</body></html>"
    )


def amp(name: str) -> str:
    """A page in the manner of AMP."""
    title, body, _ = parts(name)
    text = "".join(f"<{tag}>{line}</{tag}>" for tag, line in body)
    return (
        f"<!doctype html><html amp lang=ar><head><title>{title}</title></head><body>"
        f"<header><h1>{title}</h1></header><main><amp-img src=a.jpg></amp-img>{text}</main>"
        "<amp-ad></amp-ad></body></html>"
    )


def bare_blocks(tag: str, between: str = "") -> Callable[[str], str]:
    """Return a dress of all lines of the seed, chrome and comments too, in like blocks."""

    def dress(name: str) -> str:
        lines = (html.escape(line) for line in lines_of(name) if line)
        if not tag:
            return f"<html><body><div>{between.join(lines)}</div></body></html>"
        return f"<html><body>{''.join(f'<{tag}>{line}</{tag}>' for line in lines)}</body></html>"

    return dress


DRESSES: dict[str, Callable[[str], str]] = {
    "wordpress": wordpress,
    "breaks": breaks,
    "layout table": layout_table,
    "amp": amp,
    "bare div": bare_blocks("div"),
    "bare p": bare_blocks("p"),
    "bare breaks": bare_blocks("", "<br>\n"),
}


@pytest.mark.parametrize("dress", DRESSES)
@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_title_and_body_do_not_depend_on_the_markup(name: str, dress: str) -> None:
    """Every paragraph of the body in order, and nothing else, under the same headline."""
    read = extract(RawPage(body=DRESSES[dress](name).encode(), origin=dress))
    assert isinstance(read, Extraction)
    assert read.title == EXPECTED[name]["title"]
    paragraphs = [line.removeprefix("## ") for line in read.text.split("\n\n")]
    assert paragraphs == [html.unescape(line) for _, line in parts(name)[1]]


@pytest.mark.parametrize("dress", DRESSES)
@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_no_date_is_invented_in_any_markup(name: str, dress: str) -> None:
    """A date is found only where the seed has one above its text, and the dress shows it."""
    read = extract(RawPage(body=DRESSES[dress](name).encode(), origin=dress))
    assert isinstance(read, Extraction)
    written = EXPECTED[name]["published_at"] if dress.startswith("bare") else None
    assert (read.published_at.isoformat() if read.published_at else None) == written
