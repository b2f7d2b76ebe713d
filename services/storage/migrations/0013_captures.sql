-- Captures by the day on which they came: what has been kept for its time goes a whole day at once,
-- and leaves no gaps behind.

alter table rasid.captures rename to captures_before;
alter table rasid.captures_before rename constraint captures_pkey to captures_before_pkey;

-- Bodies as received, zstd-compressed, by the sha256 of the uncompressed bytes. A body that comes
-- again on a later day is stored on that day again.
create table rasid.captures (
    captured_on date not null default (now() at time zone 'UTC')::date,
    sha256 bytea not null,
    body bytea not null,
    first_seen_at timestamptz not null default now(), -- on that day
    last_seen_at timestamptz not null default now(), -- the same, but for what came before 0013
    primary key (sha256, captured_on)
) partition by range (captured_on);
alter table rasid.captures alter column body set storage external; -- it is compressed already
create table rasid.captures_default partition of rasid.captures default;

-- Make the partition of a day. Where rows have come before it, they move into it.
create function rasid.make_captures(p_day date) returns void language plpgsql as $$
declare
    name text := 'captures_' || to_char(p_day, 'YYYY_MM_DD');
begin
    if to_regclass('rasid.' || name) is not null then
        return;
    end if;
    execute format(
        'create table rasid.%I (like rasid.captures including defaults including storage)', name
    );
    execute format(
        'with moved as (
            delete from rasid.captures_default where captured_on = %L returning *
        )
        insert into rasid.%I select * from moved',
        p_day, name
    );
    execute format(
        'alter table rasid.captures attach partition rasid.%I for values from (%L) to (%L)',
        name, p_day, p_day + 1
    );
end
$$;

-- Make the partitions of today and the next seven days, and of each day that has come before its
-- partition. Repeatable; the reconciler calls it now and then.
create function rasid.roll_captures(p_today date default (now() at time zone 'UTC')::date)
returns void language plpgsql as $$
declare
    day date;
begin
    perform pg_advisory_xact_lock(7216381540411);
    for day in
        select p_today + ahead from generate_series(0, 7) as ahead
        union select captured_on from rasid.captures_default
        order by 1
    loop
        perform rasid.make_captures(day);
    end loop;
end
$$;

-- Have all who store pages wait until the end of this transaction, those who do so already be waited
-- for: what is counted then is all there is.
create function rasid.hold_captures() returns void language plpgsql as $$
begin
    perform pg_advisory_xact_lock(7216381540411);
    lock table only rasid.captures in access exclusive mode;
end
$$;

-- Drop a day before today; return how many bodies went. What a dead letter needs stays, as if it had
-- come today.
create function rasid.drop_captures(p_day date) returns bigint language plpgsql as $$
declare
    today date := (now() at time zone 'UTC')::date;
    name text := 'captures_' || to_char(p_day, 'YYYY_MM_DD');
    there bigint;
    kept bigint;
begin
    if p_day >= today then
        raise exception 'captures of % are not over', p_day
            using errcode = 'invalid_parameter_value';
    end if;
    perform pg_advisory_xact_lock(7216381540411);
    if to_regclass('rasid.' || name) is null then
        return 0;
    end if;
    select count(*) into there from rasid.captures where captured_on = p_day;
    -- All of it at once, before anything is written: who stores a page waits, and not for each other.
    lock table only rasid.captures in access exclusive mode;
    with needed as (
        select c.*
        from rasid.dead_letters as d
        join rasid.raw_pages as p on p.id = d.page_id and p.captured_on = p_day
        join rasid.captures as c on c.captured_on = p_day and c.sha256 = p.capture_sha256
    )
    insert into rasid.captures (captured_on, sha256, body, first_seen_at, last_seen_at)
    select distinct on (sha256) today, sha256, body, first_seen_at, last_seen_at from needed
    on conflict do nothing;
    with moved as (
        update rasid.raw_pages as p set captured_on = today
        from rasid.dead_letters as d
        where d.page_id = p.id and p.captured_on = p_day
        returning p.capture_sha256
    )
    select count(distinct m.capture_sha256) into kept
    from moved as m
    join rasid.captures as c on c.captured_on = p_day and c.sha256 = m.capture_sha256;
    execute format('drop table rasid.%I', name);
    return there - kept;
end
$$;

-- A body that is there belongs to the day on which a page last brought it.
select rasid.make_captures(day)
from (
    select distinct (last_seen_at at time zone 'UTC')::date from rasid.captures_before
) as there (day);
insert into rasid.captures (captured_on, sha256, body, first_seen_at, last_seen_at)
select (last_seen_at at time zone 'UTC')::date, sha256, body, first_seen_at, last_seen_at
from rasid.captures_before;
drop table rasid.captures_before;
select rasid.roll_captures();

-- The day whose captures have the page's body, as long as they are kept.
alter table rasid.raw_pages add column captured_on date;
update rasid.raw_pages as p set captured_on = coalesce(
    (select c.captured_on from rasid.captures as c where c.sha256 = p.capture_sha256),
    (p.processed_at at time zone 'UTC')::date
);
alter table rasid.raw_pages
    alter column captured_on set not null,
    alter column captured_on set default (now() at time zone 'UTC')::date;
create index raw_pages_captured on rasid.raw_pages (captured_on, capture_sha256);

-- Files that hold captures of a day, in the order of their hashes: a body is in the one whose range
-- holds its hash. A day's table goes in the transaction that says in its last file's row that it did.
create table rasid.archive_files (
    id bigint generated always as identity primary key,
    captured_on date not null,
    folder text not null, -- or address, as the archive was told
    name text not null, -- of the WARC file; that of its index ends in .cdxj
    first_sha256 bytea not null,
    last_sha256 bytea not null,
    captures_count bigint not null, -- bodies, one record each
    pages_count bigint not null, -- raw pages that the records name
    revisits_count bigint not null, -- of these, those that share the body of another
    left_count bigint not null, -- captures of the range that are kept under a later day
    size_bytes bigint not null,
    file_sha256 bytea not null,
    index_sha256 bytea not null,
    written_at timestamptz not null default now(),
    dropped_at timestamptz, -- since when the file alone has them
    unique (folder, name)
);
create index archive_files_range on rasid.archive_files (captured_on, last_sha256);
