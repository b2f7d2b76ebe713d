-- The contract has a version of its own, and every column of it says what it is.

create function media.schema_version() returns text
language sql immutable parallel safe
return '1.0';
comment on function media.schema_version() is
    'Version of schema media, MAJOR.MINOR: MINOR rises when something is added, MAJOR when something '
    'is removed, renamed or means something else.';

comment on column media.sources.name is 'The key, as in sources.yaml.';
comment on column media.sources.title is 'Name for people; null where only an import named the source.';
comment on column media.sources.home_page_url is
    'Address of its home page; null where only an import named the source.';
comment on column media.sources.country is 'Two letters; null where only an import named the source.';
comment on column media.sources.language is
    'Its main language; null where only an import named the source.';
comment on column media.sources.time_zone is 'Such as Asia/Riyadh.';
comment on column media.sources.enabled is 'Whether it is crawled.';
comment on column media.sources.created_at is 'When Rasid first heard of it.';

comment on column media.articles.title is 'Null when none was found; never cut.';
comment on column media.articles.modified_at is 'When the publisher says the article last changed.';
comment on column media.articles.canonical_url is 'As the page states it.';
comment on column media.articles.site_name is 'As the page states it.';
comment on column media.articles.section is
    'As the page states it, else the last step of its trail ("Home > World > Asia").';
comment on column media.articles.dateline is
    'Place or agency before the text; from text documents only, so far.';
comment on column media.articles.description is 'The summary of the page''s meta tags.';
comment on column media.articles.image_url is 'The page''s preview image.';
comment on column media.articles.tags is 'As the page states them, at most 50.';
comment on column media.articles.captions is
    'Of photos, kept out of the text; from text documents only, so far.';
comment on column media.articles.comments is
    'Readers'' comments: list of {"text", "author", "age"}, age as written.';
comment on column media.articles.feed_url is
    'The feed or sitemap that listed it; null for imports.';

comment on column media.article_versions.article_id is 'Id of the article in media.articles.';
comment on column media.article_versions.version is '1, and one more for each change.';
comment on column media.article_versions.stored_at is 'When Rasid stored this version.';
comment on column media.article_versions.superseded_at is
    'When a newer version replaced it; null for the newest.';

-- What a view takes from media.articles as it is means the same there.
do $$
declare
    missing record;
begin
    for missing in
        select c.relname as view, a.attname as name,
            col_description('media.articles'::regclass, original.attnum) as text
        from pg_class as c
        join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        join pg_attribute as original
            on original.attrelid = 'media.articles'::regclass and original.attname = a.attname
        where c.relnamespace = 'media'::regnamespace
            and c.relname in ('distinct_articles', 'article_versions')
            and col_description(c.oid, a.attnum) is null
    loop
        execute format('comment on column media.%I.%I is %L', missing.view, missing.name, missing.text);
    end loop;
end
$$;

-- Whatever schema media gets later, its readers may read.
do $$
begin
    if exists (select from pg_roles where rolname = 'rasid_reader') then
        alter default privileges in schema media grant select on tables to rasid_reader;
        grant select on all tables in schema media to rasid_reader;
    end if;
end
$$;

-- A capture is kept for a time after a page last brought it; for those that are there, the time
-- begins now.
alter table rasid.captures add column last_seen_at timestamptz not null default now();
