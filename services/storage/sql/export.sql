-- Articles as consumers see them, one JSON text a row, in the order of their ids.

-- name: schema_version
select media.schema_version();

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

-- name: asked
-- A query as media.search reads it.
select rasid.search_query(
    %(query)s,
    case
        when %(language)s::text is not null then array[%(language)s::text]
        else array(select language from rasid.stemmers where used)
    end
)::text;

-- name: that_match
a.id = any(array(
    select s.article_id from rasid.article_search as s where s.words @@ %(asked)s::tsquery
))

-- name: rows
-- What stands in braces is filled in; the last of it is `that_match`, or true.
select a.id, convert_to(row_to_json(r)::text, 'UTF8')
from media.{view} as a cross join lateral (select {columns}) as r
where a.id > %(after)s and a.id <= %(until)s
    and {found}
    and (%(source)s::text is null or a.source = %(source)s)
    and (%(language)s::text is null or a.language = %(language)s)
    and (%(since)s::timestamptz is null or a.{time} >= %(since)s)
    and (%(before)s::timestamptz is null or a.{time} < %(before)s)
order by a.id;
