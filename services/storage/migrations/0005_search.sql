-- Full-text search. One narrow row for each article holds its words as a tsvector:
--   * each word in the spelling of rasid.normalize, at its place: what phrases and prefixes look for;
--   * at the same place its stems, each under the mark of its language (=en/run), so that a word
--     finds its other forms, and only those of the language the article is written in;
--   * without a place, what filters and time windows look for: @l/ar (language), @s/demo (source),
--     @d/2026-11-21, @m/2026-11 and @y/2026 (time).
-- Words hold neither of "=@", so nothing that a person types can mean such a mark.

-- Two usual spellings of one stem become one, in a text that is normalised otherwise.
create function rasid.one_stem(text) returns text
language plpgsql immutable strict parallel safe as $$
declare
    t text := $1;
begin
    t := replace(t, 'امريك', 'اميرك');
    t := replace(t, 'انكليز', 'انجليز');
    t := replace(t, 'انكلترا', 'انجلترا');
    t := replace(t, 'اوروب', 'اورب');
    t := replace(t, 'ديموقراط', 'ديمقراط');
    t := replace(t, 'تليفزيون', 'تلفزيون');
    t := replace(t, 'مسيول', 'مسوول');
    return t;
end
$$;

-- One spelling of a text: the very rules of services/shared/arabic.py, and a test that they agree.
create function rasid.normalize(text) returns text
language plpgsql immutable strict parallel safe as $$
declare
    t text := $1;
    zero integer;
begin
    if t !~ '[^\u0001-\u007F]' then
        t := lower(t collate "pg_c_utf8");
    elsif t !~ '[^\u0001-\u007F\u00A0\u00AB\u00AD\u00BB\u060C\u061B\u061F\u0621-\u063A\u0640-\u0652\u0660-\u0669\u066B\u066C\u200B-\u200F\u2013\u2014\u2018-\u201F\u2026\u2039\u203A]' then
        -- Nothing but what Arabic news is mostly made of: the same as below, at a third of the cost.
        t := lower(t collate "pg_c_utf8");
        t := regexp_replace(t, '[\u00AD\u0640\u064B-\u0652\u200B-\u200F]+', '', 'g');
        t := replace(replace(t, U&'\00A0', ' '), '…', '...');
        t := replace(replace(replace(t, 'أ', 'ا'), 'إ', 'ا'), 'آ', 'ا');
        t := replace(replace(replace(replace(t, 'ؤ', 'و'), 'ئ', 'ي'), 'ى', 'ي'), 'ة', 'ه');
        if t ~ '[٠-٩]' then
            t := translate(t, '٠١٢٣٤٥٦٧٨٩', '0123456789');
        end if;
        t := rasid.one_stem(t);
    else
        t := casefold(normalize(t, NFKD) collate "pg_unicode_fast");
        -- Marks that readers skip over, tatweel and invisible characters.
        t := regexp_replace(t, '[\u00AD\u0300-\u036F\u0483-\u0489\u0591-\u05BD\u05BF\u05C1\u05C2\u05C4\u05C5\u05C7\u0600-\u0605\u0610-\u061A\u061C\u0640\u064B-\u065F\u0670\u06D6-\u06DD\u06DF-\u06E4\u06E7\u06E8\u06EA-\u06ED\u070F\u0711\u0730-\u074A\u0890\u0891\u0898-\u089F\u08CA-\u08FF\u180E\u1AB0-\u1ACE\u1DC0-\u1DFF\u200B-\u200F\u202A-\u202E\u2060-\u2064\u2066-\u206F\u20D0-\u20F0\uFE00-\uFE0F\uFE20-\uFE2F\uFEFF\uFFF9-\uFFFB\U000110BD\U000110CD\U00013430-\U00013438\U0001BCA0-\U0001BCA3\U0001D173-\U0001D17A\U000E0001\U000E0020-\U000E007F]+', '', 'g');
        -- Translating takes long, and of most texts these two letters are all.
        t := replace(replace(t, 'ى', 'ي'), 'ة', 'ه');
        if t ~ '[ٱیېێےکڪۃہھەڤڨ٠-٩۰-۹]' then
            t := translate(
                t,
                'ٱیېێےکڪۃہھەڤڨ٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹',
                'اييييككههههفق01234567890123456789'
            );
        end if;
        -- The digits of all other scripts, each a run of ten from its zero.
        if t ~ '[\u07C0-\u07C9\u0966-\u096F\u09E6-\u09EF\u0A66-\u0A6F\u0AE6-\u0AEF\u0B66-\u0B6F\u0BE6-\u0BEF\u0C66-\u0C6F\u0CE6-\u0CEF\u0D66-\u0D6F\u0DE6-\u0DEF\u0E50-\u0E59\u0ED0-\u0ED9\u0F20-\u0F29\u1040-\u1049\u1090-\u1099\u17E0-\u17E9\u1810-\u1819\u1946-\u194F\u19D0-\u19D9\u1A80-\u1A89\u1A90-\u1A99\u1B50-\u1B59\u1BB0-\u1BB9\u1C40-\u1C49\u1C50-\u1C59\uA620-\uA629\uA8D0-\uA8D9\uA900-\uA909\uA9D0-\uA9D9\uA9F0-\uA9F9\uAA50-\uAA59\uABF0-\uABF9\U000104A0-\U0001E959]' then
            foreach zero in array array[
                1984, 2406, 2534, 2662, 2790, 2918, 3046, 3174, 3302, 3430,
                3558, 3664, 3792, 3872, 4160, 4240, 6112, 6160, 6470, 6608,
                6784, 6800, 6992, 7088, 7232, 7248, 42528, 43216, 43264, 43472,
                43504, 43600, 44016, 66720, 68912, 69734, 69872, 69942, 70096,
                70384, 70736, 70864, 71248, 71360, 71472, 71904, 72016, 72784,
                73040, 73120, 92768, 92864, 93008, 123200, 123632, 125264
            ] loop
                t := translate(
                    t,
                    (select string_agg(chr(zero + d), '' order by d) from generate_series(0, 9) d),
                    '0123456789'
                );
            end loop;
        end if;
        if t is not nfc normalized then
            t := normalize(t, NFC);
        end if;
        t := rasid.one_stem(t);
    end if;
    if t ~ '[0-9][.,\u066B\u066C][0-9]' then
        t := regexp_replace(t, '(?<=[0-9])[.,\u066B\u066C](?=[0-9])', '', 'g');
    end if;
    return t;
end
$$;

-- The normalised words of a text, parted by spaces only, as Postgres' parser then finds them. A
-- character of a script without spaces is a word; i is written one way (Turkish has two).
create function rasid.search_words(text) returns text
language plpgsql immutable strict parallel safe as $$
declare
    t text := replace(regexp_replace(rasid.normalize($1), '[!-/:-@[-`{-~]', ' ', 'g'), 'ı', 'i');
begin
    if t ~ '[\u0E00-\u0EFF\u1000-\u109F\u1780-\u17FF\u3040-\u30FF\u3400-\u9FFF\uF900-\uFAFF]' then
        t := regexp_replace(
            t,
            '([\u0E00-\u0EFF\u1000-\u109F\u1780-\u17FF\u3040-\u30FF\u3400-\u9FFF\uF900-\uFAFF])',
            ' \1 ', 'g'
        );
    end if;
    return t;
end
$$;

-- Languages whose words are stemmed, by which configuration, and the letters such words begin with.
-- Arabic has rules of its own (below). `used` tells that an article of the language has been stored.
create table rasid.stemmers (
    language text primary key,
    config regconfig,
    letters text not null,
    used boolean not null default false
);
insert into rasid.stemmers (language, config, letters)
select language, config::regconfig, letters
from (
    values
    ('ar', null, '^[\u0621-\u06FF]'),
    ('hy', 'pg_catalog.armenian', '^[\u0531-\u0587]'),
    ('el', 'pg_catalog.greek', '^[\u0370-\u03FF]'),
    ('hi', 'pg_catalog.hindi', '^[\u0900-\u097F]'),
    ('ne', 'pg_catalog.nepali', '^[\u0900-\u097F]'),
    ('ru', 'pg_catalog.russian', '^[\u0400-\u04FF]'),
    ('sr', 'pg_catalog.serbian', '^[a-z\u0080-\u04FF]'),
    ('ta', 'pg_catalog.tamil', '^[\u0B80-\u0BFF]'),
    ('yi', 'pg_catalog.yiddish', '^[\u05D0-\u05FF]'),
    ('eu', 'pg_catalog.basque', '^[a-z\u0080-\u024F]'),
    ('ca', 'pg_catalog.catalan', '^[a-z\u0080-\u024F]'),
    ('da', 'pg_catalog.danish', '^[a-z\u0080-\u024F]'),
    ('nl', 'pg_catalog.dutch', '^[a-z\u0080-\u024F]'),
    ('en', 'pg_catalog.english', '^[a-z\u0080-\u024F]'),
    ('fi', 'pg_catalog.finnish', '^[a-z\u0080-\u024F]'),
    ('fr', 'pg_catalog.french', '^[a-z\u0080-\u024F]'),
    ('de', 'pg_catalog.german', '^[a-z\u0080-\u024F]'),
    ('hu', 'pg_catalog.hungarian', '^[a-z\u0080-\u024F]'),
    ('id', 'pg_catalog.indonesian', '^[a-z\u0080-\u024F]'),
    ('ga', 'pg_catalog.irish', '^[a-z\u0080-\u024F]'),
    ('it', 'pg_catalog.italian', '^[a-z\u0080-\u024F]'),
    ('lt', 'pg_catalog.lithuanian', '^[a-z\u0080-\u024F]'),
    ('no', 'pg_catalog.norwegian', '^[a-z\u0080-\u024F]'),
    ('nb', 'pg_catalog.norwegian', '^[a-z\u0080-\u024F]'),
    ('nn', 'pg_catalog.norwegian', '^[a-z\u0080-\u024F]'),
    ('pt', 'pg_catalog.portuguese', '^[a-z\u0080-\u024F]'),
    ('ro', 'pg_catalog.romanian', '^[a-z\u0080-\u024F]'),
    ('es', 'pg_catalog.spanish', '^[a-z\u0080-\u024F]'),
    ('sv', 'pg_catalog.swedish', '^[a-z\u0080-\u024F]'),
    ('tr', 'pg_catalog.turkish', '^[a-z\u0080-\u024F]')
) as stemmer (language, config, letters);

-- A tsvector, written out, with the mark of a language on each word.
create function rasid.marked(vector tsvector, language text) returns text
language sql immutable strict parallel safe as $$
    select replace(' ' || vector::text, ' ''', ' ''=' || language || '/')
$$;

-- Arabic words of a tsvector written out, without article, plural and gender: what a word of a query
-- and a word of a text have in common. (ال, لل, وال, بال, كال, فال; ون, ين, ها, هم, and ه after ي; three
-- or four letters remain.) Letters that may be the word's own, as the waw of وزير, stay. A tatweel, which no
-- normalised word has, stands where the article was.
create function rasid.arabic_stems(vector text) returns text
language sql immutable strict parallel safe as $$
    select regexp_replace(
        regexp_replace(vector, '''[وف]?(?:[بك]?ال|لل)(\w{3})', '''ـ\1', 'g'),
        '([^ ـ'']{4})(?:ون|ين|ها|هم|(?<=ي)ه)'':', '\1'':', 'g'
    )
$$;

-- The stems of all words of a text that are not words of it themselves, marked, written out. For
-- Arabic also what is left without a particle written on the word (وقال, ببغداد, وبلبنان): only a text
-- is read so, never a query, or else who asks for لبنان would find بنان.
create function rasid.search_stems(words text, exact tsvector, language text) returns text
language plpgsql stable strict parallel safe as $$
declare
    config regconfig;
    stems text;
    shorter text;
    vector tsvector;
begin
    if language = 'ar' then
        stems := rasid.arabic_stems(exact::text);
        shorter := regexp_replace(stems, '''[وف](\w{3})', '''\1', 'g');
        vector := replace(
            stems || ' ' || shorter || ' '
            || regexp_replace(shorter, '''[بكل](\w{3})', '''\1', 'g'),
            'ـ', ''
        )::tsvector;
    else
        select s.config into config from rasid.stemmers s where s.language = search_stems.language;
        vector := to_tsvector(config, words);
    end if;
    return coalesce(rasid.marked(ts_delete(vector, tsvector_to_array(exact)), language), '');
end
$$;

-- Days, months and years as lexemes.
create function rasid.time_lexemes(at timestamptz) returns text[]
language sql immutable strict parallel safe as $$
    select array[
        to_char(at at time zone 'UTC', '"@d/"YYYY-MM-DD'),
        to_char(at at time zone 'UTC', '"@m/"YYYY-MM'),
        to_char(at at time zone 'UTC', '"@y/"YYYY')
    ]
$$;

-- All an article is found by. Of a text of more than 100,000 characters only the first are searched,
-- and one made of nothing but different words is not stemmed: a tsvector holds one megabyte.
create function rasid.search_vector(
    title text, body text, language text, source text, at timestamptz
) returns tsvector
language plpgsql stable parallel safe as $$
declare
    head text := rasid.search_words(coalesce(left(title, 10000), ''));
    tail text := left(rasid.search_words(left(body, 100000)), 100000);
    -- A word between the two keeps phrases from running out of the title into the text.
    head_exact tsvector := to_tsvector('pg_catalog.simple', head || ' x0between0x');
    tail_exact tsvector := to_tsvector('pg_catalog.simple', tail);
    head_all tsvector := head_exact;
    tail_all tsvector := tail_exact;
begin
    if octet_length(tail) < 300000 and language is not null then
        head_all := (
            head_exact::text || ' ' || rasid.search_stems(head, head_exact, language)
        )::tsvector;
        tail_all := (
            tail_exact::text || ' ' || rasid.search_stems(tail, tail_exact, language)
        )::tsvector;
    end if;
    return ts_delete(
        setweight(head_all, 'A') || tail_all,
        'x0between0x'
    ) || array_to_tsvector(
        array_remove(
            rasid.time_lexemes(at) || ('@l/' || language) || ('@s/' || source), null
        )
    );
end
$$;

create table rasid.article_search (
    article_id bigint primary key references rasid.articles (id) on delete cascade,
    at timestamptz not null, -- of publication, or where that is unknown of storing
    created_at timestamptz not null,
    words tsvector not null
);
-- Rows stay narrow: a search goes over many of them, and reads the words of few.
alter table rasid.article_search set (toast_tuple_target = 128);
do $$
begin
    if 'lz4' = any (
        select unnest(enumvals) from pg_settings where name = 'default_toast_compression'
    ) then
        alter table rasid.article_search alter column words set compression lz4;
    end if;
end
$$;
create index article_search_words on rasid.article_search using gin (words);
create index article_search_at on rasid.article_search (at);

-- Make articles findable by what they say now; repeatable.
create function rasid.index_articles(ids bigint[]) returns void
language sql as $$
    update rasid.stemmers set used = true
    where not used and language in (select language from rasid.articles where id = any(ids));
    insert into rasid.article_search (article_id, at, created_at, words)
    select
        id, coalesce(published_at, created_at), created_at,
        rasid.search_vector(
            title, text, language, source, coalesce(published_at, created_at)
        )
    from rasid.articles where id = any(ids)
    order by id
    on conflict (article_id) do update set at = excluded.at, words = excluded.words;
$$;

-- What was stored before there was a search.
select rasid.index_articles(array_agg(id)) from rasid.articles;

-- A lexeme as it stands in a tsquery.
create function rasid.quoted(lexeme text) returns text
language sql immutable strict parallel safe as $$
    select '''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || ''''
$$;

-- One word of a query: itself, or a word of the same stem in the languages asked for. `keys` are the
-- lexemes of which an article that matches has at least one.
create function rasid.search_word(
    word text, languages text[], out term text, out keys text[]
)
language plpgsql stable strict parallel safe as $$
declare
    stemmer rasid.stemmers;
    stem text;
begin
    term := rasid.quoted(word);
    keys := array[word];
    for stemmer in
        select * from rasid.stemmers s where s.language = any(languages) and word ~ s.letters
    loop
        if stemmer.language = 'ar' then
            stem := replace(
                (tsvector_to_array(rasid.arabic_stems(rasid.quoted(word) || ':1')::tsvector))[1],
                'ـ', ''
            );
        else
            stem := (tsvector_to_array(to_tsvector(stemmer.config, word)))[1];
        end if;
        continue when stem is null; -- a word that says nothing has no stem, and finds itself only
        term := term || '|' || rasid.quoted('=' || stemmer.language || '/' || stem);
        keys := keys || ('=' || stemmer.language || '/' || stem);
        if stem <> word then
            term := term || '|' || rasid.quoted(stem) || '&'
                || rasid.quoted('@l/' || stemmer.language);
            keys := keys || stem;
        end if;
    end loop;
    term := '(' || term || ')';
end
$$;

-- What a person types, term by term: words, "phrases", prefix*, -not, or. Any text is a query; what is
-- no word is left out. Each element of `keys`, a list, is one of several ways to tell that an article
-- may match: it has one of these lexemes (beginnings of lexemes, where they end in *).
create function rasid.search_terms(query text, languages text[])
returns table (alternative integer, negated boolean, term text, keys jsonb)
language plpgsql stable strict parallel safe as $$
declare
    token text[];
    body text;
    starts boolean; -- a prefix
    words text[];
    word record;
begin
    alternative := 1;
    for token in
        select regexp_matches(
            translate(left(search_terms.query, 1000), '“”„«»״', '""""""'),
            '(-?)(?:"([^"]*)"|([^\s"]+))', 'g'
        )
    loop
        body := coalesce(token[2], token[3]);
        if token[1] = '' and (lower(token[3]) = 'or' or token[3] = '|') then
            alternative := alternative + 1;
            continue;
        end if;
        select array_agg(w.lexeme order by p.place) into words
        from unnest(to_tsvector('pg_catalog.simple', rasid.search_words(body))) w
        cross join unnest(w.positions) as p (place);
        continue when words is null;
        starts := body like '%*' and length(words[cardinality(words)]) >= 2;
        if token[2] is null and cardinality(words) = 1 and not starts then
            select * into word from rasid.search_word(words[1], languages);
            term := word.term;
            keys := jsonb_build_array(word.keys);
        else
            select
                '(' || string_agg(rasid.quoted(u.w), '<->' order by u.place)
                    || case when starts then ':*)' else ')' end,
                jsonb_agg(jsonb_build_array(
                    u.w || case when starts and u.place = cardinality(words) then '*' else '' end
                ))
            into term, keys
            from unnest(words) with ordinality as u (w, place);
        end if;
        negated := token[1] = '-';
        return next;
    end loop;
end
$$;

-- The whole query; null where nothing is asked for. An alternative that only says what must not be
-- there finds nothing.
create function rasid.search_query(query text, languages text[]) returns tsquery
language sql stable strict parallel safe as $$
    select string_agg('(' || all_of || ')', '|')::tsquery
    from (
        select string_agg(case when negated then '!' else '' end || term, '&') as all_of
        from rasid.search_terms(query, languages)
        group by alternative
        having not bool_and(negated)
    ) as alternatives
$$;

-- Lexemes of which one stands in each row of a span of time: days, months or years of UTC.
create function rasid.time_span(first timestamptz, last timestamptz) returns tsquery
language sql immutable strict parallel safe as $$
    select string_agg(
        distinct rasid.quoted(
            (rasid.time_lexemes(at))[case unit when '1 day' then 1 when '1 month' then 2 else 3 end]
        ),
        '|'
    )::tsquery
    from (
        select case
            when last - first <= interval '32 days' then '1 day'
            when last - first <= interval '1100 days' then '1 month'
            else '1 year'
        end as unit
    ) as step
    cross join lateral (
        select generate_series(first at time zone 'UTC', last at time zone 'UTC', unit::interval)
            at time zone 'UTC' as at
        union all
        select last
    ) as place
$$;

-- Lexemes of a query; a prefix ends in *.
create function rasid.sought(query tsquery) returns text[]
language sql immutable strict parallel safe as $$
    select array_agg(distinct replace(match[1], '''''', '''') || coalesce(match[2], ''))
    from regexp_matches(
        regexp_replace(query::text, ''':\*', '''*', 'g'), '''((?:[^'']|'''')+)''(\*?)', 'g'
    ) as match
$$;

-- Some forty words of a text around what was found, as published, with marks around the words found.
create function rasid.snippet(
    body text, sought text[], prefixes text[], mark_start text, mark_stop text
) returns text
language plpgsql stable strict parallel safe as $$
declare
    -- Odd pieces are what stands between words, even ones are words; only words are normalised,
    -- and the sign between them stays, so the two lists run side by side.
    cut text := regexp_replace(
        translate(left(body, 100000), E'\x01', ''),
        '([\u0E00-\u0EFF\u1000-\u109F\u1780-\u17FF\u3040-\u30FF\u3400-\u9FFF\uF900-\uFAFF]|(?:[^\W_\u0E00-\u0EFF\u1000-\u109F\u1780-\u17FF\u3040-\u30FF\u3400-\u9FFF\uF900-\uFAFF]|[\u0660-\u0669\u06F0-\u06F9\u0966-\u096F\u00AD\u0300-\u036F\u0591-\u05C7\u0610-\u061A\u061C\u0640\u064B-\u065F\u0670\u06D6-\u06ED\u0900-\u0903\u093A-\u0963\u0980-\u0DFF\u200B-\u200F\u202A-\u202E\u2060-\u206F\uFE00-\uFE0F]|(?<=[0-9\u0660-\u0669\u06F0-\u06F9])[.,\u066B\u066C](?=[0-9\u0660-\u0669\u06F0-\u06F9]))+)',
        E'\x01\\1\x01', 'g'
    );
    shown text[] := string_to_array(cut, E'\x01');
    plain text[] := string_to_array(translate(rasid.normalize(cut), 'ı', 'i'), E'\x01');
    hits integer[];
    first integer := 1;
    last integer;
begin
    select array_agg(place order by place) into hits
    from unnest(plain) with ordinality as u (word, place)
    where place % 2 = 0 and (word = any(sought) or word ^@ any(prefixes));
    if hits is not null then
        -- From the hit after which the most different words follow soon.
        select h into first from unnest(hits) as h
        order by (
            select count(distinct plain[other]) from unnest(hits) as other
            where other between h and h + 60
        ) desc, h
        limit 1;
        first := greatest(1, first - 17);
    end if;
    last := least(first + 79, cardinality(shown));
    return case when first > 1 then '… ' else '' end || (
        select string_agg(
            case when place = any(hits) then mark_start || piece || mark_stop
            else regexp_replace(piece, '\s+', ' ', 'g') end,
            '' order by place
        )
        from unnest(shown) with ordinality as u (piece, place)
        where place between first and last
    ) || case when last < cardinality(shown) then ' …' else '' end;
end
$$;

-- Words of an article, as it writes them, that a query found; and prefixes as they were asked for.
create function rasid.words_found(words tsvector, sought text[]) returns text[]
language sql immutable strict parallel safe as $$
    with hits as (
        select array_agg(distinct place) as places
        from unnest(words) as w cross join unnest(w.positions) as p (place)
        where w.lexeme = any(sought)
    )
    select array_agg(w.lexeme) from unnest(words) as w, hits
    where w.positions && hits.places and w.lexeme !~ '^[=@]'
$$;

create function media.search(
    query text,
    in_language text default null,
    in_source text default null,
    published_from timestamptz default null,
    published_to timestamptz default null,
    created_from timestamptz default null,
    created_to timestamptz default null,
    sort text default 'relevance',
    max_rows integer default 20,
    skip_rows integer default 0,
    mark_start text default '<mark>',
    mark_stop text default '</mark>'
) returns table (
    article_id bigint,
    url text,
    title text,
    source text,
    language text,
    published_at timestamptz,
    created_at timestamptz,
    duplicate_of bigint,
    story_id bigint,
    withdrawn_at timestamptz,
    rank real,
    snippet text,
    matches bigint,
    matches_from timestamptz
)
language plpgsql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
#variable_conflict use_column
declare
    -- So many of the newest that match are ranked, then so many of the next: what is ranked together
    -- does not depend on the page that is asked for.
    ranked constant integer := 500;
    asked tsquery;
    wanted tsquery; -- without what must not be there
    narrowed tsquery;
    first timestamptz;
    last timestamptz;
    window_from timestamptz;
    days integer := 2;
    ids bigint[];
    counted bigint;
    rows_wanted integer := least(coalesce(search.max_rows, 20), 1000);
    rows_skipped bigint := greatest(coalesce(search.skip_rows, 0), 0);
    enough bigint := ranked * ceil((rows_wanted + rows_skipped)::numeric / ranked);
begin
    if search.sort is null or search.sort not in ('relevance', 'newest') then
        raise exception 'media.search() sorts by relevance or newest, not by %', search.sort
            using errcode = 'invalid_parameter_value';
    end if;
    asked := rasid.search_query(
        search.query,
        case
            when search.in_language is not null then array[search.in_language]
            else array(select s.language from rasid.stemmers s where s.used)
        end
    );
    if asked is null or rows_wanted <= 0 then
        return;
    end if;
    wanted := querytree(asked)::tsquery;
    narrowed := asked;
    if search.in_language is not null then
        narrowed := narrowed && rasid.quoted('@l/' || search.in_language)::tsquery;
    end if;
    if search.in_source is not null then
        narrowed := narrowed && rasid.quoted('@s/' || search.in_source)::tsquery;
    end if;
    select least(a.at, search.published_to) into last
    from rasid.article_search a order by a.at desc limit 1;
    select greatest(a.at, search.published_from) into first
    from rasid.article_search a order by a.at limit 1;
    -- The newest are looked for first: where very much matches, in growing spans of time until there
    -- are enough; else, judged by the first span, everywhere at once.
    loop
        window_from := last - make_interval(days => days);
        if window_from <= first then
            window_from := null;
        end if;
        select array_agg(newest.article_id order by newest.at desc, newest.article_id desc),
            max(newest.counted)
        into ids, counted
        from (
            select a.article_id, a.at, count(*) over () as counted
            from rasid.article_search a
            where a.words @@ case
                    when window_from is null then narrowed
                    else narrowed && rasid.time_span(window_from, last)
                end
                and (window_from is null or a.at >= window_from)
                and (search.published_from is null or a.at >= search.published_from)
                and (search.published_to is null or a.at < search.published_to)
                and (search.created_from is null or a.created_at >= search.created_from)
                and (search.created_to is null or a.created_at < search.created_to)
            -- An expression, so that no plan walks along the index of times instead.
            order by a.at + interval '0' desc, a.article_id desc
            limit enough
        ) as newest;
        exit when window_from is null;
        if coalesce(counted, 0) * extract(epoch from last - first) / (86400 * days) < 20000 then
            first := last; -- everywhere
        elsif cardinality(ids) >= enough then
            exit;
        end if;
        days := days * 4;
    end loop;
    return query
    with hits as (
        select
            a.article_id, a.at, a.words,
            case when search.sort = 'newest' then 0 else
                ts_rank('{0.1, 0.1, 0.1, 1}', a.words, wanted, 1)
                * (0.3 + 0.7 / (1 + greatest(0, extract(epoch from now() - a.at)) / 2592000))
            end::real as rank,
            (newest.place - 1) / ranked as block
        from unnest(ids) with ordinality as newest (article_id, place)
        join rasid.article_search a using (article_id)
        order by 5, 4 desc, a.at desc, a.article_id desc
        limit rows_wanted offset rows_skipped
    )
    select
        h.article_id, a.url, a.title, a.source, a.language, a.published_at, a.created_at,
        a.duplicate_of, m.story_id, a.withdrawn_at, h.rank,
        rasid.snippet(
            a.text,
            coalesce(rasid.words_found(h.words, rasid.sought(wanted)), '{}'),
            array(select rtrim(s, '*') from unnest(rasid.sought(wanted)) as s where s like '%*'),
            search.mark_start, search.mark_stop
        ),
        counted, window_from
    from hits h
    join rasid.articles a on a.id = h.article_id
    left join rasid.story_articles m on m.article_id = a.id
    order by h.block, h.rank desc, h.at desc, h.article_id desc;
end
$$;
comment on function media.search is
    'Articles that match a query: words, "phrases", prefix*, -not, or. matches counts them since matches_from, or all of them where that is null.';

do $$
begin
    if exists (select from pg_roles where rolname = 'rasid_reader') then
        grant execute on function media.search to rasid_reader;
    end if;
end
$$;
