-- name: articles
-- Each part by an index: rows of articles are wide.
select
    (select count(*) from rasid.articles)::int as articles,
    (select count(*) from rasid.articles where duplicate_of is not null)::int as duplicates,
    (select created_at from rasid.articles order by id desc limit 1) as newest_at;

-- name: first_ids
-- For each of the last 48 hours, the running one last, and for an hour and a day ago: the first
-- article since then. Ids grow with time, so it is found by halving: no index knows created_at.
with recursive times (at, part) as (
    select date_trunc('hour', now()) - make_interval(hours => back), 'hour'
    from generate_series(0, 47) as back
    union all select now() - interval '1 hour', 'last_hour'
    union all select now() - interval '24 hours', 'last_day'
),
halved (at, part, low, high) as (
    select at, part, coalesce(first.id, 1), coalesce(last.id, 0) + 1
    from times
    left join lateral (select id from rasid.articles order by id limit 1) as first on true
    left join lateral (select id from rasid.articles order by id desc limit 1) as last on true
    union all
    select
        h.at, h.part,
        case when probe.created_at < h.at then probe.id + 1 else h.low end,
        case when probe.created_at < h.at then h.high else h.low + (h.high - h.low) / 2 end
    from halved as h
    left join lateral (
        select id, created_at from rasid.articles
        where id >= h.low + (h.high - h.low) / 2 and id < h.high order by id limit 1
    ) as probe on true
    where h.low < h.high
)
select at, part, low as first_id from halved where low >= high order by at, part;

-- name: articles_since
-- How many articles have ids from each of these on, up to the next one.
select width_bucket(id, %(first_ids)s::bigint[]) - 1, count(*)::int
from rasid.articles where id >= (%(first_ids)s::bigint[])[1] group by 1;

-- name: sources
-- Each source with its newest article, its articles since an id, and what its feeds are like.
select
    s.name, s.title, s.enabled, newest.created_at as newest_at, recent.articles as last_day,
    count(f.id)::int as feeds,
    (count(f.id) filter (where f.errors_count > 0))::int as failing,
    (count(f.id) filter (where f.errors_count = 0 and f.silent_from < now()))::int as silent,
    (count(f.id) filter (where f.overflowed_at > now() - interval '1 day'))::int as overflowed
from rasid.sources as s
left join lateral (
    select created_at from rasid.articles where source = s.name order by id desc limit 1
) as newest on true
cross join lateral (
    select count(*)::int as articles from rasid.articles
    where source = s.name and id >= %(since_id)s
) as recent
left join rasid.feeds as f on f.source = s.name and f.enabled
group by s.name, newest.created_at, recent.articles
order by s.name;

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
