-- name: emit
-- In the order given. Whoever calls this has locked the articles, so that the ids of the events of
-- one article are taken in the order in which its changes are committed.
insert into rasid.outbox (kind, article_id, version, story_id, detail)
select kind, article_id, version, story_id, detail
from unnest(
    %(kinds)s::text[], %(article_ids)s::bigint[], %(versions)s::integer[], %(story_ids)s::bigint[],
    %(details)s::jsonb[]
) with ordinality as event (kind, article_id, version, story_id, detail, place)
order by place;

-- name: publish
select rasid.publish_changes(%(max_events)s);
