-- name: find
select id, url, title, version, withdrawn_at, withdrawn_reason from rasid.articles
where id = any(%(ids)s) or normalized_url_sha256 = any(%(keys)s)
order by id;

-- name: of_links
-- The articles that these links' pages became, but those whose own address another link has found
-- alive. The newest page may have been none.
with became as (
    select l.id as link_id, p.article_id from rasid.links as l
    join rasid.raw_pages as p on p.id = l.page_id
    where l.id = any(%(link_ids)s)
    union
    select l.id, a.id from rasid.links as l
    join rasid.articles as a on a.normalized_url_sha256 = l.normalized_url_sha256
    where l.id = any(%(link_ids)s) and l.page_id is not null
)
select b.link_id, a.id
from became as b
join rasid.articles as a on a.id = b.article_id
left join rasid.links as own on own.normalized_url_sha256 = a.normalized_url_sha256
where own.id is null or own.id = any(%(link_ids)s) or own.state <> 'fetched';

-- name: lock
-- In the order of all writers.
select from rasid.articles where id = any(%(ids)s)
order by normalized_url_sha256 for no key update;

-- name: withdraw
-- Of articles that are locked. What is withdrawn already keeps its time, and its reason, but for
-- one that a person gives.
update rasid.articles as a set
    withdrawn_at = coalesce(withdrawn_at, now()), withdrawn_reason = %(reason)s
where id = any(%(ids)s)
    and (withdrawn_at is null or withdrawn_reason = any(%(replaced)s))
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

-- name: represent_stories
select rasid.represent_stories(%(ids)s);
