-- Quotations: passages that stand in articles of different stories, and where in each.

-- Hashes of passages, by which others that carry them are found: see worker/quote.py. By day of
-- arrival, a week to a partition. An article's older hashes may stay when its text changes: what is
-- found is compared with the text of today.
create table rasid.passages (
    hash bigint not null,
    article_id bigint not null,
    arrived_on date not null default current_date
) partition by range (arrived_on);
create index passages_hash on rasid.passages (hash);
create table rasid.passages_default partition of rasid.passages default;

-- Make the partitions of this week and the next two, and drop those that are looked into no more:
-- this week and the four before it are. Where rows have come before their partition, they move
-- into it. Repeatable; the reconciler calls it now and then.
create function rasid.roll_passages(p_today date default current_date)
returns void language plpgsql as $$
declare
    first date;
    name text;
    old text;
begin
    perform pg_advisory_xact_lock(7216381540398);
    for ahead in -1..2 loop
        first := date_trunc('week', p_today) + make_interval(weeks => ahead);
        name := 'passages_' || to_char(first, 'YYYY_MM_DD');
        continue when to_regclass('rasid.' || name) is not null;
        execute format('create table rasid.%I (like rasid.passages including defaults)', name);
        execute format(
            'with moved as (
                delete from rasid.passages_default
                where arrived_on >= %L and arrived_on < %L returning *
            )
            insert into rasid.%I select * from moved',
            first, first + 7, name
        );
        execute format(
            'alter table rasid.passages attach partition rasid.%I for values from (%L) to (%L)',
            name, first, first + 7
        );
    end loop;
    for old in
        select relname from pg_inherits join pg_class on pg_class.oid = inhrelid
        where inhparent = 'rasid.passages'::regclass and relname ~ '^passages_\d{4}_\d\d_\d\d$'
            and relname < 'passages_' || to_char(
                date_trunc('week', p_today) - interval '4 weeks', 'YYYY_MM_DD'
            )
    loop
        execute format('drop table rasid.%I', old);
    end loop;
end
$$;
select rasid.roll_passages();

create table rasid.quotations (
    id bigint generated always as identity primary key,
    found_at timestamptz not null default now()
);

-- Where a quotation stands: characters of the text of one version of an article, from 0, the end
-- not included. Rows of a version that is not the article's newest do not count.
create table rasid.quotation_articles (
    quotation_id bigint not null references rasid.quotations (id) on delete cascade,
    article_id bigint not null references rasid.articles (id) on delete cascade,
    version integer not null,
    text_start integer not null,
    text_end integer not null,
    primary key (quotation_id, article_id),
    check (0 <= text_start and text_start < text_end)
);
create index quotation_articles_article on rasid.quotation_articles (article_id);

-- A passage that stands in ten stories or more, three or more for each outlet, is boilerplate: an
-- outlet says news once or twice. Where outlets are unknown, they are taken for one. A passage whose
-- stories have been joined since it was found is a reprint.
create view media.quotations as
select
    q.id, carried.first_article_id, first.outlet as first_outlet, first.dated_at as first_at,
    substr(a.text, place.text_start + 1, place.text_end - place.text_start) as text,
    carried.articles_count, carried.stories_count, carried.outlets_count, q.found_at
from rasid.quotations as q
cross join lateral (
    select
        count(*)::integer as articles_count,
        count(distinct member.story_id)::integer as stories_count,
        count(distinct member.outlet)::integer as outlets_count,
        count(distinct coalesce(member.outlet, '')) as tellers_count,
        (array_agg(stands.article_id order by member.dated_at, stands.article_id))[1]
            as first_article_id
    from rasid.quotation_articles as stands
    join rasid.articles as article
        on article.id = stands.article_id and article.version = stands.version
    join rasid.story_articles as member on member.article_id = stands.article_id
    where stands.quotation_id = q.id
) as carried
join rasid.quotation_articles as place
    on place.quotation_id = q.id and place.article_id = carried.first_article_id
join rasid.articles as a on a.id = carried.first_article_id
join rasid.story_articles as first on first.article_id = carried.first_article_id
where carried.stories_count > 1
    and (carried.stories_count < 10 or carried.stories_count < 3 * carried.tellers_count);
comment on view media.quotations is
    'Passages of twelve words or more that articles of different stories have in common.';
comment on column media.quotations.id is 'Stable for the life of the quotation.';
comment on column media.quotations.first_article_id is
    'The earliest article that carries it, by dated_at of media.story_articles.';
comment on column media.quotations.first_outlet is
    'Who carried it first: source, else the site of the address, else null.';
comment on column media.quotations.first_at is
    'When that article was published, where that is exact; else when it was first seen.';
comment on column media.quotations.text is 'The passage as the first article has it.';
comment on column media.quotations.articles_count is 'How many articles carry it.';
comment on column media.quotations.stories_count is
    'In how many stories, two or more. What stands in ten or more, three or more for each outlet, is '
    'boilerplate, and left out.';
comment on column media.quotations.outlets_count is
    'How many outlets carried it, of those that are known.';
comment on column media.quotations.found_at is
    'When it was found, which is when the second article that carries it arrived.';

create view media.quotation_articles as
select
    stands.quotation_id, stands.article_id, stands.version, member.story_id, member.outlet,
    member.dated_at, stands.article_id = q.first_article_id as is_first,
    stands.text_start, stands.text_end,
    substr(a.text, stands.text_start + 1, stands.text_end - stands.text_start) as text
from rasid.quotation_articles as stands
join rasid.articles as a on a.id = stands.article_id and a.version = stands.version
join rasid.story_articles as member on member.article_id = stands.article_id
join media.quotations as q on q.id = stands.quotation_id;
comment on view media.quotation_articles is 'Which article carries which quotation, and where.';
comment on column media.quotation_articles.quotation_id is 'In media.quotations.';
comment on column media.quotation_articles.article_id is
    'In media.articles; once for each quotation, even where it repeats the passage.';
comment on column media.quotation_articles.version is
    'The version of the article that text_start and text_end belong to: always the newest.';
comment on column media.quotation_articles.story_id is 'The story the article belongs to.';
comment on column media.quotation_articles.outlet is
    'Who published it: source, else the site of the address, else null.';
comment on column media.quotation_articles.dated_at is
    'When it was published, where that is exact; else when it was first seen.';
comment on column media.quotation_articles.is_first is
    'Whether no article that carries it is dated earlier.';
comment on column media.quotation_articles.text_start is
    'Where the passage begins in the text of the article: characters before it.';
comment on column media.quotation_articles.text_end is
    'Where it ends: characters of the text up to there.';
comment on column media.quotation_articles.text is
    'The passage as this article has it; may be a part of what the first has.';

do $$
begin
    if exists (select from pg_roles where rolname = 'rasid_reader') then
        grant select on media.quotations, media.quotation_articles to rasid_reader;
    end if;
end
$$;
