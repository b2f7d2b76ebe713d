-- name: articles
select
    count(*)::int as articles,
    (count(*) filter (where duplicate_of is not null))::int as duplicates,
    max(created_at) as newest_at
from rasid.articles;

-- name: outcomes
select outcome, coalesce(reason, ''), count(*)::int
from rasid.raw_pages group by 1, 2 order by 1, 3 desc, 2;

-- name: dead_letters
select reason, count(*)::int from rasid.dead_letters group by 1 order by 2 desc, 1;

-- name: links
select state, coalesce(reason, ''), count(*)::int
from rasid.links group by 1, 2 order by 1, 3 desc, 2;

-- name: feeds
select source, url, errors_count, coalesce(nullif(last_error, ''), last_outcome, ''), last_fetched_at
from rasid.feeds where enabled order by errors_count desc, source, url;

-- name: change_feed
select
    r.first_cursor, r.last_position, r.last_published_at, w.unpublished, w.oldest_unpublished_at
from media.change_feed_range as r
cross join (
    select count(*)::int as unpublished, min(occurred_at) as oldest_unpublished_at
    from rasid.outbox
) as w;

-- name: overflowed_feeds
-- Of the last day: an alarm ends when the feed is polled often enough.
select source, url, overflows_count, overflowed_at from rasid.feeds
where enabled and overflowed_at > now() - interval '1 day' order by source, url;

-- name: feed_problems
select problem, count(*)::int from rasid.feeds cross join jsonb_object_keys(problems) as problem
where enabled group by problem order by 2 desc, 1;

-- name: silent_feeds
-- Without news for much longer than ever before.
select source, url, item_times[cardinality(item_times)]
from rasid.feeds where enabled and errors_count = 0 and silent_from < now()
order by source, url;

-- name: unreachable_robots
-- Hosts that are left alone because their robots.txt has not been answered for a day.
select origin, failed_since, coalesce(last_error, '')
from rasid.robots where failed_since < now() - interval '1 day'
order by failed_since, origin limit 20;

-- name: missed_rules
-- The rules that selected nothing on most of the newest pages of their source. Pages of more than a
-- week ago are left out, so that an alarm ends when the source has no rules any more.
with recent as (
    select s.name as source, p.rules_missed, count(*) over (partition by s.name)::int as pages
    from rasid.sources as s
    cross join lateral (
        select rules_missed from rasid.raw_pages
        where source = s.name and rules_missed is not null
            and processed_at > now() - interval '7 days'
        order by processed_at desc limit 20
    ) as p
)
select source, rule, count(*)::int as missed, pages
from recent cross join unnest(rules_missed) as rule
group by source, rule, pages
having count(*) >= 3 and count(*) * 2 >= pages
order by source, rule;

-- name: refusals
select reason, count(*)::int from rasid.import_refusals group by 1 order by 2 desc, 1;

-- name: set_aside
-- What did not become an article of its own, and why: pages, then links that were not fetched.
select
    p.outcome as what, coalesce(p.reason, '') as reason,
    coalesce(p.final_url, p.requested_url, p.origin) as where, coalesce(p.detail, '') as detail
from rasid.raw_pages as p
where p.outcome in ('rejected', 'dead_letter')
union all
select 'duplicate', 'same text as ' || first.url, copy.url, ''
from rasid.articles as copy
join rasid.articles as first on first.id = copy.duplicate_of
union all
select 'link ' || l.state, coalesce(l.reason, ''), l.url, ''
from rasid.links as l
where l.state in ('failed', 'refused')
order by 1, 2, 3;
