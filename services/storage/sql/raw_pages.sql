-- name: add
-- The first result stands: a page done twice after a crash stays what it became the first time.
-- Only a dead letter gives way, when its replay ends. Of a page that comes again on a later day the
-- body is stored on that day.
insert into rasid.raw_pages (
    id, requested_url, final_url, origin, source, feed_url, fetched_at, status, headers,
    capture_sha256, outcome, reason, detail, article_id, extractor_version, rules_missed,
    feed_title, feed_published_at, time_zone, received_at
) values (
    %(id)s, %(requested_url)s, %(final_url)s, %(origin)s, %(source)s, %(feed_url)s,
    %(fetched_at)s, %(status)s, %(headers)s, %(capture_sha256)s, %(outcome)s, %(reason)s,
    %(detail)s, %(article_id)s, %(extractor_version)s, %(rules_missed)s, %(feed_title)s,
    %(feed_published_at)s, %(time_zone)s, %(received_at)s
)
on conflict (id) do update set
    capture_sha256 = excluded.capture_sha256,
    captured_on = excluded.captured_on,
    outcome = excluded.outcome,
    reason = excluded.reason,
    detail = excluded.detail,
    article_id = excluded.article_id,
    extractor_version = excluded.extractor_version,
    rules_missed = excluded.rules_missed,
    processed_at = now()
where raw_pages.outcome = 'dead_letter';

-- name: came_again
-- Rows that `add` has locked; not where other bytes came under a page's id.
update rasid.raw_pages set captured_on = (now() at time zone 'UTC')::date
where id = any(%(ids)s) and capture_sha256 = any(%(hashes)s) and captured_on < (now() at time zone 'UTC')::date;

-- name: is_done
select from rasid.raw_pages where id = %(id)s and outcome <> 'dead_letter';

-- name: known
-- Not those whose body was lost before anyone read it: these are to be had again.
select id from rasid.raw_pages
where id = any(%(ids)s) and reason is distinct from 'body_missing';

-- name: newest
-- The pages received last under any of these addresses, file names or keys, as the worker got them,
-- without their bodies.
select
    p.requested_url, p.final_url, p.origin, p.source, p.feed_url, p.fetched_at, p.status, p.headers,
    l.title as feed_title, l.published_at as feed_published_at, p.capture_sha256, p.captured_on
from rasid.raw_pages as p
left join lateral (
    select title, published_at from rasid.links where page_id = p.id order by id limit 1
) as l on true
where p.id = any(array(
    {addresses.pages}
    union select page_id from rasid.links where normalized_url_sha256 = any(%(keys)s)
))
order by p.processed_at desc, p.id
limit 10;
