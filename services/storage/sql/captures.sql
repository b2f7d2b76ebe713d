-- name: wait_briefly
-- Who waits for a whole table holds up all who come after him.
set local lock_timeout = '500ms';

-- name: days
-- Days that have a partition and are over, the oldest first; those before a time.
select captured_on
from (
    select to_date(right(relname, 10), 'YYYY_MM_DD') as captured_on
    from pg_inherits join pg_class on pg_class.oid = inhrelid
    where inhparent = 'rasid.captures'::regclass and relname ~ '^captures_\d{4}_\d\d_\d\d$'
) as day
where captured_on < least(%(before)s, (now() at time zone 'UTC')::date)
order by 1;

-- name: hold
select rasid.hold_captures();

-- name: drop
select rasid.drop_captures(%(day)s);

-- name: body
-- One look into one partition.
select body from rasid.captures where captured_on = %(day)s and sha256 = %(sha256)s;

-- name: body_of_any_day
select body from rasid.captures where sha256 = %(sha256)s limit 1;
