-- Leases: one crawler at a time works a host, so that its delay holds over any number of crawlers.

-- name: take
-- Hosts with something to do that nobody works, those waiting longest first. `quiet_s` is for how
-- long nobody can have asked them: a lease that was not given back may have been used to its end.
with free as (
    select
        h.name,
        extract(epoch from now() - coalesce(h.leased_until, h.last_request_at))
            ::double precision as quiet_s
    from rasid.hosts h
    where (h.leased_until is null or h.leased_until <= now())
        and (h.blocked_until is null or h.blocked_until <= now())
        and (
            exists (
                select from rasid.links l
                where l.host = h.name and l.state = 'due' and l.job_id is null
                    and l.next_fetch_at <= now() and l.source = any(%(sources)s)
            )
            or exists (
                select from rasid.links l
                where l.host = h.name and l.state = 'due' and l.job_id is not null
                    and l.next_fetch_at <= now() and coalesce(l.source, '') = any(%(sources)s)
            )
            or exists (
                select from rasid.feeds f
                where f.host = h.name and f.job_id is not null and f.walk_at <= now()
                    and f.source = any(%(sources)s)
            )
            or exists (
                select from rasid.links l
                where l.host = h.name and l.state = 'fetching'
                    and coalesce(l.source, '') = any(%(sources)s)
            )
            or exists (
                select from rasid.feeds f
                where f.host = h.name and f.enabled and f.next_fetch_at <= now()
                    and f.source = any(%(sources)s) and f.kind = any(%(kinds)s)
            )
            or exists (
                select from rasid.links l
                where l.host = h.name and l.refetch_at <= now() and l.source = any(%(sources)s)
            )
        )
    order by h.leased_until nulls first
    limit %(count)s
    for update of h skip locked
)
update rasid.hosts h
set leased_by = %(crawler)s, leased_until = now() + make_interval(secs => %(lease_s)s)
from free where h.name = free.name
returning h.name, free.quiet_s, h.delay_s

-- name: save
insert into rasid.hosts (name) values (%(host)s) on conflict (name) do nothing

-- name: visit
-- One host by name, for a redirect that leads there; none if another has it or it wants no requests.
with free as (
    select
        h.name,
        extract(epoch from now() - coalesce(h.leased_until, h.last_request_at))
            ::double precision as quiet_s
    from rasid.hosts h
    where h.name = %(host)s and (h.leased_until is null or h.leased_until <= now())
        and (h.blocked_until is null or h.blocked_until <= now())
    for update of h
)
update rasid.hosts h
set leased_by = %(crawler)s, leased_until = now() + make_interval(secs => %(lease_s)s)
from free where h.name = free.name
returning h.name, free.quiet_s, h.delay_s

-- name: blocked_s
select greatest(extract(epoch from blocked_until - now()), 0)::double precision
from rasid.hosts where name = %(host)s

-- name: renew
-- Hosts whose lease ran out and was taken by another are not returned.
update rasid.hosts set leased_until = now() + make_interval(secs => %(lease_s)s)
where name = any(%(hosts)s) and leased_by = %(crawler)s
returning name

-- name: asked
-- How long ago each host was asked last, and at what pace.
update rasid.hosts h set
    last_request_at = greatest(
        h.last_request_at, now() - make_interval(secs => asked.seconds_ago)
    ),
    delay_s = asked.delay_s
from unnest(
    %(hosts)s::text[], %(seconds_ago)s::double precision[], %(delays_s)s::double precision[]
) as asked (name, seconds_ago, delay_s)
where h.name = asked.name and h.leased_by = %(crawler)s

-- name: give_back
update rasid.hosts set leased_by = null, leased_until = null
where name = any(%(hosts)s) and leased_by = %(crawler)s

-- name: give_back_all
with fetching as (
    -- Nothing is in flight any more: what was taken was not asked for.
    update rasid.links l set state = 'due', attempts_count = l.attempts_count - 1
    from rasid.hosts h
    where h.leased_by = %(crawler)s and l.host = h.name and l.state = 'fetching'
)
update rasid.hosts set leased_by = null, leased_until = null where leased_by = %(crawler)s

-- name: left_over
-- Another crawler's, or just being written by one, so that `take` passed it over.
select count(*) from rasid.hosts h
where h.leased_by is distinct from %(crawler)s
    and (h.blocked_until is null or h.blocked_until <= now())
    and (
        exists (
            select from rasid.links l
            where l.host = h.name and l.state in ('due', 'fetching')
                and l.next_fetch_at <= now() and coalesce(l.source, '') = any(%(sources)s)
        )
        or exists (
            select from rasid.feeds f
            where f.host = h.name and f.job_id is not null and f.walk_at <= now()
                and f.source = any(%(sources)s)
        )
        or exists (
            select from rasid.feeds f
            where f.host = h.name and f.enabled and f.next_fetch_at <= now()
                and f.source = any(%(sources)s) and f.kind = any(%(kinds)s)
        )
        or exists (
            select from rasid.links l
            where l.host = h.name and l.refetch_at <= now() and l.source = any(%(sources)s)
        )
    )

-- name: block
-- Asked to stay away: each time twice as long, unless the server says how long. The count goes down
-- by one with each hour since; answers that were under way when it asked do not count again. A tenth
-- is added at random, so that nobody returns on the minute.
insert into rasid.hosts (name, blocked_until, blocks_count)
values (
    %(host)s,
    now() + make_interval(
        secs => coalesce(%(retry_after_s)s, %(base_s)s) * (1 + random() / 10)
    ),
    1
)
on conflict (name) do update set
    blocks_count = case
        when hosts.blocked_until > now() then hosts.blocks_count
        else 1 + greatest(
            hosts.blocks_count - floor(extract(epoch from now() - coalesce(hosts.blocked_until, now())) / 3600), 0
        )
    end,
    blocked_until = greatest(
        hosts.blocked_until,
        now() + make_interval(secs => (1 + random() / 10) * coalesce(
            %(retry_after_s)s,
            case
                when hosts.blocked_until > now() then 0
                else least(
                    %(base_s)s * power(2, least(greatest(
                        hosts.blocks_count
                            - floor(extract(epoch from now() - coalesce(hosts.blocked_until, now())) / 3600), 0
                    ), 16)),
                    %(most_s)s
                )
            end
        ))
    )
returning extract(epoch from blocked_until - now())::double precision
