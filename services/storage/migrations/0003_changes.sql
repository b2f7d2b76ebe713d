-- The change feed, what made each version, and articles whose page is gone. The closed sets in
-- check constraints are those of services/shared/contracts.py.

-- Writers put events into the outbox in the transaction that makes the change; after they have
-- committed, publish_changes() gives each a position, in a transaction that nobody else runs at
-- the same time. So positions become visible in their order, without a gap, however late a writer
-- commits, and a reader's cursor is one number. An event's id is taken while its article is locked,
-- so the events of one article keep their order. docs/decisions.md has the reasoning.

create sequence rasid.outbox_id_seq; -- never with a cache: ids would be taken out of order

-- An id whose transaction has a number already, which publish_changes() counts on.
create function rasid.next_event_id() returns bigint language sql volatile as $$
    select case when pg_current_xact_id() is not null then nextval('rasid.outbox_id_seq') end
$$;

create table rasid.outbox (
    id bigint primary key default rasid.next_event_id(),
    kind text not null check (
        kind in (
            'created', 'updated', 'duplicate_changed', 'withdrawn', 'restored', 'story_changed',
            'watch_matched'
        )
    ),
    article_id bigint not null, -- no foreign key: who writes an event holds the article's lock
    version integer,
    story_id bigint,
    detail jsonb, -- what kinds of their own have to say, such as the name of a watch
    occurred_at timestamptz not null default clock_timestamp()
);
alter sequence rasid.outbox_id_seq owned by rasid.outbox.id;

-- Small rows, kept in order: pruned from the front with prune_changes().
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

-- One row, seldom written: a row written with each publication would grow without bound while
-- somebody holds a snapshot. The newest position is read off the end of rasid.changes.
create table rasid.change_feed (
    only_row boolean primary key default true check (only_row),
    pruned_position bigint not null default 0, -- changes up to here are not kept any more
    -- Events up to settled_id are published or were rolled back: what they leave behind in the
    -- outbox, while a snapshot keeps it from being vacuumed, need not be looked at again. Those up
    -- to mark_id will be so as soon as no transaction older than mark_xid runs.
    settled_id bigint not null default 0,
    mark_id bigint,
    mark_xid xid8
);
insert into rasid.change_feed default values;

-- Publish what is committed in the outbox, up to max_events; return how many. Where another does it
-- now and one more waits to, there is nothing to do: that one will see all that is committed now.
create function rasid.publish_changes(max_events integer default 10000) returns bigint
language plpgsql
set lock_timeout = '2s' -- somebody holds a publication open: his successor's work, or ours later
set enable_seqscan = off
as $$
declare
    publishing constant bigint := 7216381540393; -- held until the positions are committed
    waiting constant bigint := 7216381540394; -- held by the one who comes next
    feed record;
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
    before := coalesce(
        (select position from rasid.changes order by position desc limit 1),
        (select pruned_position from rasid.change_feed)
    );
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

-- Forget up to max_rows of the oldest changes, those published before a time; return how many. To
-- be called until it returns less than max_rows. The front of an ordered table: no index but the
-- key is needed to find them, and their space is used again. The newest change always stays.
create function rasid.prune_changes(published_before timestamptz, max_rows integer default 10000)
returns bigint language plpgsql as $$
declare
    pruned bigint;
    last_pruned bigint;
begin
    -- One at a time; readers and publishers do not wait for it.
    perform pg_advisory_xact_lock(7216381540395);
    with oldest as (
        select position, published_at from rasid.changes order by position limit max_rows
    ),
    kept as (
        select coalesce(
            (select min(position) from oldest where published_at >= published_before),
            (select max(position) from rasid.changes)
        ) as position
    ),
    gone as (
        delete from rasid.changes where position in (
            select oldest.position from oldest, kept where oldest.position < kept.position
        )
        returning position
    )
    select count(*), max(position) into pruned, last_pruned from gone;
    if pruned > 0 then
        update rasid.change_feed set pruned_position = last_pruned;
    end if;
    return pruned;
end
$$;

create view media.change_feed as
select position, kind, article_id, version, story_id, detail, occurred_at, published_at
from rasid.changes;
comment on view media.change_feed is
    'Every change that is kept, by position. Consumers read it with media.changes().';
comment on column media.change_feed.position is
    'Where the change stands in the feed: 1, 2, 3 ... A consumer keeps the last it has seen.';
comment on column media.change_feed.kind is
    'created, updated, duplicate_changed, withdrawn, restored, story_changed or watch_matched.';
comment on column media.change_feed.article_id is 'The article, in media.articles.';
comment on column media.change_feed.version is
    'The version the article had with this change, or null where the kind has nothing to do with it.';
comment on column media.change_feed.story_id is 'The story, where the change is about one.';
comment on column media.change_feed.detail is
    'What else there is to say, by kind; such as the reason of a withdrawal. Null if nothing.';
comment on column media.change_feed.occurred_at is 'When the change was made, just before its commit.';
comment on column media.change_feed.published_at is 'When it was given its position.';

create view media.change_feed_range as
select
    f.pruned_position as first_cursor,
    coalesce(newest.position, f.pruned_position) as last_position,
    newest.published_at as last_published_at
from rasid.change_feed as f
left join lateral (
    select position, published_at from rasid.changes order by position desc limit 1
) as newest on true;
comment on view media.change_feed_range is 'One row: from where to where the change feed reaches.';
comment on column media.change_feed_range.first_cursor is
    'The smallest cursor that media.changes() takes: 0 until old changes are pruned.';
comment on column media.change_feed_range.last_position is
    'Position of the newest change, or the first cursor if there is none.';
comment on column media.change_feed_range.last_published_at is
    'When the newest change was published, or null if there is none.';

-- With the rights of who calls it, on one snapshot: what it checks is what it reads.
create function media.changes(after bigint default 0, max_rows integer default 1000)
returns setof media.change_feed language plpgsql stable parallel safe as $$
declare
    kept media.change_feed_range;
begin
    if after is null or max_rows is null or max_rows < 1 then
        raise exception 'media.changes() needs a cursor and a number of rows above 0'
            using errcode = 'invalid_parameter_value';
    end if;
    select * into strict kept from media.change_feed_range;
    if after > kept.last_position then
        raise exception 'cursor % is ahead of the change feed, which ends at position %',
            after, kept.last_position
            using errcode = 'RC001', hint = 'It is from another database, or from before this one '
                'was restored; or this is a standby that lags behind.';
    end if;
    if after < kept.first_cursor then
        raise exception 'cursor % is older than the change feed, which begins after position %',
            after, kept.first_cursor
            using errcode = 'RC002', hint = 'Changes between the two are not kept any more: take '
                'last_position of media.change_feed_range as the new cursor, then read '
                'media.articles as a whole.';
    end if;
    return query
    select * from media.change_feed as c where c.position > after order by c.position limit max_rows;
end
$$;
comment on function media.changes is
    'Changes after a position, the oldest first. Refuses a cursor ahead of the feed (RC001) or '
    'older than what is kept (RC002).';

-- What made each version, and which of title, text, authors, language, published_at it changed.
alter table rasid.articles
    add column version_reason text not null default 'first' check (
        version_reason in ('first', 'publisher', 'extractor', 'context', 'undetermined')
    ),
    add column version_changed text[] not null default '{}',
    add column withdrawn_at timestamptz,
    add column withdrawn_reason text check (
        withdrawn_reason in ('not_found', 'gone', 'retracted', 'legal', 'mistake')
    ),
    add check ((withdrawn_at is null) = (withdrawn_reason is null));
update rasid.articles set version_reason = 'undetermined' where version > 1;
alter table rasid.article_versions
    add column reason text not null default 'first' check (
        reason in ('first', 'publisher', 'extractor', 'context', 'undetermined')
    ),
    add column changed text[] not null default '{}';
update rasid.article_versions set reason = 'undetermined' where version > 1;

-- Copies that were not taken because they are worse than the stored one, and when each was first
-- seen: what stays like that for a day is what the publisher made of the article.
create table rasid.worse_copies (
    article_id bigint not null references rasid.articles (id) on delete cascade,
    sha256 bytea not null, -- of the text, or of all content where only the rest is worse
    first_observed_at timestamptz not null,
    primary key (article_id, sha256)
);

alter table rasid.raw_pages drop constraint raw_pages_outcome_check;
alter table rasid.raw_pages add constraint raw_pages_outcome_check check (
    outcome in (
        'created', 'duplicate', 'updated', 'unchanged', 'outdated', 'worse', 'rejected',
        'dead_letter'
    )
);

create or replace view media.articles as
select
    id, url, normalized_url, source, title, text, authors, language,
    published_at, published_at_precision, published_at_seen,
    witnesses ->> 'published_at' as published_at_source,
    modified_at, canonical_url, site_name, section, dateline, description, image_url,
    tags, labels, captions, comments_count, comments, witnesses, duplicate_of, version,
    origin, feed_url, fetched_at, created_at, updated_at, withdrawn_at, withdrawn_reason
from rasid.articles;
comment on column media.articles.version is
    '1, and one more for each change; media.article_versions tells what changed and why.';
comment on column media.articles.withdrawn_at is
    'When Rasid learned that the page is gone, or null. The text is kept as it was.';
comment on column media.articles.withdrawn_reason is
    'not_found (404), gone (410), or by hand: retracted, legal, mistake.';

create or replace view media.distinct_articles as
select * from media.articles where duplicate_of is null;

create or replace view media.article_versions as
select
    article_id, version, title, text, authors, language, published_at, modified_at,
    witnesses, fetched_at, stored_at, superseded_at, reason, changed
from rasid.article_versions
union all
select
    id, version, title, text, authors, language, published_at, modified_at,
    witnesses, fetched_at, updated_at, null, version_reason, version_changed
from rasid.articles;
comment on column media.article_versions.article_id is 'The article, in media.articles.';
comment on column media.article_versions.version is '1 for the first; with article_id the key.';
comment on column media.article_versions.stored_at is 'When Rasid stored this version.';
comment on column media.article_versions.superseded_at is
    'When a newer version replaced this one; null for the newest.';
comment on column media.article_versions.reason is
    'What made this version: first; publisher (the page changed); extractor (the same bytes, read '
    'by another version of Rasid); context (the same bytes, read with other rules or another '
    'feed''s word); undetermined (bytes and extractor both differ).';
comment on column media.article_versions.changed is
    'Which of title, text, authors, language and published_at differ from the version before.';

do $$
begin
    if exists (select from pg_roles where rolname = 'rasid_reader') then
        grant select on media.change_feed, media.change_feed_range to rasid_reader;
        grant execute on function media.changes to rasid_reader;
    end if;
end
$$;
