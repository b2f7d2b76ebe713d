-- Backfills and lists of addresses: what they asked for, and how much of it is left.

-- name: lock
-- Two that begin the same job at the same time begin one.
select pg_advisory_xact_lock(hashtextextended('rasid.jobs ' || %(kind)s || %(input)s, 0))

-- name: open
select * from rasid.jobs where kind = %(kind)s and input = %(input)s and ended_at is null

-- name: begin
insert into rasid.jobs (kind, input, source, since, until, is_dry_run)
values (%(kind)s, %(input)s, %(source)s, %(since)s, %(until)s, %(is_dry_run)s)
returning *

-- name: add_known_roots
-- The sitemaps that are polled, and those that were read for earlier backfills.
update rasid.feeds
set job_id = %(job_id)s, walk_at = now(), walk_attempts_count = 0
where source = %(source)s and kind = 'sitemap' and parent_id is null

-- name: save_host
insert into rasid.hosts (name) values (%(host)s) on conflict (name) do nothing

-- name: add_root
-- Not polled, only walked; one that is polled stays as it is.
insert into rasid.feeds (source, url, host, kind, enabled, job_id, walk_at)
select %(source)s, %(url)s, %(host)s, %(kind)s, false, %(job_id)s, now()
on conflict (url) do update set
    job_id = excluded.job_id, walk_at = excluded.walk_at, walk_attempts_count = 0
where feeds.source = excluded.source
    and feeds.job_id is distinct from excluded.job_id
    and feeds.walked_job_id is distinct from excluded.job_id

-- name: add_child
insert into rasid.feeds (
    source, url, host, kind, parent_id, depth, poll_every_s, modified_at, enabled,
    next_fetch_at, job_id, walk_at
)
-- What is polled with the rest reads it by itself; the others are only walked.
select
    source, %(url)s, %(host)s, 'sitemap', id, depth + 1, poll_every_s, %(modified_at)s, enabled,
    'infinity', %(job_id)s, now()
from rasid.feeds where id = %(parent_id)s
on conflict (url) do update set
    job_id = excluded.job_id, walk_at = excluded.walk_at, walk_attempts_count = 0
where feeds.source = excluded.source
    and feeds.job_id is distinct from excluded.job_id
    and feeds.walked_job_id is distinct from excluded.job_id

-- name: take_walks
-- A sitemap handed out is due again after the lease, should its crawler be killed.
with due as (
    select f.id from rasid.feeds f
    where f.job_id is not null and f.host = any(%(hosts)s) and f.walk_at <= now()
        and f.source = any(%(sources)s)
    order by f.walk_at, f.id
    limit %(count)s
    for update skip locked
),
taken as (
    update rasid.feeds f
    set walk_at = now() + make_interval(secs => %(lease_s)s),
        walk_attempts_count = f.walk_attempts_count + 1
    from due where f.id = due.id
    returning f.*
)
select
    t.id, t.url, t.host, t.kind, t.source, now() as taken_at, t.poll_every_s, null as etag,
    null as last_modified, t.walk_attempts_count - 1 as errors_count, t.depth, t.job_id, j.since,
    j.until, j.is_dry_run
from taken t join rasid.jobs j on j.id = t.job_id
order by t.depth, t.id

-- name: give_back
-- Taken, but not asked for.
update rasid.feeds set
    walk_at = now() + make_interval(secs => %(again_s)s),
    walk_attempts_count = greatest(walk_attempts_count - 1, 0)
where id = any(%(ids)s) and job_id is not null

-- name: walk_later
update rasid.feeds set walk_at = now() + make_interval(secs => %(wait_s)s)
where id = %(feed_id)s and job_id = %(job_id)s

-- name: walked
with feed as (
    update rasid.feeds
    set job_id = null, walk_at = null, walked_job_id = %(job_id)s
    where id = %(feed_id)s and job_id = %(job_id)s
    returning id
)
update rasid.jobs set
    listed_count = listed_count + %(listed)s,
    undated_count = undated_count + %(undated)s,
    new_count = new_count + %(new)s,
    sitemaps_count = sitemaps_count + (not %(failed)s)::int,
    sitemaps_failed_count = sitemaps_failed_count + %(failed)s::int
where id = %(job_id)s and exists (select from feed)

-- name: save_hosts
insert into rasid.hosts (name)
select distinct unnest(%(hosts)s::text[]) as name order by name
on conflict (name) do nothing

-- name: add
-- In key order, so that two crawlers never wait for each other in a circle. Of links that are known
-- a backfill takes those that were too old for their feed; who asks for addresses gets all of
-- them: those without page are tried again, those with one as well if that is asked.
insert into rasid.links (
    normalized_url_sha256, normalized_url, url, host, source, feed_id, job_id,
    title, published_at, modified_at
)
select
    new.key_sha256, new.key, new.url, new.host, nullif(new.source, ''), %(feed_id)s, %(job_id)s,
    new.title, new.published_at, new.modified_at
from unnest(
    %(key_sha256s)s::bytea[], %(keys)s::text[], %(urls)s::text[], %(hosts)s::text[],
    %(link_sources)s::text[], %(titles)s::text[], %(published)s::timestamptz[],
    %(modified)s::timestamptz[]
) as new (key_sha256, key, url, host, source, title, published_at, modified_at)
order by new.key_sha256
on conflict (normalized_url_sha256) do update set
    job_id = excluded.job_id,
    state = case
        when links.state = 'refused' or links.state = 'failed'
            or (links.state = 'fetched' and %(again)s) then 'due'
        else links.state
    end,
    reason = case
        when links.state in ('due', 'fetching') or (links.state = 'fetched' and not %(again)s)
            then links.reason
    end,
    attempts_count = case
        when links.state = 'refused' or links.state = 'failed'
            or (links.state = 'fetched' and %(again)s) then 0
        else links.attempts_count
    end,
    next_fetch_at = case
        when links.state = 'fetching' then links.next_fetch_at else now()
    end
where (links.state = 'refused' and links.reason = 'too_old')
    or (%(takes_known)s and links.job_id is distinct from excluded.job_id)
returning state

-- name: count_new
-- What `add` would make due of these for a backfill.
select count(*)::int from unnest(%(key_sha256s)s::bytea[]) as new (key_sha256)
left join rasid.links l on l.normalized_url_sha256 = new.key_sha256
where l.id is null or (l.state = 'refused' and l.reason = 'too_old')

-- name: link_feeds
insert into rasid.link_feeds (link_id, feed_id, guid)
select l.id, %(feed_id)s, null from rasid.links l
where l.normalized_url_sha256 = any(%(key_sha256s)s)
order by l.id
on conflict (link_id, feed_id) do nothing

-- name: advance
update rasid.jobs set
    position = %(position)s,
    listed_count = listed_count + %(listed)s,
    new_count = new_count + %(new)s,
    invalid_count = invalid_count + %(invalid)s
where id = %(job_id)s

-- name: take_links
-- In the order in which they were listed.
with due as (
    select picked.id
    from unnest(%(hosts)s::text[]) as host (name)
    cross join lateral (
        select l.id from rasid.links l
        where l.host = host.name and l.state = 'due' and l.job_id is not null
            and l.next_fetch_at <= now() and coalesce(l.source, '') = any(%(sources)s)
        order by l.next_fetch_at, l.id
        limit %(per_host)s
        for update skip locked
    ) as picked
),
taken as (
    update rasid.links l
    set state = 'fetching', attempts_count = l.attempts_count + 1
    from due where l.id = due.id
    returning l.*
)
select
    t.id, t.url, t.host, coalesce(t.source, '') as source, now() as taken_at, f.url as feed_url,
    t.title, t.published_at, t.attempts_count, t.job_id
from taken t
left join rasid.feeds f on f.id = t.feed_id
order by t.next_fetch_at, t.id

-- name: progress
select
    j.sitemaps_count, j.sitemaps_failed_count, j.listed_count, j.undated_count, j.new_count,
    j.invalid_count,
    (select count(*)::int from rasid.feeds f where f.job_id = j.id) as sitemaps_left,
    (select count(*) from rasid.links l where l.job_id = j.id) as links_count,
    (
        select count(*) from rasid.links l where l.job_id = j.id and l.state = 'fetched'
    ) as fetched_count,
    (
        select count(*) from rasid.links l
        where l.job_id = j.id and l.state in ('due', 'fetching')
    ) as left_count,
    (
        select min(greatest(h.blocked_until, now())) from rasid.hosts h
        where h.blocked_until > now() and (
            exists (select from rasid.feeds f where f.job_id = j.id and f.host = h.name)
            or exists (
                select from rasid.links l
                where l.host = h.name and l.state = 'due' and l.job_id is not null
                    and l.job_id = j.id
            )
        )
    ) as blocked_until
from rasid.jobs j where j.id = %(job_id)s

-- name: end
update rasid.jobs set ended_at = now() where id = %(job_id)s and ended_at is null

-- name: reasons
select state, coalesce(reason, ''), count(*)::int from rasid.links where job_id = %(job_id)s
group by 1, 2 order by 1, 3 desc, 2

-- name: sources_of
select distinct source from rasid.links where job_id = %(job_id)s and source is not null

-- name: outcomes
-- Each address of a list, in its order.
select
    l.id, l.url, l.state, l.reason, l.http_status, l.final_url, l.page_id, l.last_fetched_at,
    l.last_fetched_at < j.created_at as is_known
from rasid.links l join rasid.jobs j on j.id = l.job_id
where l.job_id = %(job_id)s and l.id > %(after)s
order by l.id limit %(limit)s
