-- name: find
select id, url, title, version, withdrawn_at, withdrawn_reason from rasid.articles
where id = any(%(ids)s) or normalized_url_sha256 = any(%(keys)s)
order by id;

-- name: of_links
-- The articles that these links' pages became; the newest page may have been none.
select p.article_id from rasid.links as l
join rasid.raw_pages as p on p.id = l.page_id
where l.id = any(%(link_ids)s) and p.article_id is not null
union
select a.id from rasid.links as l
join rasid.articles as a on a.normalized_url_sha256 = l.normalized_url_sha256
where l.id = any(%(link_ids)s) and l.page_id is not null;

-- name: withdraw
-- Locked in the order of all writers. What is withdrawn already keeps its time and reason.
with locked as (
    select id from rasid.articles
    where id = any(%(ids)s) and withdrawn_at is null
    order by normalized_url_sha256
    for no key update
)
update rasid.articles as a set withdrawn_at = now(), withdrawn_reason = %(reason)s
from locked where a.id = locked.id
returning a.id, a.version;

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
