-- Articles as consumers see them, one JSON text a row, in the order of their ids.

-- name: columns
select a.attname, format_type(a.atttypid, a.atttypmod)
from pg_attribute as a
where a.attrelid = 'media.articles'::regclass and a.attnum > 0 and not a.attisdropped
order by a.attnum;

-- name: one_snapshot
set transaction isolation level repeatable read, read only;

-- name: start
-- The position first: what is published after it is not in this snapshot, or is told once more.
select last_position, (select coalesce(max(id), 0) from media.articles), media.schema_version()
from media.change_feed_range;

-- name: rows
-- {view} and {columns} are filled in.
select a.id, convert_to(row_to_json(r)::text, 'UTF8')
from media.{view} as a cross join lateral (select {columns}) as r
where a.id > %(after)s and a.id <= %(until)s
    and (%(source)s::text is null or a.source = %(source)s)
    and (%(language)s::text is null or a.language = %(language)s)
    and (%(since)s::timestamptz is null or a.{time} >= %(since)s)
    and (%(before)s::timestamptz is null or a.{time} < %(before)s)
order by a.id;
