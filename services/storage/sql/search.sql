-- name: index
-- Articles that were created or have a new version are found by what they say now.
select rasid.index_articles(%(ids)s);

-- name: index_words
-- The same, with the vectors of title and text given.
select rasid.index_words(%(ids)s::bigint[], %(vectors)b);

-- name: stemmed_languages
select language from rasid.stemmers;

-- name: reads_alike
-- Whether Postgres' parser, in this database's locale and its version of Unicode, takes the letters
-- for letters and what parts words for that.
select
    tsvector_to_array(to_tsvector('pg_catalog.simple', %(parted)s)) = array['x']
    and tsvector_to_array(to_tsvector('pg_catalog.simple', %(words)s))
        @> string_to_array(%(words)s, ' ')
    and string_to_array(unicode_version(), '.')::integer[]
        >= string_to_array(%(unicode)s, '.')::integer[];

-- name: word_stems
select place, stem from rasid.word_stems(string_to_array(%(words)s, ' '), %(language)s);

-- name: search
select *
from media.search(
    %(query)s,
    in_language => %(language)s,
    in_source => %(source)s,
    published_from => %(published_from)s,
    published_to => %(published_to)s,
    created_from => %(created_from)s,
    created_to => %(created_to)s,
    sort => %(sort)s,
    max_rows => %(limit)s,
    skip_rows => %(offset)s,
    mark_start => %(mark_start)s,
    mark_stop => %(mark_stop)s
);
