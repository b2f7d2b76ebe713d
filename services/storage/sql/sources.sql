-- Outlets, the feeds they list links in, and the hosts both are on.

-- name: save_source
insert into rasid.sources (name, title, home_page_url, country, language, time_zone, enabled)
values (
    %(name)s, %(title)s, %(home_page)s, %(country)s, %(language)s, %(time_zone)s, %(enabled)s
)
on conflict (name) do update set
    title = excluded.title,
    home_page_url = excluded.home_page_url,
    country = excluded.country,
    language = excluded.language,
    time_zone = excluded.time_zone,
    enabled = excluded.enabled,
    updated_at = now()
where (sources.title, sources.home_page_url, sources.country, sources.language,
       sources.time_zone, sources.enabled)
    is distinct from
    (excluded.title, excluded.home_page_url, excluded.country, excluded.language,
     excluded.time_zone, excluded.enabled)

-- name: names
select name from rasid.sources order by name

-- name: save_feed
-- What the file says of a feed; its schedule and validators stay.
insert into rasid.feeds (source, url, host, kind, poll_every_s)
values (%(source)s, %(url)s, %(host)s, %(kind)s, %(poll_every_s)s)
on conflict (url) do update set
    source = excluded.source,
    kind = excluded.kind,
    poll_every_s = excluded.poll_every_s,
    enabled = true,
    next_fetch_at = least(
        feeds.next_fetch_at, now() + make_interval(secs => coalesce(excluded.poll_every_s, 900))
    )
where (feeds.source, feeds.kind, feeds.poll_every_s, feeds.enabled)
    is distinct from (excluded.source, excluded.kind, excluded.poll_every_s, true)

-- name: disable_other_feeds
update rasid.feeds set enabled = false
where source = %(source)s and parent_id is null and enabled and not (url = any(%(urls)s))

-- name: left_over
-- Sources that are crawled as far as the store knows, beside these.
select s.name from rasid.sources s
where s.enabled and not (s.name = any(%(sources)s)) and exists (
    select from rasid.feeds f where f.source = s.name and f.parent_id is null and f.job_id is null
)
order by s.name

-- name: retire
-- All that was had from them stays; alarms about their feeds end.
with retired as (
    update rasid.sources set enabled = false, updated_at = now()
    where name = any(%(sources)s) and enabled
)
update rasid.feeds set enabled = false where source = any(%(sources)s) and enabled

-- name: save_host
insert into rasid.hosts (name) values (%(host)s) on conflict (name) do nothing

-- name: make_due
update rasid.feeds set next_fetch_at = now()
where source = any(%(sources)s) and enabled and parent_id is null and next_fetch_at > now()

-- name: take_feeds
-- A feed handed out is due again after the lease, should its crawler be killed.
with due as (
    select id, next_fetch_at from rasid.feeds
    where host = any(%(hosts)s) and source = any(%(sources)s)
        and kind = any(%(kinds)s) and enabled and next_fetch_at <= now()
    for update skip locked
),
taken as (
    update rasid.feeds f
    set next_fetch_at = now() + make_interval(secs => %(lease_s)s)
    from due where f.id = due.id
    returning f.*, due.next_fetch_at as was_due_at
)
select
    id, url, host, kind, source, now() as taken_at, poll_every_s, etag, last_modified, errors_count,
    depth, item_times, listed_at, full_at, most_wait_s, ttl_s, every_s, distrusted_until,
    hole_since as since
from taken order by was_due_at, id

-- name: give_back
-- Taken, but not asked for: due as before.
update rasid.feeds set next_fetch_at = now() + make_interval(secs => %(again_s)s)
where id = any(%(ids)s)

-- name: now
select now()

-- name: polled
-- The index decides when a sitemap it lists is read again.
update rasid.feeds set
    next_fetch_at = case
        when parent_id is not null and not %(failed)s then 'infinity'
        else now() + make_interval(secs => %(wait_s)s)
    end,
    last_fetched_at = now(),
    last_status = %(status)s,
    last_outcome = %(outcome)s,
    last_error = %(detail)s,
    errors_count = case when %(failed)s then errors_count + 1 else 0 end,
    links_count = coalesce(%(links_count)s, links_count),
    problems = coalesce(%(problems)s, problems),
    newest_item_at = coalesce(%(newest_item_at)s, newest_item_at),
    item_times = coalesce(%(item_times)s, item_times),
    listed_at = case when %(failed)s then listed_at else now() end,
    full_at = case when %(outcome)s = 'listed' then now() else full_at end,
    most_wait_s = case when %(failed)s then most_wait_s else %(most_wait_s)s end,
    ttl_s = case when %(outcome)s = 'listed' then %(ttl_s)s else ttl_s end,
    every_s = case when %(outcome)s = 'listed' then %(every_s)s else every_s end,
    distrusted_until = coalesce(now() + make_interval(secs => %(distrust_s)s), distrusted_until),
    silent_from = case when %(failed)s then silent_from else %(silent_from)s end,
    overflows_count = overflows_count + %(overflowed)s::int,
    overflowed_at = case when %(overflowed)s then now() else overflowed_at end,
    -- A server that answers 304 may leave its validators out: they stay.
    etag = case when %(outcome)s = 'listed' then %(etag)s else etag end,
    last_modified = case when %(outcome)s = 'listed' then %(last_modified)s else last_modified end
where id = %(feed_id)s

-- name: save_child
-- A sitemap that an index lists: due when it is new, or said to be newer than what we read.
-- One whose date the index does not tell is due once a day.
insert into rasid.feeds (
    source, url, host, kind, parent_id, depth, poll_every_s, modified_at, hole_since
)
select source, %(url)s, %(host)s, kind, id, depth + 1, poll_every_s, %(modified_at)s, hole_since
from rasid.feeds where id = %(parent_id)s
on conflict (url) do update set
    modified_at = excluded.modified_at,
    hole_since = excluded.hole_since,
    enabled = true,
    next_fetch_at = case
        when feeds.parent_id is null then feeds.next_fetch_at
        when feeds.last_fetched_at is null then now()
        when coalesce(excluded.modified_at, now() - interval '1 day') > feeds.last_fetched_at
            then now()
        else feeds.next_fetch_at
    end
returning parent_id is not null and next_fetch_at <= now()

-- name: fill_hole
-- Sitemaps list what a feed has overflowed with. One that was just read is not read again.
update rasid.feeds set next_fetch_at = now()
where source = (select source from rasid.feeds where id = %(feed_id)s)
    and kind = 'sitemap' and parent_id is null and enabled and next_fetch_at > now()
    and (last_fetched_at is null or last_fetched_at < now() - interval '5 minutes')

-- name: fill_hole_from
-- The same, where robots.txt is the one to name a sitemap. What is polled anyway stays as it is.
insert into rasid.feeds (source, url, host, kind, parent_id, depth, hole_since)
select source, %(url)s, %(host)s, 'sitemap', id, 1, coalesce(listed_at, now() - interval '1 day')
from rasid.feeds where id = %(feed_id)s
on conflict (url) do update set
    parent_id = excluded.parent_id,
    hole_since = excluded.hole_since,
    enabled = true,
    next_fetch_at = now()
where (feeds.hole_since is not null or not feeds.enabled)
    and (feeds.last_fetched_at is null or feeds.last_fetched_at < now() - interval '5 minutes')

-- name: counts
select last_outcome, count(*) from rasid.feeds where source = any(%(sources)s) and enabled
group by last_outcome

-- name: feeds_of
select
    f.url, f.kind, f.enabled, f.last_outcome, f.last_status, f.last_error, f.last_fetched_at,
    f.next_fetch_at, f.errors_count, f.links_count, f.newest_item_at, f.problems,
    f.overflows_count, f.overflowed_at,
    (select count(*)::int from rasid.feeds child where child.parent_id = f.id) as sitemaps_count
from rasid.feeds f
where f.source = %(source)s and f.parent_id is null
order by f.enabled desc, f.url
