-- Words of most texts are found by the worker, which has them normalised already; Postgres stems
-- each of them once for a worker. rasid.search_vector still makes the very same of every text.

-- The stems of all words of a text, words that are stems of themselves as well. For Arabic also what
-- is left without a particle written on the word (وقال, ببغداد, وبلبنان): only a text is read so, never a
-- query, or else who asks for لبنان would find بنان. Null where the language has no stems.
create function rasid.stems(words text, exact tsvector, language text) returns tsvector
language plpgsql stable strict parallel safe as $$
declare
    config regconfig;
    bare text;
    shorter text;
begin
    if language = 'ar' then
        bare := rasid.arabic_stems(exact::text);
        shorter := regexp_replace(bare, '''[وف](\w{3})', '''\1', 'g');
        return replace(
            bare || ' ' || shorter || ' '
            || regexp_replace(shorter, '''[بكل](\w{3})', '''\1', 'g'),
            'ـ', ''
        )::tsvector;
    end if;
    select s.config into config from rasid.stemmers s where s.language = stems.language;
    return to_tsvector(config, words);
end
$$;

-- Those that are not words of the text themselves, marked, written out.
create or replace function rasid.search_stems(words text, exact tsvector, language text) returns text
language sql stable strict parallel safe as $$
    select coalesce(
        rasid.marked(
            ts_delete(rasid.stems(words, exact, language), tsvector_to_array(exact)), language
        ),
        ''
    )
$$;

-- The stems of each of these words that differ from it, by its number from 1. Each word is one to
-- Postgres' parser. A lexeme has 255 places at most, and so many words are stemmed at once.
create function rasid.word_stems(words text[], language text)
returns table (place integer, stem text)
language sql stable strict parallel safe rows 100 as $$
    select part.first + p.place - 1, s.lexeme
    from (
        select first, array_to_string(words[first:first + 254], ' ') as text
        from generate_series(1, cardinality(words), 255) as first
    ) as part
    cross join lateral unnest(
        rasid.stems(part.text, to_tsvector('pg_catalog.simple', part.text), language)
    ) as s
    cross join lateral unnest(s.positions) as p (place)
    where s.lexeme <> words[part.first + p.place - 1]
$$;

-- What filters and time windows look for.
create function rasid.search_filters(language text, source text, at timestamptz) returns tsvector
language sql immutable parallel safe as $$
    select array_to_tsvector(
        array_remove(rasid.time_lexemes(at) || ('@l/' || language) || ('@s/' || source), null)
    )
$$;

-- As rasid.index_articles, with what their titles and texts are found by given.
create function rasid.index_words(ids bigint[], vectors tsvector[]) returns void
language sql as $$
    update rasid.stemmers set used = true
    where not used and language in (select language from rasid.articles where id = any(ids));
    insert into rasid.article_search (article_id, at, created_at, words)
    select
        a.id, t.at, a.created_at, given.vector || rasid.search_filters(a.language, a.source, t.at)
    from unnest(ids, vectors) as given (id, vector)
    join rasid.articles as a using (id)
    cross join lateral (select coalesce(a.published_at, a.created_at) as at) as t
    order by a.id
    on conflict (article_id) do update set at = excluded.at, words = excluded.words;
$$;
