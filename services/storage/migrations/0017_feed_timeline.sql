-- A restored database has forgotten positions that consumers have seen. So that none of them is ever
-- given to another change, the feed goes on far above them as soon as it notices.

create table rasid.feed_timelines (
    begins_after bigint primary key, -- its positions are greater than this
    follows bigint not null, -- the last position before it; those between the two are lost
    server text, -- what rasid.feed_server() said; null: not known, so another one
    began_at timestamptz not null default clock_timestamp(),
    check (follows <= begins_after)
);

-- What is another one after a restore: the cluster (initdb gives it its identifier), its timeline
-- (each recovery from an archive and each promotion begins one), the database, or the table (which a
-- restored dump makes anew). Anybody may call these functions of Postgres.
create function rasid.feed_server() returns text language sql as $$
    select format(
        '%s/%s/%s/%s',
        (select system_identifier from pg_catalog.pg_control_system()),
        left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8),
        (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database()),
        'rasid.feed_timelines'::regclass::oid
    )
$$;

-- A feed that is in use may have been restored before this schema came: who knows.
insert into rasid.feed_timelines (begins_after, follows, server)
select 0, 0, case when not exists (select from rasid.changes) and pruned_position = 0
    then rasid.feed_server() end
from rasid.change_feed;

create function rasid.feed_head() returns bigint language sql stable as $$
    select coalesce(
        (select position from rasid.changes order by position desc limit 1),
        (select pruned_position from rasid.change_feed)
    )
$$;

-- Let positions jump, and return after which one they go on. To the time in microseconds: no feed
-- has a million changes a second for long, so no earlier history can have come so far, also where
-- the same backup is restored again and again. In numbers that JSON can hold until the year 2255.
create function rasid.begin_timeline() returns bigint language plpgsql as $$
declare
    head bigint;
    reached bigint;
    base bigint := floor(extract(epoch from clock_timestamp()) * 1000000);
begin
    perform pg_advisory_xact_lock(7216381540393); -- nobody publishes meanwhile
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

-- Publish what is committed in the outbox, up to max_events; return how many. Where another does it
-- now and one more waits to, there is nothing to do: that one will see all that is committed now.
create or replace function rasid.publish_changes(max_events integer default 10000) returns bigint
language plpgsql
set lock_timeout = '2s' -- somebody holds a publication open: his successor's work, or ours later
set enable_seqscan = off
as $$
declare
    publishing constant bigint := 7216381540393; -- held until the positions are committed
    waiting constant bigint := 7216381540394; -- held by the one who comes next
    feed record;
    newest rasid.feed_timelines;
    ids bigint[];
    before bigint;
    published bigint;
    newest_id bigint;
    new_xid xid8;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        -- Its statements would not see what the last publisher has committed.
        raise exception 'publish_changes() needs a transaction that is read committed'
            using errcode = 'invalid_transaction_state';
    end if;
    if not pg_try_advisory_xact_lock(publishing) then
        if not pg_try_advisory_lock(waiting) then
            return 0;
        end if;
        begin
            perform pg_advisory_xact_lock(publishing);
        exception
            when lock_not_available then
                perform pg_advisory_unlock(waiting);
                return 0;
            when query_canceled or others then
                perform pg_advisory_unlock(waiting);
                raise;
        end;
        -- Given up before the outbox is looked at: who finds it taken has committed before that.
        perform pg_advisory_unlock(waiting);
    end if;
    if current_setting('synchronous_commit') = 'off' then
        -- A crash must not take back positions that somebody has read.
        perform set_config('synchronous_commit', 'on', true);
    end if;
    newest := (
        select t from rasid.feed_timelines as t order by begins_after desc limit 1
    );
    if newest.server is distinct from rasid.feed_server() then
        newest.begins_after := rasid.begin_timeline();
    end if;
    newest_id := (select last_value from rasid.outbox_id_seq);
    -- Each statement sees what was committed before it began: all that the last holder of the lock
    -- has done, and the one that takes events at least what was settled at the time of this one.
    select
        case when restarted then 0 else settled_id end as settled_id,
        restarted, mark_id, mark_xid,
        pg_snapshot_xmin(pg_current_snapshot()) >= mark_xid as reached
    into strict feed
    from rasid.change_feed
    -- Ids start anew where the table was copied without its sequence.
    cross join lateral (select newest_id < settled_id as restarted) as ids;
    ids := array(
        select id from rasid.outbox where id > feed.settled_id order by id limit max_events
    );
    published := cardinality(ids);
    if published = 0 then
        return 0;
    end if;
    if pg_current_xact_id_if_assigned() is null then
        -- After newest_id was read: who has taken an id up to it has a smaller number than this.
        new_xid := pg_current_xact_id();
    end if;
    before := greatest(rasid.feed_head(), newest.begins_after);
    with taken as (
        delete from rasid.outbox where id = any(ids) returning *
    )
    insert into rasid.changes (
        position, kind, article_id, version, story_id, detail, occurred_at
    )
    select
        before + row_number() over (order by id), kind, article_id, version, story_id,
        detail, occurred_at
    from taken
    order by id;
    -- A mark ahead of new_xid is from another server's life, whose transactions are all over.
    feed.reached := feed.reached or feed.mark_xid > new_xid;
    if published < max_events and new_xid is not null and (
        feed.restarted
        or (feed.mark_id is null or feed.reached)
        and newest_id >= coalesce(feed.mark_id, feed.settled_id) + 1000
    ) then
        update rasid.change_feed set
            settled_id = case
                when feed.reached and not feed.restarted then feed.mark_id else feed.settled_id
            end,
            mark_id = newest_id,
            mark_xid = new_xid
        -- Another time will do where somebody prunes just now.
        where only_row in (select only_row from rasid.change_feed for update skip locked);
    end if;
    perform pg_notify('rasid_changes', (before + published)::text);
    return published;
end
$$;

create view media.feed_timelines as
select begins_after, follows, began_at from rasid.feed_timelines;
comment on view media.feed_timelines is
    'Where the positions of the change feed jump: one row for each time the database was restored or '
    'moved, and one for its beginning.';
comment on column media.feed_timelines.begins_after is
    'Positions of this timeline are greater, and go up by one: begins_after + 1, + 2, + 3 ...';
comment on column media.feed_timelines.follows is
    'The last position before the jump: cursors above it, up to begins_after, are refused (RC003).';
comment on column media.feed_timelines.began_at is 'When the jump was made.';
comment on column media.change_feed.position is
    'Where the change stands in the feed: 1, 2, 3 ..., with a jump for each row of '
    'media.feed_timelines. A consumer keeps the last it has seen.';

-- With the rights of who calls it, on one snapshot: what it checks is what it reads.
create or replace function media.changes(after bigint default 0, max_rows integer default 1000)
returns setof media.change_feed language plpgsql stable parallel safe as $$
declare
    kept media.change_feed_range;
    lost media.feed_timelines;
begin
    if after is null or max_rows is null or max_rows < 1 then
        raise exception 'media.changes() needs a cursor and a number of rows above 0'
            using errcode = 'invalid_parameter_value';
    end if;
    select * into strict kept from media.change_feed_range;
    if after > kept.last_position then
        raise exception 'cursor % is ahead of the change feed, which ends at position %',
            after, kept.last_position
            using errcode = 'RC001', hint = format('It is from another database, or from before this '
                'one was restored; or this is a standby that lags behind. If it was restored, forget '
                'what came after position %1$s, which may not be here, and go on from %1$s.',
                kept.last_position);
    end if;
    if after < kept.first_cursor then
        raise exception 'cursor % is older than the change feed, which begins after position %',
            after, kept.first_cursor
            using errcode = 'RC002', hint = 'Changes between the two are not kept any more: take '
                'last_position of media.change_feed_range as the new cursor, then read '
                'media.articles as a whole.';
    end if;
    select * into lost from media.feed_timelines as t
    where after > t.follows and after <= t.begins_after order by t.follows limit 1;
    if found then
        raise exception 'cursor % is from before this database was restored, and so are all after '
            'position %: what they told may not be here', after, lost.follows
            using errcode = 'RC003', hint = format('Forget what came after position %1$s (ids first '
                'seen there may mean other articles now), and go on from %1$s; or read all anew.',
                lost.follows);
    end if;
    return query
    select * from media.change_feed as c where c.position > after order by c.position limit max_rows;
end
$$;
comment on function media.changes is
    'Changes after a position, the oldest first. Refuses a cursor ahead of the feed (RC001), older '
    'than what is kept (RC002), or from a history that a restored backup has not (RC003).';

create or replace function media.schema_version() returns text
language sql immutable parallel safe
return '1.1';
