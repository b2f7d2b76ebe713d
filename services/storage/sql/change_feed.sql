-- What a consumer may read: these queries use nothing but schema media.

-- name: is_standby
select pg_is_in_recovery();

-- name: listen
listen rasid_changes;

-- name: reach
select first_cursor, last_position from media.change_feed_range;

-- name: shared
-- A standby that lags behind has the same history: what it has not yet, it will have.
select coalesce(
    (
        select min(follows) from media.feed_timelines
        where %(after)s::bigint > follows and %(after)s::bigint <= begins_after
    ),
    case when pg_is_in_recovery() then %(after)s::bigint
        else least(%(after)s::bigint, last_position) end
)
from media.change_feed_range;

-- name: changes
select to_jsonb(c) from media.changes(%(after)s::bigint, %(count)s::integer) as c
order by c.position;

-- name: changes_with_articles
select to_jsonb(c) || jsonb_build_object('article', to_jsonb(a))
from media.changes(%(after)s::bigint, %(count)s::integer) as c
left join media.articles as a on a.id = c.article_id
order by c.position;
