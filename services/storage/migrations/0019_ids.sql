-- After a restore the ids that the lost history gave to articles, stories (their smallest article's)
-- and quotations are never given again: as positions of the feed, ids go on far above them. Whoever
-- gives such ids asks first whether the server is the one that gave the last.

create table rasid.id_timeline (
    only_row boolean primary key default true check (only_row),
    server text -- what rasid.feed_server() said; null: not known, so another one
);

-- Let ids jump to the microseconds since 2026: no history gives a million a second for long, so none
-- can have come so far, also where the same backup is restored again and again. Below 2^53 until 2311.
create function rasid.leap_ids() returns void language plpgsql as $$
declare
    base bigint := floor(extract(epoch from clock_timestamp() - '2026-01-01 00:00+00') * 1000000);
    reached bigint;
    ids text;
begin
    perform pg_advisory_xact_lock(7216381540413); -- who gives ids waits until this is committed
    foreach ids in array array[
        pg_get_serial_sequence('rasid.articles', 'id'),
        pg_get_serial_sequence('rasid.quotations', 'id')
    ] loop
        execute format('select last_value from %s', ids) into reached;
        perform setval(ids, case when base > reached then base else reached + 1000000000 end);
    end loop;
    update rasid.id_timeline set server = rasid.feed_server();
end
$$;

-- Restored before this came, ids of a lost history may lie ahead: where nobody knows, they jump.
insert into rasid.id_timeline (server)
select case when count(*) = 1 then min(server) end from rasid.feed_timelines;

-- Who saves pages or links articles holds this until the commit: what he writes is there before a
-- purge looks, or he sees what is purged; and the ids he gives are new. Returns whether there is
-- anything to look for.
create or replace function rasid.hold_purges() returns boolean language plpgsql
security definer set search_path = pg_catalog as $$
begin
    perform pg_advisory_xact_lock_shared(7216381540412);
    if (select server from rasid.id_timeline) is distinct from rasid.feed_server() then
        perform pg_advisory_xact_lock(7216381540413);
        if (select server from rasid.id_timeline) is distinct from rasid.feed_server() then
            perform rasid.leap_ids();
        end if;
    end if;
    return exists (select from rasid.purged);
end
$$;

-- As in 0017, and ids jump as well.
create or replace function rasid.begin_timeline() returns bigint language plpgsql as $$
declare
    head bigint;
    reached bigint;
    base bigint := floor(extract(epoch from clock_timestamp()) * 1000000);
begin
    perform pg_advisory_xact_lock(7216381540393); -- nobody publishes meanwhile
    perform rasid.leap_ids();
    head := rasid.feed_head();
    reached := greatest(head, (select max(begins_after) from rasid.feed_timelines));
    if base <= reached then -- the clock was set back
        base := reached + 1000000000;
    end if;
    insert into rasid.feed_timelines (begins_after, follows, server)
    values (base, head, rasid.feed_server());
    return base;
end
$$;

-- Of a page from an archive whose time of fetching nobody knows: when the Rasid that wrote it first
-- had it. Without it, the page would be as new as its import whenever it is read again.
alter table rasid.raw_pages add column received_at timestamptz; -- null: at processed_at
