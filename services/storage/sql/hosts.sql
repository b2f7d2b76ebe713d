-- Leases: one crawler at a time works a host, so that its delay holds over any number of crawlers.

-- name: take
-- Hosts with something to do that nobody works, those waiting longest first.
with free as (
    select h.name
    from rasid.hosts h
    where (h.leased_until is null or h.leased_until <= now())
        and (h.blocked_until is null or h.blocked_until <= now())
        and (
            exists (
                select from rasid.links l
                where l.host = h.name and l.state = 'due' and l.next_fetch_at <= now()
                    and l.source = any(%(sources)s)
            )
            or exists (
                select from rasid.links l
                where l.host = h.name and l.state = 'fetching' and l.source = any(%(sources)s)
            )
            or exists (
                select from rasid.feeds f
                where f.host = h.name and f.enabled and f.next_fetch_at <= now()
                    and f.source = any(%(sources)s) and f.kind = any(%(kinds)s)
            )
        )
    order by h.leased_until nulls first
    limit %(count)s
    for update of h skip locked
)
update rasid.hosts h
set leased_by = %(crawler)s, leased_until = now() + make_interval(secs => %(lease_s)s)
from free where h.name = free.name
returning h.name, h.blocks_count > 0

-- name: renew
-- Hosts whose lease ran out and was taken by another are not returned.
update rasid.hosts set leased_until = now() + make_interval(secs => %(lease_s)s)
where name = any(%(hosts)s) and leased_by = %(crawler)s
returning name

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
                and l.next_fetch_at <= now() and l.source = any(%(sources)s)
        )
        or exists (
            select from rasid.feeds f
            where f.host = h.name and f.enabled and f.next_fetch_at <= now()
                and f.source = any(%(sources)s) and f.kind = any(%(kinds)s)
        )
    )

-- name: block
-- Asked to stay away: each time twice as long, unless the server says how long.
insert into rasid.hosts (name, blocked_until, blocks_count)
values (%(host)s, now() + make_interval(secs => coalesce(%(retry_after_s)s, %(base_s)s)), 1)
on conflict (name) do update set
    blocks_count = hosts.blocks_count + 1,
    blocked_until = greatest(
        hosts.blocked_until,
        now() + make_interval(secs => coalesce(
            %(retry_after_s)s,
            least(%(base_s)s * power(2, least(hosts.blocks_count, 16)), %(most_s)s)
        ))
    )
returning extract(epoch from blocked_until - now())::double precision

-- name: answered
update rasid.hosts set blocks_count = 0, blocked_until = null
where name = %(host)s and blocks_count > 0
