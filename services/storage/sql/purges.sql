-- name: hold
select rasid.hold_purges();

-- name: among
select normalized_url_sha256 from rasid.purged where normalized_url_sha256 = any(%(keys)s);

-- name: articles
select id, normalized_url_sha256 as key, url, title, version, text_sha256 from rasid.articles
where id = any(%(ids)s) or normalized_url_sha256 = any(%(keys)s)
order by id;

-- name: copies
-- Other articles with the very same text.
select id, normalized_url_sha256 as key, url, title, version, text_sha256 from rasid.articles
where text_sha256 = any(%(texts)s) and id <> all(%(ids)s)
order by id;

-- name: links
select url, final_url from rasid.links where normalized_url_sha256 = any(%(keys)s);

-- name: pages
-- Found by one index each, then by id: joined by `or` they are a scan of all pages.
select id, requested_url, final_url, article_id, capture_sha256, captured_on from rasid.raw_pages
where id = any(array(
    select id from rasid.raw_pages where article_id = any(%(ids)s)
    union select page_id from rasid.links where normalized_url_sha256 = any(%(keys)s)
    union select id from rasid.raw_pages where requested_url = any(%(urls)s)
    union select id from rasid.raw_pages where final_url = any(%(urls)s)
))
order by id;

-- name: count
select
    (select count(*) from rasid.article_versions where article_id = any(%(ids)s)) as versions,
    (select count(*) from rasid.dead_letters where page_id = any(%(pages)s)) as dead_letters,
    (select count(*) from rasid.links where normalized_url_sha256 = any(%(keys)s)) as links,
    (
        select count(distinct quotation_id) from rasid.quotation_articles
        where article_id = any(%(ids)s)
    ) as quotations,
    (select count(*) from rasid.watch_matches where article_id = any(%(ids)s)) as watch_matches,
    (
        select count(*) from rasid.story_articles as mine
        join rasid.stories as s on s.id = mine.story_id and s.articles_count > 1
        where mine.article_id = any(%(ids)s)
    ) as stories,
    (select count(*) from rasid.changes where article_id = any(%(ids)s)) as changes;

-- name: forbid
select rasid.forbid(%(keys)s, %(reason)s);

-- name: purge
select rasid.purge(%(ids)s, %(pages)s, %(keys)s, %(reason)s);

-- name: lift
select rasid.lift_purge(%(keys)s);
