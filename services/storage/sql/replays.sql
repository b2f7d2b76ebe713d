-- Replays: which pages, what is handed to the worker, and what came of it.

-- name: lock
-- Two that begin the same replay at the same time begin one.
select pg_advisory_xact_lock(hashtextextended('rasid.replays ' || %(choice)s, 0));

-- name: open
select id from rasid.replays where choice = %(choice)s and ended_at is null;

-- name: choose
-- What `count`, `add` and the like choose from, as a table `chosen`. Pages that another replay has yet
-- to do are left to it. Without a body there is nothing to read.
select
    p.id as page_id,
    case when d.page_id is null then p.outcome else 'dead_letter' end as outcome,
    coalesce(d.reason, p.reason) as reason, p.source,
    coalesce(p.fetched_at, p.received_at, p.processed_at) as at, c.bytes
from rasid.raw_pages as p
left join rasid.dead_letters as d on d.page_id = p.id
left join lateral (
    select octet_length(body) as bytes from rasid.captures
    where captured_on = p.captured_on and sha256 = p.capture_sha256
    union all
    -- In the archive: about so many.
    select size_bytes / greatest(captures_count, 1) from rasid.archive_files
    where captured_on = p.captured_on and dropped_at is not null
        and p.capture_sha256 between first_sha256 and last_sha256
    limit 1
) as c on true
where (%(dead_letters)s = (d.page_id is not null))
    and d.reason is distinct from 'body_missing'
    and (%(page_ids)s::text[] is null or p.id = any(%(page_ids)s))
    and (%(sources)s::text[] is null or p.source = any(%(sources)s))
    and (%(since)s::timestamptz is null or coalesce(p.fetched_at, p.received_at, p.processed_at) >= %(since)s)
    and (%(until)s::timestamptz is null or coalesce(p.fetched_at, p.received_at, p.processed_at) < %(until)s)
    and (
        %(reasons)s::text[] is null
        or coalesce(d.reason, p.reason) = any(%(reasons)s) or p.outcome = any(%(reasons)s)
    )
    and (%(extractors)s::int[] is null or p.extractor_version = any(%(extractors)s))
    and (%(older_than)s::int is null or p.extractor_version < %(older_than)s)
    and (
        %(urls)s::text[] is null
        or p.id = any(array(
            {addresses.pages}
        ))
    )
    and not exists (
        select from rasid.replay_pages as w where w.page_id = p.id and w.done_at is null
    );

-- name: count
-- By source, by outcome and reason, and all together.
select
    grouping(source) = 0 as is_source, grouping(outcome) = 0 as is_outcome,
    source, outcome, reason, count(*) filter (where bytes is not null) as pages,
    coalesce(sum(bytes), 0)::bigint as bytes, count(*) filter (where bytes is null) as without_body,
    min(at) filter (where bytes is not null) as first_at,
    max(at) filter (where bytes is not null) as last_at
from chosen
group by grouping sets ((), (source), (outcome, reason))
order by pages desc, source, outcome, reason;

-- name: begin
insert into rasid.replays (choice, extractor_version, pages_count, bytes)
values (%(choice)s, %(extractor_version)s, 0, 0) returning id;

-- name: add
, added as (
    insert into rasid.replay_pages (replay_id, position, page_id, outcome_before, reason_before)
    select %(replay_id)s, row_number() over (order by at, page_id), page_id, outcome, reason
    from chosen where bytes is not null
)
update rasid.replays set pages_count = all_of.pages, bytes = all_of.bytes
from (
    select count(*) as pages, coalesce(sum(bytes), 0) as bytes from chosen where bytes is not null
) as all_of
where id = %(replay_id)s;

-- name: next_pages
select
    w.position, p.id as page_id, p.requested_url, p.final_url, p.origin, p.source, p.feed_url,
    p.fetched_at, p.received_at, p.status, p.headers, p.capture_sha256, p.captured_on,
    coalesce(p.time_zone, s.time_zone) as time_zone,
    coalesce(p.feed_title, l.title) as feed_title,
    coalesce(p.feed_published_at, l.published_at) as feed_published_at,
    d.header, d.reason as dead_letter_reason
from rasid.replay_pages as w
left join rasid.raw_pages as p on p.id = w.page_id
left join rasid.sources as s on s.name = p.source
left join rasid.dead_letters as d on d.page_id = p.id
left join lateral (
    select title, published_at from rasid.links where page_id = p.id order by id limit 1
) as l on true
where w.replay_id = %(replay_id)s and w.position > %(after)s and w.done_at is null
order by w.position
limit %(limit)s;

-- name: link_word
-- What a feed said of a link, by the key of its address.
select normalized_url_sha256, title, published_at
from rasid.links where normalized_url_sha256 = any(%(keys)s);

-- name: left
select count(*) from rasid.replay_pages where replay_id = %(replay_id)s and done_at is null;

-- name: give_up
-- Its body has gone since it was chosen.
update rasid.replay_pages set outcome = 'no_body', done_at = now()
where replay_id = %(replay_id)s and page_id = any(%(page_ids)s) and done_at is null;

-- name: known
-- What the pages of a chunk were before they are read again.
select id, outcome, reason, article_id, coalesce(received_at, processed_at) as received_at
from rasid.raw_pages
where id = any(%(ids)s);

-- name: read_again
-- The page says what it said before, but for who has read it last.
update rasid.raw_pages set
    extractor_version = %(extractor_version)s, rules_missed = %(rules_missed)s, replayed_at = now()
where id = %(id)s;

-- name: replace_result
-- It made no article before, or another one.
update rasid.raw_pages set
    outcome = %(outcome)s, reason = %(reason)s, detail = %(detail)s, article_id = %(article_id)s,
    extractor_version = %(extractor_version)s, rules_missed = %(rules_missed)s, replayed_at = now()
where id = %(id)s;

-- name: done
-- The first result stands: done again after a kill, the page is compared with itself.
update rasid.replay_pages set
    outcome = %(outcome)s, reason = %(reason)s, article_id = %(article_id)s,
    differences = %(differences)s, done_at = now()
where replay_id = %(replay_id)s and page_id = %(page_id)s and done_at is null;

-- name: counts
select
    outcome_before, coalesce(reason_before, ''), outcome, coalesce(reason, ''), count(*)
from rasid.replay_pages where replay_id = %(replay_id)s and done_at is not null
group by 1, 2, 3, 4 order by 5 desc, 1, 2, 3, 4;

-- name: fields
-- Fields of articles that differ, by how many articles.
select field, count(*)
from rasid.replay_pages cross join lateral jsonb_object_keys(differences) as field
where replay_id = %(replay_id)s group by 1 order by 2 desc, 1;

-- name: articles_changed
select count(*) from rasid.replay_pages where replay_id = %(replay_id)s and differences <> '{}';

-- name: examples
-- Of each field the first few.
select page_id, article_id, field, before, after
from (
    select
        w.page_id, w.article_id, d.key as field, d.value ->> 0 as before, d.value ->> 1 as after,
        row_number() over (partition by d.key order by w.position) as number
    from rasid.replay_pages as w
    cross join lateral jsonb_each(w.differences) as d
    where w.replay_id = %(replay_id)s
) as found
where number <= %(limit)s
order by field, number;

-- name: odd_pages
-- Pages whose result is of another kind than before.
select w.page_id, coalesce(p.final_url, p.requested_url, p.origin) as url, w.outcome_before,
    w.reason_before, w.outcome, w.reason, w.article_id
from rasid.replay_pages as w
left join rasid.raw_pages as p on p.id = w.page_id
where w.replay_id = %(replay_id)s and w.done_at is not null and (
    (w.outcome in ('rejected', 'dead_letter', 'no_body'))
    is distinct from (w.outcome_before in ('rejected', 'dead_letter'))
)
order by w.position limit %(limit)s;

-- name: end
update rasid.replays set summary = %(summary)s, ended_at = now()
where id = %(replay_id)s and ended_at is null;

-- name: forget_same
-- What is as it was needs no row any more.
delete from rasid.replay_pages
where replay_id = %(replay_id)s and done_at is not null and differences is null
    and outcome_before is not distinct from outcome and reason_before is not distinct from reason;

-- name: stop
delete from rasid.replay_pages where replay_id = %(replay_id)s and done_at is null;

-- name: listing
select r.id, r.choice, r.extractor_version, r.pages_count, r.bytes, r.summary, r.created_at,
    r.ended_at,
    case when r.ended_at is null then (
        select count(*) from rasid.replay_pages as w
        where w.replay_id = r.id and w.done_at is null
    ) else 0 end as left_count
from rasid.replays as r
where %(id)s::bigint is null or r.id = %(id)s
order by r.id desc limit %(limit)s;

-- name: pace
-- Pages a second of the replays that ended last.
select sum(pages_count) / nullif(sum(extract(epoch from ended_at - created_at)), 0)
from (
    select pages_count, created_at, ended_at from rasid.replays
    where ended_at is not null and pages_count >= 100 order by id desc limit 3
) as lately;

-- name: mark_letters
update rasid.dead_letters set replayed_at = now() where page_id = any(%(page_ids)s);
