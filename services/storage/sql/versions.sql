-- name: content
-- What a new version is compared with; of an article that is locked.
select
    title, text, authors, language, published_at, published_at_precision, published_at_seen,
    modified_at, canonical_url, site_name, section, dateline, description, image_url, tags, labels,
    captions, comments_count
from rasid.articles where id = %(id)s;

-- name: seen_again
-- As it is stored: what was fetched before this time is older.
update rasid.articles set observed_at = %(observed_at)s, observed_page_id = %(page_id)s
where id = %(id)s;

-- name: read_again
-- The same content by another reading: what no version keeps may differ.
update rasid.articles set
    published_at_precision = %(published_at_precision)s,
    published_at_seen = %(published_at_seen)s,
    modified_at = %(modified_at)s,
    canonical_url = %(canonical_url)s,
    site_name = %(site_name)s,
    section = %(section)s,
    dateline = %(dateline)s,
    description = %(description)s,
    image_url = %(image_url)s,
    tags = %(tags)s,
    labels = %(labels)s,
    captions = %(captions)s,
    comments_count = %(comments_count)s,
    comments = %(comments)s,
    witnesses = %(witnesses)s,
    extractor_version = %(extractor_version)s
where id = %(id)s;

-- name: seen_worse
-- When the article was first seen like this, now included.
insert into rasid.worse_copies as seen (article_id, sha256, first_observed_at)
values (%(id)s, %(sha256)s, %(observed_at)s)
on conflict (article_id, sha256) do update
    set first_observed_at = least(seen.first_observed_at, excluded.first_observed_at)
returning first_observed_at;

-- name: forget_worse
-- The article has a new version, or was seen at this time as it is stored.
delete from rasid.worse_copies
where article_id = %(id)s
    and first_observed_at <= coalesce(%(seen_at)s::timestamptz, 'infinity');
