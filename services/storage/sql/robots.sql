-- robots.txt by origin (scheme, host and port).

-- name: find
select
    status, body,
    extract(epoch from now() - fetched_at)::double precision as age_s,
    extract(epoch from fresh_until - now())::double precision as fresh_s,
    extract(epoch from now() - failed_since)::double precision as failing_s
from rasid.robots where origin = %(origin)s

-- name: answered
insert into rasid.robots (origin, status, body, fetched_at, fresh_until)
values (%(origin)s, %(status)s, %(body)s, now(), now() + make_interval(secs => %(fresh_s)s))
on conflict (origin) do update set
    status = excluded.status,
    body = excluded.body,
    fetched_at = excluded.fetched_at,
    fresh_until = excluded.fresh_until,
    failed_since = null,
    last_error = null

-- name: failed
insert into rasid.robots (origin, failed_since, last_error) values (%(origin)s, now(), %(error)s)
on conflict (origin) do update set
    failed_since = coalesce(robots.failed_since, excluded.failed_since),
    last_error = excluded.last_error
