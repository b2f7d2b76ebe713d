-- What a consumer may read: these queries use nothing but schema media.

-- name: is_standby
select pg_is_in_recovery();

-- name: listen
listen rasid_changes;

-- name: reach
select first_cursor, last_position from media.change_feed_range;

-- name: changes
select to_jsonb(c) from media.changes(%(after)s::bigint, %(count)s::integer) as c
order by c.position;

-- name: changes_with_articles
select to_jsonb(c) || jsonb_build_object('article', to_jsonb(a))
from media.changes(%(after)s::bigint, %(count)s::integer) as c
left join media.articles as a on a.id = c.article_id
order by c.position;
