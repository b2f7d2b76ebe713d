-- name: add
-- A page whose result stands, and which failed when it was done once more, is none; but one that
-- was to be read again is.
insert into rasid.dead_letters (
    page_id, reason, detail, traceback, attempts, header, capture_sha256
)
select
    %(page_id)s, %(reason)s, %(detail)s, %(traceback)s, %(attempts)s, %(header)s,
    %(capture_sha256)s
where %(is_replay)s or exists (
    select from rasid.raw_pages where id = %(page_id)s and outcome = 'dead_letter'
)
on conflict (page_id) do update set
    reason = excluded.reason,
    detail = excluded.detail,
    traceback = excluded.traceback,
    attempts = excluded.attempts,
    header = excluded.header,
    capture_sha256 = excluded.capture_sha256,
    failures_count = dead_letters.failures_count + 1,
    last_failed_at = now(),
    replayed_at = null
returning page_id;

-- name: resolve
-- A page that has a result is no dead letter any more.
delete from rasid.dead_letters where page_id = any(%(ids)s);

-- name: list
select
    d.page_id, d.reason, d.detail, d.attempts, d.failures_count, d.last_failed_at, d.replayed_at,
    coalesce(p.final_url, p.requested_url) as url, p.origin, d.traceback
from rasid.dead_letters as d
left join rasid.raw_pages as p on p.id = d.page_id
where (%(reason)s::text is null or d.reason = %(reason)s)
    and (%(ids)s::text[] is null or d.page_id = any(%(ids)s))
order by d.last_failed_at desc, d.page_id
limit %(limit)s;

-- name: body
-- What a replay publishes: the message's header and the body.
select d.header, c.body
from rasid.dead_letters as d
left join rasid.raw_pages as p on p.id = d.page_id
left join rasid.captures as c
    on c.captured_on = p.captured_on and c.sha256 = p.capture_sha256
where d.page_id = %(id)s;

-- name: discard
-- The page's row keeps saying that it was a dead letter, and that a person gave it up.
with gone as (
    delete from rasid.dead_letters where page_id = any(%(ids)s) returning page_id
)
update rasid.raw_pages set detail = 'discarded by hand; ' || coalesce(detail, '')
from gone where raw_pages.id = gone.page_id and raw_pages.outcome = 'dead_letter';
