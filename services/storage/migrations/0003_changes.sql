-- The change feed. Writers put events into the outbox in the transaction that makes the change; after
-- they have committed, publish_changes() gives each a position, in a transaction that nobody else
-- runs at the same time. So positions become visible in their order, without a gap, however late a
-- writer commits, and a reader's cursor is one number. An outbox id is taken while its article is
-- locked, so the events of one article keep their order.

create table rasid.outbox (
    id bigint generated always as identity primary key,
    kind text not null,
    article_id bigint not null references rasid.articles (id),
    version integer,
    story_id bigint,
    detail jsonb, -- what kinds of their own have to say, such as the name of a watch
    occurred_at timestamptz not null default clock_timestamp()
);

create table rasid.changes (
    position bigint primary key,
    kind text not null,
    article_id bigint not null,
    version integer,
    story_id bigint,
    detail jsonb,
    occurred_at timestamptz not null,
    published_at timestamptz not null default clock_timestamp()
);

-- One row: the position of the newest change.
create table rasid.feed_position (
    only_row boolean primary key default true check (only_row),
    position bigint not null
);
insert into rasid.feed_position (position) values (0);

-- Publish what is committed in the outbox; return how many. Where another does it now, return 0.
create function rasid.publish_changes() returns bigint language plpgsql as $$
declare
    before bigint;
    published bigint;
begin
    if not pg_try_advisory_xact_lock(7216381540393) then
        return 0;
    end if;
    -- A statement of its own, so that it sees what the last holder of the lock has committed.
    select position into before from rasid.feed_position;
    with taken as (delete from rasid.outbox returning *),
    added as (
        insert into rasid.changes (
            position, kind, article_id, version, story_id, detail, occurred_at
        )
        select
            before + row_number() over (order by id), kind, article_id, version, story_id,
            detail, occurred_at
        from taken
        returning 1
    )
    select count(*) into published from added;
    if published > 0 then
        update rasid.feed_position set position = before + published;
        perform pg_notify('rasid_changes', (before + published)::text);
    end if;
    return published;
end
$$;
