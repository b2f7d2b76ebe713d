-- What is kept for a time only. Each `..._due` counts what is older, all there is, and the bytes of
-- both on disk; each `prune_...` takes one range of blocks, so that a table is walked through once
-- however much of it goes, and leaves rows alone that somebody holds.

-- name: lock
select pg_try_advisory_lock(7216381540410);

-- name: unlock
select pg_advisory_unlock(7216381540410);

-- name: blocks
select pg_relation_size(%(table)s::regclass) / current_setting('block_size')::int;

-- name: captures_due
-- Bodies that no page has brought since, but those of dead letters, which wait for somebody.
select
    count(*) filter (
        where last_seen_at < %(before)s
            and not exists (
                select from rasid.dead_letters as d where d.capture_sha256 = c.sha256
            )
    ), count(*), pg_total_relation_size('rasid.captures')
from rasid.captures as c;

-- name: prune_captures
delete from rasid.captures where ctid = any(array(
    select ctid from rasid.captures as c
    where ctid >= format('(%%s,0)', %(first)s::bigint)::tid
        and ctid < format('(%%s,0)', %(last)s::bigint)::tid
        and last_seen_at < %(before)s
        and not exists (select from rasid.dead_letters as d where d.capture_sha256 = c.sha256)
    for update skip locked
));

-- name: pages_due
-- What became of pages that left no trace in an article. Who made an article or a version stays.
select
    count(*) filter (
        where processed_at < %(before)s and outcome in ('rejected', 'unchanged', 'outdated', 'worse')
    ), count(*), pg_total_relation_size('rasid.raw_pages')
from rasid.raw_pages;

-- name: prune_pages
delete from rasid.raw_pages where ctid = any(array(
    select ctid from rasid.raw_pages
    where ctid >= format('(%%s,0)', %(first)s::bigint)::tid
        and ctid < format('(%%s,0)', %(last)s::bigint)::tid
        and processed_at < %(before)s and outcome in ('rejected', 'unchanged', 'outdated', 'worse')
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
