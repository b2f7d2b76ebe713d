-- name: links
select
    l.id, l.url, l.normalized_url, l.source, l.state, l.reason, l.http_status,
    l.attempts_count, l.first_seen_at, l.last_fetched_at, l.next_fetch_at, l.page_id,
    l.refetches_count, l.refetch_outcome, l.refetch_at,
    array(
        select f.url || ' at ' || to_char(lf.first_seen_at, 'YYYY-MM-DD HH24:MI:SS') || ' UTC'
            || coalesce(' as ' || lf.guid, '')
        from rasid.link_feeds as lf join rasid.feeds as f on f.id = lf.feed_id
        where lf.link_id = l.id order by lf.first_seen_at
    ) as listed_by
from rasid.links as l
where l.normalized_url_sha256 = any(%(keys)s)
order by l.id;

-- name: feeds
select
    source, url, kind, last_outcome, last_fetched_at, next_fetch_at, errors_count, links_count,
    problems, newest_item_at, overflows_count
from rasid.feeds where url = any(%(urls)s);

-- name: raw_pages
select
    p.id, p.requested_url, p.final_url, p.origin, p.source, p.fetched_at, p.status, p.outcome,
    p.reason, p.detail, p.article_id, p.extractor_version, p.processed_at,
    p.captured_on, octet_length(c.body) as capture_bytes, (
        select f.folder || '/' || f.name from rasid.archive_files as f
        where f.captured_on = p.captured_on and f.last_sha256 >= p.capture_sha256
            and f.first_sha256 <= p.capture_sha256 and f.dropped_at is not null
        order by f.id desc limit 1
    ) as archived_in
from rasid.raw_pages as p
left join rasid.captures as c
    on c.captured_on = p.captured_on and c.sha256 = p.capture_sha256
where p.id = any(array(
    {addresses.pages}
    union select page_id from rasid.links where normalized_url_sha256 = any(%(keys)s)
))
order by p.processed_at, p.id;

-- name: articles
select
    a.id, a.url, a.title, a.version, a.duplicate_of, d.url as duplicate_of_url, a.created_at,
    a.updated_at, length(a.text) as characters, a.withdrawn_at, a.withdrawn_reason
from rasid.articles as a
left join rasid.articles as d on d.id = a.duplicate_of
where a.normalized_url_sha256 = any(%(keys)s) or a.id = any(%(ids)s)
order by a.id;
