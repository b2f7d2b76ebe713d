import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.cli.session import environment
from services.demo import site as demo_site
from services.shared import source_files
from services.shared import sources as sources_file
from services.shared.frontier import FeedPoll, ListedLink
from services.shared.settings import Settings
from services.shared.sources import Feed
from services.storage import connect, links, sources
from tests.integration.crawls import crawl_once, demo_source
from tests.patience import PATIENCE_S, until
from tests.site import server

SOURCES = """\
sources:
  - name: a
    title: A
    home_page: https://a.example/
    feeds:
      - url: https://a.example/rss
"""


def rasid(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "services.cli", *arguments],
        env={**os.environ, "PYTHONPATH": str(Path.cwd()), **environ},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a sources.yaml."""
    path = tmp_path / "sources.yaml"
    path.write_text(SOURCES)
    return path


def test_import_writes_only_when_told(file: Path, tmp_path: Path) -> None:
    """The difference is shown, the file is left alone; with --yes it is written, and once."""
    new = tmp_path / "more.csv"
    new.write_text("name,title,home_page,feed.url\nb,B,https://b.example/,https://b.example/rss\n")
    shown = rasid("sources", "import", str(new), RASID_SOURCES=str(file))

    assert file.read_text() == SOURCES
    assert "+  - name: b" in shown.stdout
    assert "--yes writes it" in shown.stderr

    written = rasid("sources", "import", str(new), "--yes", RASID_SOURCES=str(file))
    assert written.stdout == shown.stdout
    assert [source.name for source in sources_file.parse(file.read_text(), "x")] == ["a", "b"]
    again = rasid("sources", "import", str(new), "--yes", RASID_SOURCES=str(file))
    assert (again.stdout, again.stderr) == ("", "Nothing is new.\n")


def test_two_imports_at_once(file: Path, tmp_path: Path) -> None:
    """The second waits for the first, and what both bring is in the file."""
    head, line = (
        "name,title,home_page,feed.url\n",
        "{0},{0},https://{0}.example/,https://{0}.example/rss\n",
    )
    many = [f"s{number}" for number in range(900)]
    files = tmp_path / "many.csv", tmp_path / "one.csv"
    files[0].write_text(head + "".join(map(line.format, many)))
    files[1].write_text(head + line.format("b"))

    def start(new: Path) -> subprocess.Popen[str]:
        with new.with_suffix(".told").open("w") as told:
            return subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-m",
                    "services.cli",
                    "sources",
                    "import",
                    str(new),
                    "--yes",
                ],
                env={**os.environ, "PYTHONPATH": str(Path.cwd()), "RASID_SOURCES": str(file)},
                stdout=subprocess.PIPE,
                stderr=told,
                text=True,
            )

    # What it would print is more than a pipe holds: it stands still before it writes.
    first = start(files[0])
    assert first.stdout
    first.stdout.readline()
    second = start(files[1])
    told = files[1].with_suffix(".told")
    until(lambda: second.poll() is not None or "waiting" in told.read_text())
    first.communicate(timeout=PATIENCE_S)
    second.communicate(timeout=PATIENCE_S)
    assert (first.returncode, second.returncode) == (0, 0)
    names = [source.name for source in sources_file.parse(file.read_text(), "x")]
    assert sorted(names) == sorted(["a", "b", *many])


@pytest.mark.parametrize("form", ["yaml", "opml", "csv"])
def test_export_can_be_imported(file: Path, tmp_path: Path, form: str) -> None:
    """What one installation gives out another takes in."""
    exported = tmp_path / f"out.{form}"
    exported.write_text(
        rasid("sources", "export", "--format", form, RASID_SOURCES=str(file)).stdout
    )
    other = tmp_path / "other.yaml"
    other.write_text("sources: []\n")
    rasid("sources", "import", str(exported), "--yes", RASID_SOURCES=str(other))

    assert sources_file.parse(other.read_text(), "x") == sources_file.parse(SOURCES, "x")


def test_show_tells_what_the_last_poll_gave(file: Path, settings: Settings) -> None:
    """Counts, newest item, what was odd and overflows stand beside what the file says."""
    with connect(settings.database_url or "") as tx:
        sources.save(tx, sources_file.parse(SOURCES, "x"))
        (feed,) = sources.feeds_of(tx, "a")
        row = tx.execute("select id from rasid.feeds").fetchone()
        assert row
        links.add(tx, int(str(row[0])), [ListedLink(url="https://a.example/1")])
        now = datetime(2026, 11, 2, 10, tzinfo=UTC)
        sources.polled(
            tx,
            FeedPoll(
                feed_id=int(str(row[0])),
                outcome="listed",
                status=200,
                detail=None,
                wait_s=0,
                failed=False,
                links_count=1,
                problems={"malformed": 1, "overflow": 1},
                newest_item_at=now,
            ),
        )
    stores = environment(settings)
    told = rasid(
        *("sources", "show", "a"),
        **{**stores, "RASID_SOURCES": str(file)},
    ).stdout
    status = rasid(
        *("status", "--json"),
        **stores,
    )

    traced = rasid("trace", "https://a.example/rss", **stores).stdout

    assert feed["last_outcome"] is None
    assert "feed of a: listed, 1 links" in traced
    assert "listed at" in told
    assert "1 links, newest item 2026-11-02 10:00 UTC" in told
    assert "odd in it: overflow 1, malformed 1" in told or "malformed 1, overflow 1" in told
    assert "overflowed 1 times" in told
    assert status.stdout, status.stderr
    health = json.loads(status.stdout)
    assert health["feed_problems"] == {"malformed": 1, "overflow": 1}
    assert [problem for problem in health["problems"] if "overflowed 1 times" in problem]


def test_discover_finds_what_the_demo_site_has() -> None:
    """Feed and sitemap are found, read and printed as a source that can be crawled."""
    with demo_site.serve() as site:
        found = rasid(
            *("sources", "discover", site.url, "--delay", "0.01"),
            RASID_PUBLIC_ADDRESSES_ONLY="false",
        )
        assert site.count("/private/draft") == 0

    (source,) = sources_file.parse(found.stdout, "found.yaml")
    assert [(feed.url, feed.kind) for feed in source.feeds] == [
        (f"{site.url}feed.xml", "feed"),
        (f"{site.url}sitemap.xml", "sitemap"),
    ]
    assert not source.enabled


def test_discover_is_polite() -> None:
    """What robots.txt forbids is not asked for, nor more than is allowed, nor private addresses."""
    with server.serve() as bad:
        head = (
            "<link rel='alternate' type='application/rss+xml' href='/secret/rss'>"
            "<link rel='alternate' type='application/feed+json' href='/feed.json'>"
        )
        sections = "".join(f"<nav><a href='/s{n}'>Section {n}</a></nav>" for n in range(9))
        bad.answers["/"] = (200, {}, f"<html lang='ar'>{head}{sections}".encode())
        bad.answers["/robots.txt"] = (200, {}, b"User-agent: *\nDisallow: /secret/\n")
        bad.answers["/feed.json"] = (200, {}, b'{"items": [{"url": "/1"}]}')
        discover = ("sources", "discover", f"{bad.url}/", "--delay", "0", "--requests", "5")
        found = rasid(*discover, RASID_PUBLIC_ADDRESSES_ONLY="false")
        asked = [path for path in bad.asked if path != "/robots.txt"]
        refused = rasid(*discover)

    assert "/secret/rss" not in asked
    assert len(asked) <= 5
    assert "robots_denied" in found.stderr
    (source,) = sources_file.parse(found.stdout, "found.yaml")
    assert (source.language, source.feeds[0].url) == ("ar", f"{bad.url}/feed.json")
    assert (refused.returncode, "address_not_public" in refused.stderr) == (1, True)


def test_what_left_the_file_is_told_and_retired(file: Path, settings: Settings) -> None:
    """Not enabled: marked when a crawl starts. Gone: told in its log, marked when a person says."""
    with demo_site.serve() as site:
        stays, off, gone = (
            demo_source(site).model_copy(
                update={"name": name, "feeds": (Feed(url=f"{site.url}{name}.xml"),)}
            )
            for name in ("stays", "off", "gone")
        )
        here = settings.model_copy(update={"public_addresses_only": False})
        crawl_once(here, [stays, off, gone])
        file.write_text(
            source_files.write([stays, off.model_copy(update={"enabled": False})], "yaml")
        )
        crawl_once(here, sources_file.parse(file.read_text(), "x"))
    environ = {"RASID_SOURCES": str(file), "DATABASE_URL": settings.database_url or ""}

    def enabled() -> dict[str, bool]:
        with connect(settings.database_url or "") as tx:
            feeds = tx.execute(b"select source, enabled from rasid.feeds").fetchall()
            rows = tx.execute(b"select name, enabled from media.sources").fetchall()
        assert sorted(feeds) == sorted(rows)
        return {str(name): bool(state) for name, state in rows}

    assert enabled() == {"stays": True, "off": False, "gone": True}
    shown = rasid("sources", "retire", **environ)
    assert (shown.returncode, shown.stdout) == (0, "gone\n")
    assert enabled()["gone"]
    refused = rasid("sources", "retire", "stays", "--yes", **environ)
    assert refused.returncode == 1
    assert "still in" in refused.stderr
    rasid("sources", "retire", "gone", "--yes", **environ)
    assert enabled() == {"stays": True, "off": False, "gone": False}
    assert rasid("sources", "retire", **environ).stdout == ""
    with connect(settings.database_url or "") as tx:
        sources.save(tx, [gone])
    assert enabled()["gone"], "back in the file, it goes on"
