"""What is archived, imported into a fresh database and read there, says what it said before."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

from services.archiver import run as archiver
from services.importer import run as importer
from services.queue import Queue
from services.shared.contracts import RawPage
from services.shared.settings import Settings
from services.shared.sources import Feed, Rules, Source
from services.storage import Connection, connect, migrate, partitions
from tests.factories import page
from worker import pipeline

DAY = date(2026, 3, 4)
AFTER = date(2026, 3, 5)
FETCHED = datetime(2026, 3, 4, 9, 30, 7, 891_000, tzinfo=UTC)
ARABIC = "".join(
    f"<p>قال المجلس البلدي في جلسته رقم {n} إن الجسر الجديد على النهر سيفتح أمام السيارات.</p>"
    for n in range(12)
)
ENGLISH = "".join(
    f"<p>On day {n} the council of the town met again to talk of the new bridge over the river.</p>"
    for n in range(12)
)
ROME = Source(
    name="rome",
    title="Rome",
    home_page="https://rome.example/",
    time_zone="Europe/Rome",
    rules=Rules(title="h3.head"),
    feeds=(Feed(url="https://rome.example/rss"),),
)


def article(url: str, head: str = "", body: str = ENGLISH, **fields: object) -> RawPage:
    """A page of the web with an article."""
    values: dict[str, object] = {
        "requested_url": url,
        "final_url": url,
        "origin": url,
        "fetched_at": FETCHED,
        "status": 200,
        "headers": {"content-type": "text/html; charset=utf-8"},
        **fields,
    }
    html = f"<html><head>{head}</head><body><article>{body}</article></body></html>"
    return page(html, **values)


def pages() -> list[RawPage]:
    """Pages of which each needs something else to be read as it was."""
    clock = (
        '<title>{}</title><meta property="article:published_time" content="2026-03-04T08:15:00">'
    )
    whole = (
        f"<html><body><h1>Bare words</h1><article>{ENGLISH.replace('bridge', 'tower')}</article>"
    )
    first, second, *_ = ARABIC.split("</p>")
    return [
        article(
            "https://a.example/feed-alone",
            body=ENGLISH.replace("river", "lake"),
            source="a",
            feed_url="https://a.example/rss",
            feed_title="عنوان لا يعرفه إلا الموجز | A title: of the feed's",
            feed_published_at=datetime(2026, 3, 4, 7, 5, tzinfo=timezone(timedelta(hours=3))),
        ),
        article(
            "https://b.example/zone",
            clock.format("Eight at Riyadh"),
            body=ENGLISH.replace("river", "street"),
            time_zone="Asia/Riyadh",
        ),
        article("https://c.example/خبر", "<title>خبر الجسر</title>", ARABIC, source="c"),
        article("https://d.example/same-bytes", "<title>خبر الجسر</title>", ARABIC, source="d"),
        article("https://e.example/same-text", "<title>الجسر</title>", f"<div>{ARABIC}</div>"),
        article("https://f.example/short", body=first),
        article("https://g.example/gone", body=second, status=404),
        article(
            "https://rome.example/ruled",
            clock.format("Not this title"),
            f"<h3 class='head'>The rule's title</h3>{ENGLISH.replace('river', 'road')}",
            source="rome",
            time_zone=ROME.time_zone,
            rules=ROME.rules.by_name(),
        ),
        # Of files: nobody knows when they were fetched, one has headers and no HTTP.
        page(whole, requested_url=None, origin="seeds/1.html"),
        page(
            whole.replace("tower", "church"),
            requested_url="https://h.example/line",
            origin="lines.jsonl#4",
            headers={"content-type": "text/html", "content-language": "de"},
        ),
        page(whole, requested_url="urn:x:1", origin="lines.jsonl#5", status=500),
    ]


def work(settings: Settings, connection: Connection) -> None:
    """Be the worker, until nothing waits."""
    queue = Queue(settings)
    for lane in ("live", "bulk"):
        while ids := queue.bodies.zrange(f"rasid:pending:{lane}", 0, 9):
            pipeline.process([one.decode() for one in ids], lane, queue, connection, settings)  # type: ignore[union-attr]


def told(
    connection: Connection,
) -> tuple[Sequence[object], set[frozenset[object]], Sequence[object]]:
    """All that articles say, which are copies of one text, and what became of each page."""
    rows = connection.execute(
        b"""select url, to_jsonb(a) - '{id,created_at,updated_at,story_id,duplicate_of}'::text[],
            (select array_agg(b.url) from media.articles as b
                where b.id = a.duplicate_of or b.duplicate_of = a.id),
            (select count(*) from media.story_articles as s where s.story_id = a.story_id)
        from media.articles as a order by url"""
    ).fetchall()
    copies = {frozenset([row[0], *(row[2] or ())]) for row in rows}  # type: ignore[misc]
    ends = connection.execute(
        b"""select id, requested_url, final_url, origin, fetched_at, status, reason,
            article_id is null, headers, source, time_zone, feed_url, feed_title,
            feed_published_at
        from rasid.raw_pages order by id"""
    ).fetchall()
    return [(row[1], row[3]) for row in rows], copies, ends


def test_the_same_articles(settings: Settings, empty_database_url: str, tmp_path: Path) -> None:
    """Titles, texts, dates, languages, sources, copies and rejections are those of the first."""
    was = pages()
    fresh = settings.model_copy(update={"database_url": empty_database_url})
    migrate.migrate(empty_database_url)
    with connect(settings.database_url or "") as first, connect(empty_database_url) as second:
        Queue(settings).publish(was, "live")
        work(settings, first)
        before = told(first)
        for table in (b"captures", b"raw_pages"):
            first.execute(b"update rasid." + table + b" set captured_on = %s", [DAY])
        partitions.roll(first, "captures")
        order = archiver.Order(address=str(tmp_path), before=AFTER, work=tmp_path / "work")
        assert [done.dropped for done in archiver.run(first, order, lambda _: None)] == [True]

        importer.run(list(tmp_path.glob("*.warc.gz")), fresh, sources={ROME.name: ROME})
        work(fresh, second)
        after = told(second)

    said = {row[0]["url"]: row[0] for row in before[0]}  # type: ignore[index]
    assert len(said) == 8
    assert said["https://b.example/zone"]["published_at"] == "2026-03-04T05:15:00+00:00"
    assert said["https://rome.example/ruled"]["title"] == "The rule's title"
    assert said["https://a.example/feed-alone"]["witnesses"].keys() >= {"title", "published_at"}
    assert after == before
