"""`rasid explain` as a person uses it: files without servers, addresses from the store."""

import json
import os
import subprocess
import sys
from pathlib import Path

from services.shared.contracts import RawPage
from services.storage import connect, raw_pages, results
from tests.factories import article, at, page, processed

ROOT = Path(__file__).resolve().parents[2]
BODY = "The council met on Monday and spoke about the bridge across the river for two hours."
TITLE = "Council speaks of the bridge"
PAGE = f"<h1>{TITLE}</h1><p>{BODY}</p><p>{BODY.replace('Monday', 'May')}</p>"
URL = "https://example.org/news/1"
SOURCES = """\
sources:
  - name: example
    title: Example
    home_page: https://example.org/
    rules:
      body: .gone
      title: h1
    feeds: [{url: "https://example.org/rss"}]
"""


def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run `rasid explain` with no environment but this."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "services.cli", "explain", *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **env},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def store(database_url: str) -> RawPage:
    """Store a page of a source, as the worker does, and an older one of the same address."""
    new = page(
        PAGE,
        requested_url=URL,
        fetched_at=at(2),
        source="example",
        headers={"content-type": "text/html"},
    )
    old = page("old", requested_url=URL, fetched_at=at(1))
    with connect(database_url) as connection:
        for raw in (old, new):
            results.save(connection, [processed(raw, article(URL, raw.body.decode()))], 1)
    return new


def test_the_newest_page_is_as_it_was_received(database_url: str) -> None:
    """Whatever form the address has, the page received last comes back with all it came with."""
    new = store(database_url)
    with connect(database_url) as connection:
        assert raw_pages.newest(connection, [URL], None) == new
        assert raw_pages.newest(connection, [f"{URL}#top"], URL) == new
        assert raw_pages.newest(connection, ["https://example.org/2"], None) is None


def test_a_stored_page_with_its_sources_rules(database_url: str, tmp_path: Path) -> None:
    """The rules are those of sources.yaml as it is now, and one that misses is told."""
    store(database_url)
    sources = tmp_path / "sources.yaml"
    sources.write_text(SOURCES)
    env = {"DATABASE_URL": database_url, "RASID_SOURCES": str(sources)}
    shown = json.loads(run(URL, "--json", **env).stdout)

    assert shown["rules_missed"] == ["body"]
    assert shown["fields"]["title"] == {"value": TITLE, "witness": "rule"}


def test_an_address_that_is_not_stored(database_url: str) -> None:
    """The person is told what to do instead."""
    ended = run("https://example.org/none", DATABASE_URL=database_url)

    assert ended.returncode == 1
    assert "save it and give the file" in ended.stderr


def test_a_file_needs_no_server(tmp_path: Path) -> None:
    """Lines, fields and encoding are shown, without colour where it is no terminal."""
    file = tmp_path / "page.html"
    file.write_text(f"<nav>Home</nav>{PAGE}")
    shown = run(str(file)).stdout

    assert "encoding utf-8" in shown
    assert f"kept       {BODY}" in shown
    assert "\x1b[" not in shown


def test_mistakes_are_told(tmp_path: Path) -> None:
    """A file that is not there and a source that is not there end with a word, not a traceback."""
    sources = tmp_path / "sources.yaml"
    sources.write_text(SOURCES)
    file = tmp_path / "page.html"
    file.write_text(PAGE)
    for arguments in ((str(tmp_path / "none.html"),), (str(file), "--source", "other")):
        ended = run(*arguments, RASID_SOURCES=str(sources))
        assert ended.returncode == 1
        assert ended.stderr.startswith("rasid: ")
        assert "Traceback" not in ended.stderr
