-- name: days
-- Days that are over, have a partition, and may be archived: how much of each there is, and how much
-- of it lies in files already.
select
    day.captured_on,
    (select count(*) from rasid.captures as c where c.captured_on = day.captured_on) as captures,
    pg_total_relation_size('rasid.captures_' || to_char(day.captured_on, 'YYYY_MM_DD')) as size_bytes,
    coalesce((
        select sum(captures_count + left_count) from rasid.archive_files as f
        where f.captured_on = day.captured_on and f.dropped_at is null
    ), 0)::bigint as written
from unnest(%(days)s::date[]) as day (captured_on)
order by 1;

-- name: captures
-- The next bodies of a day by their hash, and each page that brought one, beside it, with all that
-- it was read with; what was not kept with pages in former times, from its link and its source.
with batch as (
    select sha256, body, first_seen_at from rasid.captures
    where captured_on = %(day)s and sha256 > %(after)s
    order by sha256 limit %(limit)s
)
select
    b.sha256, b.body, b.first_seen_at, p.id, p.requested_url, p.final_url, p.origin, p.source,
    coalesce(p.time_zone, s.time_zone) as time_zone, p.feed_url,
    coalesce(p.feed_title, l.title) as feed_title,
    coalesce(p.feed_published_at, l.published_at) as feed_published_at,
    p.fetched_at, coalesce(p.received_at, p.processed_at) as received_at, p.status, p.headers
from batch as b
left join rasid.raw_pages as p on p.captured_on = %(day)s and p.capture_sha256 = b.sha256
left join rasid.sources as s on s.name = p.source
left join lateral (
    select title, published_at from rasid.links where page_id = p.id order by id limit 1
) as l on true
order by b.sha256, coalesce(p.fetched_at, p.received_at, p.processed_at), p.id;

-- name: is_kept_later
-- Whether the same bytes came again on a later day, and are kept under that.
select exists (
    select from rasid.captures where sha256 = %(sha256)s and captured_on > %(day)s
) or exists (
    select from rasid.raw_pages as p
    join rasid.archive_files as f on f.captured_on = p.captured_on
        and %(sha256)s between f.first_sha256 and f.last_sha256
    where p.capture_sha256 = %(sha256)s and p.captured_on > %(day)s
);

-- name: hashes
-- Of the captures that a file has to hold, in its order.
select sha256 from rasid.captures
where captured_on = %(day)s and sha256 > %(after)s and sha256 <= %(last)s
order by sha256;

-- name: unfinished
-- Files of a day that is not dropped yet, in their order.
select
    captured_on, folder, name, first_sha256, last_sha256, captures_count, pages_count,
    revisits_count, left_count, size_bytes, file_sha256, index_sha256
from rasid.archive_files
where captured_on = %(day)s and dropped_at is null
order by last_sha256;

-- name: files
select
    captured_on, folder, name, first_sha256, last_sha256, captures_count, pages_count,
    revisits_count, left_count, size_bytes, file_sha256, index_sha256
from rasid.archive_files
order by captured_on, name;

-- name: mark
-- Of this database: no other has it, nor has the one that a backup of this was restored as.
select substr(encode(sha256(rasid.feed_server()::bytea), 'hex'), 1, 8);

-- name: names
-- Files that carry names of a day, from this run or an earlier one.
select name from rasid.archive_files where captured_on = %(day)s and folder = %(folder)s;

-- name: add
insert into rasid.archive_files (
    captured_on, folder, name, first_sha256, last_sha256, captures_count, pages_count,
    revisits_count, left_count, size_bytes, file_sha256, index_sha256
) values (
    %(captured_on)s, %(folder)s, %(name)s, %(first_sha256)s, %(last_sha256)s, %(captures_count)s,
    %(pages_count)s, %(revisits_count)s, %(left_count)s, %(size_bytes)s, %(file_sha256)s,
    %(index_sha256)s
);

-- name: forget
-- A file that is to be written anew, of a day that still has its table.
delete from rasid.archive_files
where folder = %(folder)s and name = %(name)s and dropped_at is null;

-- name: missing
-- How many captures and pages of a day are in no file.
select
    (select count(*) from rasid.captures where captured_on = %(day)s) - coalesce(sum(
        captures_count + left_count
    ), 0),
    (select count(*) from rasid.raw_pages where captured_on = %(day)s and exists (
        select from rasid.captures as c
        where c.captured_on = %(day)s and c.sha256 = capture_sha256
    )) - coalesce(sum(pages_count), 0)
from rasid.archive_files where captured_on = %(day)s and dropped_at is null;

-- name: dropped
update rasid.archive_files set dropped_at = now()
where captured_on = %(day)s and dropped_at is null;

-- name: places
-- Where a body may be: the files whose range holds its hash, and the pages by which it is listed
-- in their indexes.
select distinct
    f.folder, f.name, coalesce(p.final_url, p.requested_url) as url, p.id as page_id
from rasid.archive_files as f
left join rasid.raw_pages as p
    on p.captured_on = f.captured_on and p.capture_sha256 = %(sha256)s
where f.last_sha256 >= %(sha256)s and f.first_sha256 <= %(sha256)s
    and (%(day)s::date is null or f.captured_on = %(day)s)
limit 100;

-- name: holding
-- Files whose range holds one of these hashes.
select
    captured_on, folder, name, first_sha256, last_sha256, captures_count, pages_count,
    revisits_count, left_count, size_bytes, file_sha256, index_sha256
from rasid.archive_files as f
where exists (
    select from unnest(%(hashes)s::bytea[]) as body (sha256)
    where body.sha256 between f.first_sha256 and f.last_sha256
)
order by captured_on, name;

-- name: pages_of
-- Pages of a body, but these.
select
    p.id, p.requested_url, p.final_url, p.origin, p.source,
    coalesce(p.time_zone, s.time_zone) as time_zone, p.feed_url,
    coalesce(p.feed_title, l.title) as feed_title,
    coalesce(p.feed_published_at, l.published_at) as feed_published_at,
    p.fetched_at, coalesce(p.received_at, p.processed_at) as received_at, p.status, p.headers
from rasid.raw_pages as p
left join rasid.sources as s on s.name = p.source
left join lateral (
    select title, published_at from rasid.links where page_id = p.id order by id limit 1
) as l on true
where p.captured_on = %(day)s and p.capture_sha256 = %(sha256)s and p.id <> all(%(without)s)
order by coalesce(p.fetched_at, p.received_at, p.processed_at), p.id;

-- name: rewritten
update rasid.archive_files set
    name = %(name)s, captures_count = %(captures_count)s, pages_count = %(pages_count)s,
    revisits_count = %(revisits_count)s, size_bytes = %(size_bytes)s,
    file_sha256 = %(file_sha256)s, index_sha256 = %(index_sha256)s, written_at = now()
where folder = %(folder)s and name = %(former)s;
