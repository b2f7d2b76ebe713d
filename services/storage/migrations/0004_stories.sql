-- Near-duplicates: which articles tell one story. An article is a story of its own until it is
-- linked; the id of a story is that of its smallest article, so a former id still leads to the story
-- its article is in now.

-- Narrow, because it is written when stories are linked and the wide row of the article is not.
create table rasid.story_articles (
    article_id bigint primary key references rasid.articles (id),
    story_id bigint not null,
    version integer not null, -- of the article, whose text the fingerprint was made of
    looked_version integer, -- the version that others have been looked for, null before the first
    signature_version integer not null, -- 0: no fingerprint yet
    tokens_count integer not null,
    seen_at timestamptz not null, -- fetched, or received where that is unknown
    dated_at timestamptz not null, -- published where that is exact and not after seen_at, else seen_at
    outlet text,
    label text not null default 'original'
        check (label in ('original', 'reprint', 'cut', 'extended', 'update')),
    sketch bytea not null
) with (fillfactor = 90);
create index story_articles_story on rasid.story_articles (story_id);
create index story_articles_signature on rasid.story_articles (signature_version, article_id);

create table rasid.stories (
    id bigint primary key,
    representative_id bigint not null,
    longest_id bigint not null,
    longest_tokens_count integer not null,
    articles_count integer not null default 1,
    outlets text[] not null,
    first_seen_at timestamptz not null,
    updated_at timestamptz not null default now()
) with (fillfactor = 90);
create index stories_representative on rasid.stories (representative_id);

-- Eight bands to a row: a row for each band would double the size. A band's number is mixed into its
-- value, so it is only ever compared within its column. By day of arrival, a month to a partition.
create table rasid.bands (
    article_id bigint not null,
    arrived_on date not null default current_date,
    band_1 integer, band_2 integer, band_3 integer, band_4 integer,
    band_5 integer, band_6 integer, band_7 integer, band_8 integer
) partition by range (arrived_on);
create index bands_article on rasid.bands (article_id);
create index bands_1 on rasid.bands (band_1);
create index bands_2 on rasid.bands (band_2);
create index bands_3 on rasid.bands (band_3);
create index bands_4 on rasid.bands (band_4);
create index bands_5 on rasid.bands (band_5);
create index bands_6 on rasid.bands (band_6);
create index bands_7 on rasid.bands (band_7);
create index bands_8 on rasid.bands (band_8);
create table rasid.bands_default partition of rasid.bands default;

-- Pairs that were compared and share text, with how much.
create table rasid.article_overlaps (
    article_id bigint not null,
    other_article_id bigint not null,
    relation text not null check (relation in ('same_story', 'excerpt', 'template', 'overlap')),
    containment real not null,
    jaccard real not null,
    coverage real not null,
    compared_at timestamptz not null default now(),
    primary key (article_id, other_article_id),
    check (article_id < other_article_id)
);
create index article_overlaps_other on rasid.article_overlaps (other_article_id);

-- Make the partitions of this month and the next two, and drop those that are looked into no more:
-- this month and the last are. Where rows have come before their partition, they move into it.
create function rasid.roll_bands(p_today date default current_date)
returns void language plpgsql as $$
declare
    first date;
    name text;
    old text;
begin
    perform pg_advisory_xact_lock(7216381540405);
    for ahead in -1..2 loop
        first := date_trunc('month', p_today) + make_interval(months => ahead);
        name := 'bands_' || to_char(first, 'YYYY_MM');
        continue when to_regclass('rasid.' || name) is not null;
        execute format('create table rasid.%I (like rasid.bands including defaults)', name);
        execute format(
            'with moved as (
                delete from rasid.bands_default
                where arrived_on >= %L and arrived_on < %L returning *
            )
            insert into rasid.%I select * from moved',
            first, first + interval '1 month', name
        );
        execute format(
            'alter table rasid.bands attach partition rasid.%I for values from (%L) to (%L)',
            name, first, (first + interval '1 month')::date
        );
    end loop;
    for old in
        select relname from pg_inherits join pg_class on pg_class.oid = inhrelid
        where inhparent = 'rasid.bands'::regclass and relname ~ '^bands_\d{4}_\d\d$'
            and relname < 'bands_' || to_char(p_today - interval '1 month', 'YYYY_MM')
    loop
        execute format('drop table rasid.%I', old);
    end loop;
end
$$;
select rasid.roll_bands();

-- What is known of a story by its members: its representative is the earliest one that is at least
-- 0.6 as long as the longest; one that is withdrawn only if all are. Only what changes is written.
create function rasid.describe_story(p_story bigint) returns void language plpgsql as $$
begin
    with member as (
        select
            article_id, label, tokens_count,
            first_value(tokens_count) over in_time as original_tokens_count,
            row_number() over in_time as place,
            outlet is not null and row_number() over (
                partition by outlet order by dated_at, article_id
            ) > 1 and row_number() over (
                partition by outlet, tokens_count, sketch order by dated_at, article_id
            ) = 1 as again
        from rasid.story_articles
        where story_id = p_story
        window in_time as (order by dated_at, article_id)
    ),
    labelled as (
        select
            article_id, label,
            case
                when place = 1 then 'original'
                when again then 'update'
                when tokens_count < 0.8 * original_tokens_count then 'cut'
                when tokens_count > 1.25 * original_tokens_count then 'extended'
                else 'reprint'
            end as new_label
        from member
    )
    update rasid.story_articles as member set label = new_label
    from labelled
    where member.article_id = labelled.article_id and labelled.label <> new_label;

    with member as (
        select member.*, max(tokens_count) over () as longest,
            article.withdrawn_at is not null as withdrawn
        from rasid.story_articles as member
        join rasid.articles as article on article.id = member.article_id
        where story_id = p_story
    ),
    found as (
        select
            (array_agg(article_id order by
                withdrawn, tokens_count < 0.6 * longest, dated_at, article_id))[1]
                as representative_id,
            (array_agg(article_id order by tokens_count desc, article_id))[1] as longest_id,
            max(longest) as longest_tokens_count,
            count(*) as articles_count,
            coalesce(
                array_agg(distinct outlet order by outlet) filter (where outlet is not null), '{}'
            ) as outlets,
            min(seen_at) as first_seen_at
        from member
    )
    insert into rasid.stories as story (
        id, representative_id, longest_id, longest_tokens_count, articles_count, outlets,
        first_seen_at
    )
    select
        p_story, representative_id, longest_id, longest_tokens_count, articles_count, outlets,
        first_seen_at
    from found
    where articles_count > 0
    on conflict (id) do update set
        representative_id = excluded.representative_id,
        longest_id = excluded.longest_id,
        longest_tokens_count = excluded.longest_tokens_count,
        articles_count = excluded.articles_count,
        outlets = excluded.outlets,
        first_seen_at = excluded.first_seen_at,
        updated_at = now()
    where (
        story.representative_id, story.longest_id, story.longest_tokens_count,
        story.articles_count, story.outlets, story.first_seen_at
    ) is distinct from (
        excluded.representative_id, excluded.longest_id, excluded.longest_tokens_count,
        excluded.articles_count, excluded.outlets, excluded.first_seen_at
    );
end
$$;

-- Put articles into a story, and tell consumers.
create function rasid.move_articles(p_articles bigint[], p_story bigint)
returns void language sql as $$
    with moved as (
        update rasid.story_articles as member set story_id = p_story
        from unnest(p_articles) as article_id
        join rasid.story_articles as before using (article_id)
        where member.article_id = before.article_id and before.story_id <> p_story
        returning member.article_id, before.story_id as former
    )
    insert into rasid.outbox (kind, article_id, story_id, detail)
    select 'story_changed', article_id, p_story, jsonb_build_object('former_story_id', former)
    from moved order by article_id;
$$;

-- Join the stories of an article and of those it matches, under the smallest id. Before that an
-- article whose new text has nothing to do with its story leaves it (p_leave). Repeatable: a second
-- run finds nothing to do. One at a time; the lock and what is read after it are separate
-- statements, so that each sees what the last holder has committed.
create function rasid.link_article(
    p_article bigint, p_version integer, p_matches bigint[], p_leave boolean
) returns void language plpgsql as $$
declare
    own record;
    story_ids bigint[];
    root bigint;
begin
    perform pg_advisory_xact_lock(7216381540404);
    select story_id, version into own from rasid.story_articles where article_id = p_article;
    if own.version is distinct from p_version then
        return; -- it has a newer text, which will be looked up on its own
    end if;
    -- An exact copy belongs to its owner's story, however short it is.
    p_matches := p_matches || array(
        select duplicate_of from rasid.articles where id = p_article and duplicate_of is not null
    );
    story_ids := array(
        select distinct story_id from rasid.story_articles
        where article_id = p_article or article_id = any(p_matches)
        order by story_id
    );
    -- Savers lock these rows too, in the same order.
    perform 1 from rasid.story_articles where story_id = any(story_ids)
    order by article_id for no key update;
    if p_leave then
        perform rasid.leave_story(p_article, own.story_id);
        story_ids := array(
            select distinct story_id from rasid.story_articles
            where article_id = p_article or article_id = any(p_matches)
            order by story_id
        );
    end if;
    root := story_ids[1];
    if cardinality(story_ids) > 1 then
        perform rasid.move_articles(
            array(select article_id from rasid.story_articles where story_id = any(story_ids[2:])),
            root
        );
        delete from rasid.stories where id = any(story_ids[2:]);
    end if;
    perform rasid.describe_story(root);
    update rasid.story_articles set looked_version = p_version where article_id = p_article;
end
$$;

-- Articles were withdrawn or restored in this transaction: another may represent their story. Under the
-- lock of those who link, who see either the story as it is now or what was done to the articles.
create function rasid.represent_stories(p_articles bigint[]) returns void language plpgsql as $$
declare
    story bigint;
begin
    perform pg_advisory_xact_lock(7216381540404);
    for story in
        select distinct member.story_id
        from rasid.story_articles as member
        join rasid.stories on stories.id = member.story_id and articles_count > 1
        where member.article_id = any(p_articles)
        order by 1
    loop
        perform 1 from rasid.story_articles where story_id = story
        order by article_id for no key update;
        perform rasid.describe_story(story);
    end loop;
end
$$;

create function rasid.leave_story(p_article bigint, p_story bigint)
returns void language plpgsql as $$
declare
    rest bigint[] := array(
        select article_id from rasid.story_articles
        where story_id = p_story and article_id <> p_article order by article_id
    );
begin
    if cardinality(rest) = 0 then
        return;
    end if;
    if p_story = p_article then
        perform rasid.move_articles(rest, rest[1]);
        perform rasid.describe_story(rest[1]);
    else
        perform rasid.move_articles(array[p_article], p_article);
        perform rasid.describe_story(p_story);
    end if;
    perform rasid.describe_story(p_article);
end
$$;

-- Articles that are there already are stories of their own until `rasid stories refresh` makes their
-- fingerprints.
insert into rasid.story_articles (
    article_id, story_id, version, signature_version, tokens_count, seen_at, dated_at, outlet, sketch
)
select
    id, id, version, 0, 0, created_at,
    case
        when published_at_precision in ('second', 'minute') and published_at <= created_at
            then published_at
        else created_at
    end,
    coalesce(source, substring(url from '^https?://(?:www\.)?([^/:?#]+)')), ''
from rasid.articles;
insert into rasid.stories (
    id, representative_id, longest_id, longest_tokens_count, outlets, first_seen_at
)
select article_id, article_id, article_id, 0, array_remove(array[outlet], null), seen_at
from rasid.story_articles;

create or replace view media.articles as
select
    a.id, a.url, a.normalized_url, a.source, a.title, a.text, a.authors, a.language,
    a.published_at, a.published_at_precision, a.published_at_seen,
    a.witnesses ->> 'published_at' as published_at_source,
    a.modified_at, a.canonical_url, a.site_name, a.section, a.dateline, a.description, a.image_url,
    a.tags, a.labels, a.captions, a.comments_count, a.comments, a.witnesses, a.duplicate_of,
    a.version, a.origin, a.feed_url, a.fetched_at, a.created_at, a.updated_at, a.withdrawn_at,
    a.withdrawn_reason, s.story_id
from rasid.articles as a
left join rasid.story_articles as s on s.article_id = a.id;
comment on column media.articles.story_id is
    'The story it belongs to in media.stories; its own id while it is alone. Can change.';

create or replace view media.distinct_articles as
select a.*
from media.articles as a
join rasid.stories as s on s.representative_id = a.id
-- An exact copy that has not been put into its story yet is none the less a copy.
where a.duplicate_of is null or s.articles_count > 1;
comment on view media.distinct_articles is
    'One row a story: media.articles without the copies, reprints and updates of another.';

create view media.stories as
select
    id, representative_id, first_seen_at, articles_count,
    cardinality(outlets) as outlets_count, outlets, updated_at
from rasid.stories;
comment on view media.stories is
    'Articles that tell one story in the same words, and articles that stand alone.';
comment on column media.stories.id is
    'The smallest id of its articles. A former id is the id of an article: look up its story.';
comment on column media.stories.representative_id is
    'The earliest article at least 0.6 as long as the longest, of those not withdrawn; its row is in '
    'distinct_articles.';
comment on column media.stories.first_seen_at is 'When the first of its articles was fetched.';
comment on column media.stories.articles_count is 'How many articles it has, copies included.';
comment on column media.stories.outlets_count is 'How many outlets carried it.';
comment on column media.stories.outlets is
    'Who carried it: names of sources, else the site (example.com) of the address.';
comment on column media.stories.updated_at is 'When it last gained or lost an article.';

create view media.story_articles as
select story_id, article_id, label, outlet, dated_at, tokens_count
from rasid.story_articles;
comment on view media.story_articles is 'Which article belongs to which story, and as what.';
comment on column media.story_articles.story_id is 'In media.stories.';
comment on column media.story_articles.article_id is 'In media.articles; in one story each.';
comment on column media.story_articles.label is
    'original: the earliest; update: of an outlet that had it before; cut, extended: against the '
    'original; else reprint.';
comment on column media.story_articles.outlet is
    'Source, else the site of its address; null for a document without either.';
comment on column media.story_articles.dated_at is
    'published_at where it is exact to the minute and not after the article was seen, else that.';
comment on column media.story_articles.tokens_count is 'Words of the text, as they are compared.';

create view media.article_overlaps as
select
    article_id, other_article_id, relation, containment, jaccard, coverage, compared_at
from rasid.article_overlaps;
comment on view media.article_overlaps is
    'Pairs of articles that were compared and share a fifth of the shorter or more.';
comment on column media.article_overlaps.article_id is 'The smaller id of the two.';
comment on column media.article_overlaps.other_article_id is 'The larger id of the two.';
comment on column media.article_overlaps.relation is
    'same_story: one is a copy; excerpt: a short part; template: one frame with other numbers; '
    'overlap: share text, but are not copies.';
comment on column media.article_overlaps.containment is
    'Share of the three-word runs of the shorter that the longer has, 0 to 1.';
comment on column media.article_overlaps.jaccard is
    'Three-word runs that both have, of those that either has, 0 to 1.';
comment on column media.article_overlaps.coverage is
    'Share of the words of the shorter that lie in copied passages, 0 to 1.';
comment on column media.article_overlaps.compared_at is 'When the two were last compared.';

-- Its columns mean what those of media.articles do.
comment on column media.distinct_articles.story_id is 'The story it stands for, in media.stories.';
