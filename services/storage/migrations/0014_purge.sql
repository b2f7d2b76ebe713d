-- What was removed on request, everywhere, and must not come again. Of the content nothing is kept.

create table rasid.purged (
    normalized_url_sha256 bytea primary key,
    reason text not null, -- as the person wrote it
    article_id bigint, -- that it had, if any; never given again
    purged_at timestamptz not null default now()
);

-- What a purged article was the first to have; also looked for by its foreign key.
create index texts_article on rasid.texts (article_id);

-- Who saves pages or links articles holds this until the commit: what he writes is there before a
-- purge looks, or he sees what is purged. Returns whether there is anything to look for.
create function rasid.hold_purges() returns boolean language plpgsql
security definer set search_path = pg_catalog as $$
begin
    perform pg_advisory_xact_lock_shared(7216381540412);
    return exists (select from rasid.purged);
end
$$;

-- Have nothing of these addresses come in from now on.
create function rasid.forbid(p_keys bytea[], p_reason text) returns void language plpgsql as $$
begin
    perform pg_advisory_xact_lock(7216381540412);
    insert into rasid.purged (normalized_url_sha256, reason, article_id)
    select key, p_reason, (select id from rasid.articles where normalized_url_sha256 = key)
    from unnest(p_keys) as key
    on conflict (normalized_url_sha256) do update set reason = excluded.reason;
end
$$;

-- Let addresses come again; return how many. Their links are due.
create function rasid.lift_purge(p_keys bytea[]) returns bigint language plpgsql as $$
declare
    lifted bytea[];
begin
    with gone as (
        delete from rasid.purged where normalized_url_sha256 = any(p_keys)
        returning normalized_url_sha256
    )
    select array_agg(normalized_url_sha256) into lifted from gone;
    update rasid.links set state = 'due', reason = null, attempts_count = 0, next_fetch_at = now()
    where state = 'refused' and reason = 'purged' and normalized_url_sha256 = any(lifted);
    return coalesce(cardinality(lifted), 0);
end
$$;

-- A link to a purged address is never due.
create function rasid.refuse_purged() returns trigger language plpgsql
security definer set search_path = pg_catalog as $$
begin
    if exists (
        select from rasid.purged where normalized_url_sha256 = new.normalized_url_sha256
    ) then
        new.state := 'refused';
        new.reason := 'purged';
        new.title := null;
        new.published_at := null;
        new.modified_at := null;
        new.refetch_at := null;
    end if;
    return new;
end
$$;
create trigger refuse_purged before insert or update on rasid.links
for each row when (new.state = 'due') execute function rasid.refuse_purged();

-- Remove articles and pages, and all that was made of them; tell consumers. The addresses are forbidden
-- by then, so nothing of them comes meanwhile.
create function rasid.purge(
    p_articles bigint[], p_pages text[], p_keys bytea[], p_reason text
) returns void language plpgsql as $$
declare
    gone rasid.articles;
    story bigint;
    heir bigint;
    quoted bigint[];
    bodies bytea[];
begin
    -- Before all else, as those who save or link take it: what they wrote is there by now, and who
    -- comes after this sees what is gone.
    perform pg_advisory_xact_lock(7216381540412);
    perform rasid.represent_stories('{}'); -- for the lock of those who withdraw articles
    perform 1 from rasid.articles where id = any(p_articles)
    order by normalized_url_sha256 for update;
    update rasid.articles set duplicate_of = null
    where id = any(p_articles) and duplicate_of is not null;
    for gone in select * from rasid.articles where id = any(p_articles) order by id loop
        select story_id into story from rasid.story_articles where article_id = gone.id;
        if found then
            perform 1 from rasid.story_articles where story_id = story
            order by article_id for no key update;
            perform rasid.leave_story(gone.id, story);
            select story_id into story from rasid.story_articles where article_id = gone.id;
            delete from rasid.story_articles where article_id = gone.id;
            delete from rasid.stories where id = story;
        end if;
        -- The oldest of the copies that stay had the text first.
        perform 1 from rasid.texts where text_sha256 = gone.text_sha256 for update;
        heir := (
            select min(id) from rasid.articles
            where text_sha256 = gone.text_sha256 and id <> all(p_articles)
        );
        update rasid.texts set article_id = heir where article_id = gone.id and heir is not null;
        delete from rasid.texts where article_id = gone.id;
        with copy as (
            update rasid.articles set duplicate_of = nullif(heir, id)
            where duplicate_of = gone.id
            returning id, version, duplicate_of
        )
        insert into rasid.outbox (kind, article_id, version, detail)
        select
            'duplicate_changed', id, version, jsonb_build_object('duplicate_of', duplicate_of)
        from copy order by id;
    end loop;

    -- A quotation needs two who carry it.
    with left_behind as (
        delete from rasid.quotation_articles where article_id = any(p_articles)
        returning quotation_id
    )
    select array_agg(distinct quotation_id) into quoted from left_behind;
    delete from rasid.quotations as q where id = any(quoted) and (
        select count(*) from rasid.quotation_articles where quotation_id = q.id
    ) < 2;
    delete from rasid.bands where article_id = any(p_articles);
    delete from rasid.passages where article_id = any(p_articles);
    delete from rasid.article_overlaps
    where article_id = any(p_articles) or other_article_id = any(p_articles);

    -- A body that another page has too stays with that.
    bodies := array(
        select distinct capture_sha256 from rasid.raw_pages
        where id = any(p_pages) or article_id = any(p_articles)
    );
    delete from rasid.dead_letters where page_id = any(p_pages);
    delete from rasid.replay_pages where page_id = any(p_pages) or article_id = any(p_articles);
    delete from rasid.raw_pages where id = any(p_pages) or article_id = any(p_articles);
    delete from rasid.captures as c where sha256 = any(bodies) and not exists (
        select from rasid.raw_pages as p
        where p.captured_on = c.captured_on and p.capture_sha256 = c.sha256
    );
    update rasid.links set
        state = 'refused', reason = 'purged', title = null, published_at = null,
        modified_at = null, final_url = null, page_id = null, refetch_at = null, etag = null,
        last_modified = null
    where normalized_url_sha256 = any(p_keys);
    update rasid.links set page_id = null where page_id = any(p_pages);

    -- What the feed has said of them, it says without details; also what is being published now.
    perform pg_advisory_xact_lock(7216381540393);
    update rasid.changes set detail = null
    where article_id = any(p_articles) and detail is not null;
    delete from rasid.outbox where article_id = any(p_articles);
    delete from rasid.article_versions where article_id = any(p_articles);
    delete from rasid.articles where id = any(p_articles);
    insert into rasid.outbox (kind, article_id, detail)
    select 'purged', id, jsonb_build_object('reason', p_reason)
    from unnest(p_articles) as id order by id;
end
$$;

do $$
declare
    name text := (
        select conname from pg_constraint
        where conrelid = 'rasid.outbox'::regclass and contype = 'c'
            and pg_get_constraintdef(oid) like '%kind%'
    );
begin
    execute format('alter table rasid.outbox drop constraint %I', name);
end
$$;
alter table rasid.outbox add constraint outbox_kind_check check (
    kind in (
        'created', 'updated', 'duplicate_changed', 'withdrawn', 'restored', 'story_changed',
        'watch_matched', 'purged'
    )
);
comment on column media.change_feed.kind is
    'created, updated, duplicate_changed, withdrawn, restored, story_changed, watch_matched or purged: '
    'the article is to be deleted from every copy.';
comment on column media.change_feed.article_id is
    'The article, in media.articles; of a purged one nothing is there any more.';

create or replace function media.schema_version() returns text
language sql immutable parallel safe
return '1.1';
