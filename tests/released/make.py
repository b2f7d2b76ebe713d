"""Write down a small database of the newest schema: `python -m tests.released.make`.

Run once for each release, before the next migration is written. The file holds data of every table,
and is never changed: `test_migrate.py` brings it to the schema of its day.
"""

import re
import subprocess
from datetime import timedelta
from pathlib import Path

from services.local import binaries, start
from services.shared.contracts import Comment, DeadLetter, Rejection
from services.storage import migrate, open_connection, results
from tests.factories import article, at, page, processed, stored

HERE = Path(__file__).parent
#: What SQL alone says best: what crawlers and importers leave behind.
CRAWLED = """
    insert into rasid.sources (name, title, home_page_url, country, language, time_zone)
    values ('herald', 'The Herald', 'https://herald.example/', 'jo', 'ar', 'Asia/Amman');
    insert into rasid.feeds (source, url, host, kind, poll_every_s, etag, last_status, links_count)
    values
        ('herald', 'https://herald.example/rss', 'herald.example', 'feed', 900, '"a"', 200, 2),
        ('herald', 'https://herald.example/map', 'herald.example', 'sitemap', 900, null, 500, 0);
    insert into rasid.hosts (name, blocked_until, blocks_count)
    values ('herald.example', '2026-01-02 03:00+00', 1);
    insert into rasid.links (
        normalized_url_sha256, normalized_url, url, host, source, feed_id, title, published_at,
        state, reason, http_status, page_id, last_fetched_at
    ) values
        ('\\x01', 'herald.example/1', 'https://herald.example/1', 'herald.example', 'herald', 1,
         'الأول', '2026-01-01 10:00+00', 'fetched', null, 200, 'p1', '2026-01-02 01:00+00'),
        ('\\x02', 'herald.example/2', 'https://herald.example/2', 'herald.example', 'herald', 1,
         null, null, 'due', null, null, null, null);
    insert into rasid.link_feeds (link_id, feed_id) values (1, 1), (1, 2), (2, 1);
    insert into rasid.imports (path, size_bytes, modified_ns, position, pages_count, finished_at)
    values ('pages.warc.gz', 1000, 5, 1000, 3, '2026-01-02 03:00+00');
    insert into rasid.import_refusals (origin, reason, detail)
    values ('photo.png', 'unsupported_type', 'an image');
    insert into rasid.robots (origin, status, body, fetched_at)
    values ('https://herald.example', 200, 'User-agent: *', '2026-01-02 01:00+00');
    insert into rasid.jobs (kind, input, source, since)
    values ('backfill', 'a', 'herald', '2026-01-01');
"""
#: What workers find out after an article is stored.
FOUND = """
    select rasid.add_watch('corrections', 'تصحيحه', null, null);
    select rasid.match_watches((select array_agg(id) from rasid.articles));
    select rasid.link_article(2, 1, array[1]::bigint[], false);
    insert into rasid.bands (article_id, band_1, band_8) values (2, 5, 7);
    insert into rasid.passages (hash, article_id) values (5, 1);
    insert into rasid.article_overlaps
        (article_id, other_article_id, relation, containment, jaccard, coverage)
    values (1, 2, 'overlap', 1, 1, 1);
    insert into rasid.quotations default values;
    insert into rasid.quotation_articles
    values (1, 1, 1, 0, 5), (1, (select max(id) from rasid.articles), 1, 0, 5);
    insert into rasid.worse_copies (article_id, sha256, first_observed_at)
    values (2, '\\x05', '2026-01-03 03:00+00');
    select rasid.publish_changes();
    select rasid.add_watch('later', 'خبر', null, null);
"""
#: What operators have done.
DONE = """
    insert into rasid.purged (normalized_url_sha256, reason, article_id)
    values ('\\x09', 'asked', 99);
    insert into rasid.archive_files (
        captured_on, folder, name, first_sha256, last_sha256, captures_count, pages_count,
        revisits_count, left_count, size_bytes, file_sha256, index_sha256, dropped_at
    ) values ('2026-01-01', '/archive', 'rasid-2026-01-01-00001.warc.gz', '\\x01', '\\x09', 2, 3, 1,
        0, 1000, '\\x03', '\\x04', '2026-01-09 03:00+00');
    insert into rasid.replays (choice, extractor_version, pages_count, bytes)
    values ('{}', 1, 2, 100);
    insert into rasid.replay_pages (replay_id, position, page_id, outcome_before, outcome, done_at)
    values (1, 1, 'p1', 'rejected', 'created', '2026-01-09 03:00+00'),
        (1, 2, 'p2', 'created', null, null);
"""
FIRST, OTHER = "https://herald.example/1", "https://gazette.example/copy"
COMMENT = Comment(text="أحسنت", author="قارئ", age="3 hours ago")


def fill(database_url: str) -> None:
    """Store articles with copies, versions, rejections and dead letters; one chunk each."""
    with open_connection(database_url) as connection:
        connection.execute(CRAWLED.encode())
        refused = page("<p>404</p>", requested_url="https://herald.example/gone", source="herald")
        broken = page("<p>\\0</p>", requested_url="https://herald.example/broken")
        for chunk in (
            [
                stored(
                    FIRST,
                    "نص الخبر الأول كما نُشر",
                    title="الأول",
                    authors=("كاتب",),
                    language="ar",
                    published_at=at(0),
                    published_at_precision="minute",
                    tags=("سياسة",),
                    labels=("opinion",),
                    comments=(COMMENT,),
                    witnesses={"title": "json_ld", "published_at": "meta"},
                ),
                stored(OTHER, "نص الخبر الأول كما نُشر", hour=2),
            ],
            [stored(FIRST, "نص الخبر الأول بعد تصحيحه", hour=3, title="الأول (محدث)")],
            [stored(FIRST, "نص الخبر الأول كما نُشر", hour=1)],
            [stored("urn:sha256:00", "A document without an address", hour=4)],
            [processed(refused, Rejection(reason="soft_404", detail="says so"))],
            [processed(broken, DeadLetter(reason="error", detail="ValueError", traceback="..."))],
            [
                processed(
                    page(fetched_at=at(5) + timedelta(minutes=1)), article(OTHER + "2", "Three")
                )
            ],
        ):
            results.save(connection, chunk, 1)
        connection.execute(FOUND.encode())
        connection.execute(DONE.encode())
        # One that nobody has published yet.
        results.save(connection, [stored(FIRST, "نص ثالث للخبر الأول", hour=6)], 1)


def dump(database_url: str) -> str:
    """Return the data of schema rasid as statements that psycopg can run."""
    program = binaries.postgres_bin() / "pg_dump"
    made = subprocess.run(
        [
            *(program, "--data-only", "--column-inserts", "--load-via-partition-root"),
            *("--schema=rasid", database_url),
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    kept = re.findall(r"^(?:INSERT INTO|SELECT pg_catalog\.setval)[\s\S]*?;$", made, re.MULTILINE)
    return "\n".join(kept) + "\n"


def main() -> None:
    """Write the file of the newest schema; one that is there stays."""
    path = HERE / f"{migrate.latest():04}.sql"
    if path.exists():
        raise SystemExit(f"{path.name} is there already, and a release does not change")
    with start(None, durable=False) as stack:
        migrate.migrate(stack.database_url)
        fill(stack.database_url)
        path.write_text(dump(stack.database_url), "utf-8")
    print(f"written: tests/released/{path.name}")


if __name__ == "__main__":
    main()
