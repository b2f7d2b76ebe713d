-- name: find
select id, url, title, version, withdrawn_at, withdrawn_reason from rasid.articles
where id = any(%(ids)s) or normalized_url_sha256 = any(%(keys)s)
order by id;

-- name: hold_pages
-- Who saves a page holds it until the end of its transaction, shared; who finds that its link is gone
-- does so alone. One of the two so sees what the other has done.
-- Returns those that have no result yet.
with held as materialized (
    select id, pg_advisory_xact_lock_shared(hashtextextended(id, 0))
    from (select unnest(%(ids)s::text[]) as id order by 1) as sorted
)
select id from held
where not exists (
    select from rasid.raw_pages as p where p.id = held.id and p.outcome <> 'dead_letter'
);

-- name: wait_for_pages
select pg_advisory_xact_lock(hashtextextended(page_id, 0)) from (
    select l.page_id from rasid.links as l
    where l.id = any(%(link_ids)s) and l.page_id is not null
        and not exists (
            select from rasid.raw_pages as p where p.id = l.page_id and p.article_id is not null
        )
    order by l.page_id
) as sorted;

-- name: of_pages
select rasid.withdraw_of_pages(%(ids)s);

-- name: withdraw
-- What is withdrawn already keeps its time, and its reason, but for one that a person gives.
select article_id from rasid.withdraw_articles(%(ids)s, %(reason)s, %(replaced)s);

-- name: of_links
select rasid.withdraw_of_links(%(link_ids)s, %(reasons)s);

-- name: restore
with locked as (
    select id from rasid.articles
    where id = any(%(ids)s) and withdrawn_at is not null
    order by normalized_url_sha256
    for no key update
)
update rasid.articles as a set withdrawn_at = null, withdrawn_reason = null
from locked where a.id = locked.id
returning a.id, a.version;

-- name: represent_stories
select rasid.represent_stories(%(ids)s);
