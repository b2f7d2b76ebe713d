-- name: find
select id, url, title, version, withdrawn_at, withdrawn_reason from rasid.articles
where id = any(%(ids)s) or normalized_url_sha256 = any(%(keys)s)
order by id;

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
