-- Saved searches, matched as articles arrive. Thousands of them cost an article little: each is known
-- by a few lexemes (keys) of which every article that matches has one; an article's own lexemes lead
-- to the few watches that may match, and these are then asked with the very query of a search.

create table rasid.watches (
    id bigint generated always as identity primary key,
    name text not null unique,
    query text not null,
    language text,
    source text,
    search text not null, -- the query with its filters, in all languages
    asked tsquery, -- the same, ready to be asked; null where that is too long for a row
    created_at timestamptz not null default now()
);

-- An article that matches has, of one of the query's alternatives, a key of each slot.
create table rasid.watch_keys (
    lexeme text not null, -- or its first two or three letters and *
    watch_id bigint not null references rasid.watches (id) on delete cascade,
    alternative smallint not null,
    slot smallint not null,
    slots_count smallint not null, -- one or two: the alternative's rarest words
    primary key (lexeme, watch_id, alternative, slot) include (slots_count)
);
create index watch_keys_watch on rasid.watch_keys (watch_id);
create index watch_keys_prefixes on rasid.watch_keys (watch_id) where lexeme like '%*';

-- The version with which an article first matched. No foreign key to watches: an article must not fail
-- because a watch is removed at the same instant; what is left of it then nobody sees.
create table rasid.watch_matches (
    watch_id bigint not null,
    article_id bigint not null references rasid.articles (id) on delete cascade,
    version integer not null,
    matched_at timestamptz not null default now(),
    primary key (watch_id, article_id)
);
create index watch_matches_article on rasid.watch_matches (article_id);

-- The keys of a query: for each alternative the two rarest ways to tell it, as far as is known.
create function rasid.keys_of_watch(query text, languages text[])
returns table (lexeme text, alternative smallint, slot smallint, slots_count smallint)
language sql stable strict parallel safe as $$
    with common as (
        select u.lexeme, u.share
        from pg_stats s
        cross join unnest(
            s.most_common_elems::text::text[], s.most_common_elem_freqs
        ) as u (lexeme, share)
        where s.schemaname = 'rasid' and s.tablename = 'article_search' and s.attname = 'words'
    ),
    ways as (
        select t.alternative, way.keys, (
            select sum(
                case when k like '%*' then 1 else 0 end + coalesce(c.share, 0)
                + 1e-4 / length(k) -- of words that are not common a longer one is rarer
            )
            from jsonb_array_elements_text(way.keys) as k left join common c on c.lexeme = k
        ) as share
        from rasid.search_terms(query, languages) as t
        cross join jsonb_array_elements(t.keys) as way (keys)
        where not t.negated
    ),
    ranked as (
        select
            ways.alternative, keys,
            row_number() over (partition by ways.alternative order by share, keys) as slot,
            least(2, count(*) over (partition by ways.alternative)) as slots_count
        from ways
    )
    select distinct
        case when k like '%*' then left(rtrim(k, '*'), 3) || '*' else k end,
        ranked.alternative::smallint, ranked.slot::smallint, ranked.slots_count::smallint
    from ranked cross join jsonb_array_elements_text(keys) as k
    where ranked.slot <= ranked.slots_count
$$;

-- Save a watch; return its id, or null where the query asks for nothing.
create function rasid.add_watch(name text, query text, language text, source text) returns bigint
language plpgsql as $$
declare
    languages text[] := case
        when add_watch.language is null then array(select s.language from rasid.stemmers s)
        else array[add_watch.language]
    end;
    asked tsquery := rasid.search_query(add_watch.query, languages);
    added bigint;
begin
    if asked is null then
        return null;
    end if;
    if add_watch.language is not null then
        asked := asked && rasid.quoted('@l/' || add_watch.language)::tsquery;
    end if;
    if add_watch.source is not null then
        asked := asked && rasid.quoted('@s/' || add_watch.source)::tsquery;
    end if;
    -- Who stores articles holds this shared until it has committed: each article is either matched
    -- with this watch, or there before it.
    perform pg_advisory_xact_lock(7216381540397);
    insert into rasid.watches (name, query, language, source, search, asked)
    values (
        add_watch.name, add_watch.query, add_watch.language, add_watch.source, asked,
        case when pg_column_size(asked) < 4000 then asked end
    )
    returning id into added;
    insert into rasid.watch_keys (lexeme, watch_id, alternative, slot, slots_count)
    select k.lexeme, added, k.alternative, k.slot, k.slots_count
    from rasid.keys_of_watch(add_watch.query, languages) as k;
    return added;
end
$$;

-- Note which watches (one, if given) match these articles, each once; return what is new.
create function rasid.match_watches(ids bigint[], only_watch bigint default null)
returns table (article_id bigint, version integer, watch text)
language plpgsql
set jit = off
as $$
#variable_conflict use_column
begin
    perform pg_advisory_xact_lock_shared(7216381540397);
    if not exists (select from rasid.watch_keys) then
        return;
    end if;
    return query
    with articles as materialized (
        -- An operator, so that the words are fetched from where they lie once for all watches.
        select s.article_id, s.words || ''::tsvector as words
        from rasid.article_search s where s.article_id = any(ids)
    ),
    lexemes as (
        select a.article_id, l.lexeme
        from articles a cross join unnest(tsvector_to_array(a.words)) as l (lexeme)
    ),
    keys as (
        select article_id, lexeme from lexemes
        union all
        select distinct article_id, left(lexeme, letters) || '*'
        from lexemes cross join (values (2), (3)) as n (letters)
        where exists (select from rasid.watch_keys where lexeme like '%*')
    ),
    candidates as (
        select distinct article_id, watch_id
        from (
            select k.article_id, w.watch_id
            from keys k join rasid.watch_keys w on w.lexeme = k.lexeme
            where only_watch is null or w.watch_id = only_watch
            group by k.article_id, w.watch_id, w.alternative
            having count(distinct w.slot) = min(w.slots_count)
        ) as alternative
    ),
    added as (
        insert into rasid.watch_matches (watch_id, article_id, version)
        select w.id, c.article_id, (select version from rasid.articles where id = c.article_id)
        from candidates c
        join articles a on a.article_id = c.article_id
        join rasid.watches w on w.id = c.watch_id
        where a.words @@ coalesce(w.asked, w.search::tsquery)
        order by w.id, c.article_id
        on conflict do nothing
        returning watch_id, article_id, version
    )
    select m.article_id, m.version, w.name
    from added m join rasid.watches w on w.id = m.watch_id
    order by m.article_id, w.name;
end
$$;

create view media.watches as
select name, query, language, source, created_at from rasid.watches;
comment on view media.watches is 'Saved searches that articles are matched with as they arrive.';
comment on column media.watches.name is 'The key, as it was given.';
comment on column media.watches.query is 'As media.search takes it.';
comment on column media.watches.language is 'Only articles in this language, or null.';
comment on column media.watches.source is 'Only articles of this source, or null.';
comment on column media.watches.created_at is 'When it was added.';

create view media.watch_matches as
select w.name as watch, m.article_id, m.version, m.matched_at
from rasid.watch_matches m join rasid.watches w on w.id = m.watch_id;
comment on view media.watch_matches is 'Which watch found which article; each pair once.';
comment on column media.watch_matches.watch is 'Name of the watch, in media.watches.';
comment on column media.watch_matches.article_id is 'The article, in media.articles.';
comment on column media.watch_matches.version is 'The version of it that first matched.';
comment on column media.watch_matches.matched_at is 'When Rasid found that it matches.';

do $$
begin
    if exists (select from pg_roles where rolname = 'rasid_reader') then
        grant select on media.watches, media.watch_matches to rasid_reader;
    end if;
end
$$;
