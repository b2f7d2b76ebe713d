-- The frontier: links are stored before they are fetched, and each ends in a state with a reason.

-- name: save_hosts
insert into rasid.hosts (name)
select distinct unnest(%(hosts)s::text[]) as name order by name
on conflict (name) do nothing

-- name: add
-- Links a feed lists, in key order so that two crawlers never wait for each other in a circle.
-- Those too old are kept, but not fetched. Returns the new ones.
insert into rasid.links (
    normalized_url_sha256, normalized_url, url, host, source, feed_id,
    title, published_at, modified_at, state, reason
)
select
    new.key_sha256, new.key, new.url, new.host, f.source, f.id,
    new.title, new.published_at, new.modified_at,
    case when new.too_old then 'refused' else 'due' end,
    case when new.too_old then 'too_old' end
from unnest(
    %(key_sha256s)s::bytea[], %(keys)s::text[], %(urls)s::text[], %(hosts)s::text[],
    %(titles)s::text[], %(published)s::timestamptz[], %(modified)s::timestamptz[],
    %(too_old)s::boolean[]
) as new (key_sha256, key, url, host, title, published_at, modified_at, too_old)
cross join rasid.feeds f
where f.id = %(feed_id)s
order by new.key_sha256
on conflict (normalized_url_sha256) do nothing
returning state

-- name: listed_by
-- All of it sees the table as it was before.
with listed as (
    select l.id, entry.guid, entry.key_sha256
    from unnest(%(key_sha256s)s::bytea[], %(guids)s::text[]) as entry (key_sha256, guid)
    join rasid.links l on l.normalized_url_sha256 = entry.key_sha256
),
known as (
    select listed.id, lf.guid <> listed.guid as is_changed
    from listed join rasid.link_feeds lf on lf.link_id = listed.id and lf.feed_id = %(feed_id)s
),
saved as (
    insert into rasid.link_feeds (link_id, feed_id, guid)
    select id, %(feed_id)s, guid from listed order by id
    on conflict (link_id, feed_id) do update set guid = excluded.guid
    where link_feeds.guid is distinct from excluded.guid and excluded.guid is not null
)
select
    (select count(*)::int from known) as listed_before,
    array(
        select key_sha256 from listed where id not in (select id from known)
    ) as new_keys,
    (select count(*)::int from known where is_changed) as changed_guids,
    (
        select count(*)::int from listed
        where guid is not null and id not in (select id from known) and exists (
            select from rasid.link_feeds lf
            where lf.feed_id = %(feed_id)s and lf.guid = listed.guid
                and hashtextextended(lf.guid, 0) = hashtextextended(listed.guid, 0)
        )
    ) as reused_guids,
    coalesce((select links_count > 0 from rasid.feeds where id = %(feed_id)s), false) as has_history

-- name: free_abandoned
-- Links whose crawler is gone: due again, unless each try so far killed its crawler.
update rasid.links set
    state = case when attempts_count >= %(max_attempts)s then 'failed' else 'due' end,
    reason = 'crawler_died'
where host = any(%(hosts)s) and state = 'fetching'
returning state

-- name: take
-- What was listed first comes first, and of one listing the newest. What a job asks for is not here.
with due as (
    select picked.id
    from unnest(%(hosts)s::text[]) as host (name)
    cross join lateral (
        select l.id from rasid.links l
        where l.host = host.name and l.state = 'due' and l.job_id is null
            and l.next_fetch_at <= now() and l.source = any(%(sources)s)
        order by l.next_fetch_at, l.published_at desc nulls last, l.id
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
    t.title, t.published_at, t.attempts_count
from taken t
left join rasid.feeds f on f.id = t.feed_id
order by t.next_fetch_at, t.published_at desc nulls last, t.id

-- name: take_again
-- Young articles, to see whether they changed: hidden for the time of a lease. What was no article
-- is left alone for good, unless a page of the way was in its place.
with due as (
    select picked.id
    from unnest(%(hosts)s::text[]) as host (name)
    cross join lateral (
        select l.id from rasid.links l
        where l.host = host.name and l.refetch_at <= now() and l.state = 'fetched'
            and l.source = any(%(sources)s)
        order by l.refetch_at
        limit %(per_host)s
        for update skip locked
    ) as picked
),
taken as (
    update rasid.links l
    set refetch_at = case
        when exists (
            select from rasid.raw_pages p
            where p.id = l.page_id and p.outcome = 'rejected'
                and p.reason not in ('block_page', 'consent_page')
        ) then null
        else now() + make_interval(secs => %(lease_s)s)
    end
    from due where l.id = due.id
    returning l.*
)
select
    t.id, t.url, t.host, coalesce(t.source, '') as source, now() as taken_at, f.url as feed_url,
    t.title, t.published_at, t.attempts_count,
    t.etag, t.last_modified, true as is_refetch, t.refetch_outcome,
    greatest(t.refetches_count - t.confirmations_count, 0) as refetches_count
from taken t
left join rasid.feeds f on f.id = t.feed_id
where t.refetch_at is not null
order by t.id

-- name: confirm_worse
-- Of copies that were worse than the stored article a day ago the page is asked for once more, whole,
-- beside its schedule; three times at most, for what is another text each day.
with asked as (
    update rasid.worse_copies w set asked_at = now()
    from (
        select article_id, sha256 from rasid.worse_copies
        where greatest(first_observed_at, asked_at) <= now() - make_interval(secs => %(after_s)s)
        order by greatest(first_observed_at, asked_at)
        limit %(count)s
        for update skip locked
    ) as old
    where w.article_id = old.article_id and w.sha256 = old.sha256
    returning w.article_id
),
mine as (
    select id from rasid.links
    where state = 'fetched' and source = any(%(sources)s) and confirmations_count < 3
        and page_id in (
            select p.id from rasid.raw_pages p join asked on asked.article_id = p.article_id
        )
    order by id
    for update skip locked
)
update rasid.links l set
    etag = null,
    last_modified = null,
    confirmations_count = confirmations_count
        + (refetch_at is null or refetch_at > now() + interval '1 hour')::int,
    refetch_at = case
        when refetch_at <= now() + interval '1 hour' then refetch_at else now()
    end
from mine where l.id = mine.id

-- name: give_back
-- Taken, but not asked for: as if it had not been taken.
-- A link that is to be fetched again stays `fetched`.
update rasid.links set
    state = case when state = 'fetching' then 'due' else state end,
    attempts_count = attempts_count - (state = 'fetching')::int,
    next_fetch_at = case
        when state = 'fetching' and %(again_s)s > 0 then now() + make_interval(secs => %(again_s)s)
        else next_fetch_at
    end,
    refetch_at = case
        when state = 'fetched' then now() + make_interval(secs => %(again_s)s) else refetch_at
    end
where id = any(%(ids)s) and (state = 'fetching' or refetch_at is not null)

-- name: end
update rasid.links set
    state = %(state)s,
    reason = %(reason)s,
    -- Of a page that is there still, what it was fetched with stays.
    http_status = case
        when %(is_refetch)s then coalesce(%(status)s, http_status) else %(status)s
    end,
    final_url = case
        when %(is_refetch)s then coalesce(%(final_url)s, final_url) else %(final_url)s
    end,
    page_id = coalesce(%(page_id)s, page_id),
    next_fetch_at = coalesce(now() + make_interval(secs => %(wait_s)s), next_fetch_at),
    etag = coalesce(%(etag)s, etag),
    last_modified = coalesce(%(last_modified)s, last_modified),
    refetches_count = refetches_count + %(is_refetch)s::int,
    refetch_outcome = coalesce(%(refetch_outcome)s, refetch_outcome),
    refetch_at = now() + make_interval(secs => %(refetch_wait_s)s),
    last_fetched_at = now()
-- What was purged while it was fetched stays refused, and nothing is noted of it.
where id = %(link_id)s and (state, reason) is distinct from ('refused', 'purged')

-- name: trace
select
    l.id, l.url, l.source, l.state, l.reason, l.http_status, l.attempts_count, l.title,
    l.published_at, l.first_seen_at, l.last_fetched_at, l.next_fetch_at, l.final_url, l.page_id,
    l.refetches_count, l.refetch_outcome, l.refetch_at,
    array(
        select f.url from rasid.link_feeds lf join rasid.feeds f on f.id = lf.feed_id
        where lf.link_id = l.id order by lf.first_seen_at, f.id
    ) as feed_urls
from rasid.links l
where l.normalized_url_sha256 = %(key_sha256)s

-- name: counts
select state, reason, count(*) from rasid.links where source = any(%(sources)s)
group by state, reason order by state, reason
