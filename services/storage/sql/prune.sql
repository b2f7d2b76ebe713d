-- What is kept for a time only. Each `..._due` counts what is older, all there is, and the bytes of
-- both on disk; each `prune_...` takes one range of blocks, so that a table is walked through once
-- however much of it goes, and leaves rows alone that somebody holds. Captures go by whole days.

-- name: lock
select pg_try_advisory_lock(7216381540410);

-- name: unlock
select pg_advisory_unlock(7216381540410);

-- name: blocks
select pg_relation_size(%(table)s::regclass) / current_setting('block_size')::int;

-- name: captures_due
-- Whole days, but what dead letters of them need, which waits for somebody.
select
    (select count(*) from rasid.captures where captured_on < %(day)s) - (
        select count(distinct (captured_on, capture_sha256)) from rasid.raw_pages
        where outcome = 'dead_letter' and captured_on < %(day)s
            and id in (select page_id from rasid.dead_letters)
            and exists (
                select from rasid.captures as c
                where c.captured_on = raw_pages.captured_on and c.sha256 = capture_sha256
            )
    ),
    (select count(*) from rasid.captures),
    (
        select coalesce(sum(pg_total_relation_size(inhrelid)), 0)
        from pg_inherits where inhparent = 'rasid.captures'::regclass
    );

-- name: pages_due
-- What became of pages that left no trace in an article. Who made an article or a version stays, and
-- the page it was last seen on: only from that it can be read again.
select
    count(*) filter (
        where processed_at < %(before)s and outcome in ('rejected', 'unchanged', 'outdated', 'worse')
            and not exists (
                select from rasid.articles as a
                where a.id = raw_pages.article_id and a.observed_page_id = raw_pages.id
            )
    ), count(*), pg_total_relation_size('rasid.raw_pages')
from rasid.raw_pages;

-- name: prune_pages
delete from rasid.raw_pages where ctid = any(array(
    select ctid from rasid.raw_pages
    where ctid >= format('(%%s,0)', %(first)s::bigint)::tid
        and ctid < format('(%%s,0)', %(last)s::bigint)::tid
        and processed_at < %(before)s and outcome in ('rejected', 'unchanged', 'outdated', 'worse')
        and not exists (
            select from rasid.articles as a
            where a.id = raw_pages.article_id and a.observed_page_id = raw_pages.id
        )
    for update skip locked
));

-- name: refusals_due
select
    count(*) filter (where refused_at < %(before)s), count(*),
    pg_total_relation_size('rasid.import_refusals')
from rasid.import_refusals;

-- name: prune_refusals
delete from rasid.import_refusals where ctid = any(array(
    select ctid from rasid.import_refusals
    where ctid >= format('(%%s,0)', %(first)s::bigint)::tid
        and ctid < format('(%%s,0)', %(last)s::bigint)::tid
        and refused_at < %(before)s
    for update skip locked
));

-- name: changes_due
-- The newest change always stays.
select
    count(*) filter (
        where published_at < %(before)s
            and position < (select max(position) from rasid.changes)
    ), count(*), pg_total_relation_size('rasid.changes')
from rasid.changes;

-- name: prune_changes
select rasid.prune_changes(%(before)s, %(rows)s);
