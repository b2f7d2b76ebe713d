-- name: add_sources
-- Names that pages carry; sources.yaml may describe them later or never.
insert into rasid.sources (name)
select distinct name from unnest(%(names)s::text[]) as name
on conflict do nothing;

-- name: add_capture
-- By the day of the transaction, as its raw pages are.
insert into rasid.captures (sha256, body) values (%(sha256)s, %(body)s)
on conflict do nothing;

-- name: add_article
-- No row comes back where the normalized URL is an article already.
insert into rasid.articles (
    normalized_url_sha256, normalized_url, url, source, title, text, authors, language,
    published_at, published_at_precision, published_at_seen, modified_at, canonical_url,
    site_name, section, dateline, description, image_url, tags, labels, captions,
    comments_count, comments, witnesses, text_sha256, content_sha256, extractor_version, page_id, capture_sha256, origin, feed_url,
    fetched_at, observed_at
) values (
    %(normalized_url_sha256)s, %(normalized_url)s, %(url)s, %(source)s, %(title)s, %(text)s,
    %(authors)s, %(language)s, %(published_at)s, %(published_at_precision)s,
    %(published_at_seen)s, %(modified_at)s, %(canonical_url)s, %(site_name)s, %(section)s,
    %(dateline)s, %(description)s, %(image_url)s, %(tags)s, %(labels)s, %(captions)s,
    %(comments_count)s, %(comments)s, %(witnesses)s, %(text_sha256)s, %(content_sha256)s, %(extractor_version)s, %(page_id)s,
    %(capture_sha256)s, %(origin)s, %(feed_url)s, %(fetched_at)s,
    coalesce(%(observed_at)s, now())
)
on conflict (normalized_url_sha256) do nothing
returning id;

-- name: lock_articles
-- The stored state of articles that are there already; locked in one order by all writers, and
-- not so strongly that a copy which names one of them in duplicate_of would have to wait.
select
    normalized_url_sha256, id, version, content_sha256, text_sha256, capture_sha256,
    extractor_version, page_id, coalesce(observed_page_id, page_id) as observed_page_id, fetched_at,
    observed_at, withdrawn_at, withdrawn_reason
from rasid.articles
where normalized_url_sha256 = any(%(keys)s)
order by normalized_url_sha256
for no key update;

-- name: supersede
-- Keep the content that is about to be replaced.
insert into rasid.article_versions (
    article_id, version, title, text, authors, language, published_at, modified_at, witnesses,
    text_sha256, extractor_version, page_id, capture_sha256, fetched_at, stored_at, reason, changed
)
select
    id, version, title, text, authors, language, published_at, modified_at, witnesses,
    text_sha256, extractor_version, page_id, capture_sha256, fetched_at, updated_at,
    version_reason, version_changed
from rasid.articles
where id = %(id)s;

-- name: update_article
-- What identifies the article and where it was first seen stay.
update rasid.articles set
    version = version + 1,
    version_reason = %(version_reason)s,
    version_changed = %(version_changed)s,
    url = %(url)s,
    source = coalesce(source, %(source)s),
    title = %(title)s,
    text = %(text)s,
    authors = %(authors)s,
    language = %(language)s,
    published_at = %(published_at)s,
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
    text_sha256 = %(text_sha256)s,
    content_sha256 = %(content_sha256)s,
    extractor_version = %(extractor_version)s,
    page_id = %(page_id)s,
    capture_sha256 = %(capture_sha256)s,
    fetched_at = %(fetched_at)s,
    observed_at = coalesce(%(observed_at)s, now()),
    observed_page_id = null,
    updated_at = now()
where id = %(id)s;

-- name: lock_text
-- Held before its owner is replaced, so that nobody becomes a duplicate of it meanwhile.
select article_id from rasid.texts where text_sha256 = %(text_sha256)s for update;

-- name: release_text
-- The owner's text has changed: the oldest other article with the old text now had it first.
-- Returns the copies whose duplicate_of is another now.
with heir as (
    select min(id) as id from rasid.articles
    where text_sha256 = %(text_sha256)s and id <> %(article_id)s
),
inherited as (
    update rasid.texts set article_id = heir.id from heir
    where text_sha256 = %(text_sha256)s and article_id = %(article_id)s and heir.id is not null
),
gone as (
    delete from rasid.texts using heir
    where text_sha256 = %(text_sha256)s and article_id = %(article_id)s and heir.id is null
)
update rasid.articles set duplicate_of = nullif(heir.id, articles.id)
from heir
where articles.duplicate_of = %(article_id)s and articles.text_sha256 = %(text_sha256)s
returning articles.id, articles.version, articles.duplicate_of;

-- name: claim_text
-- The primary key decides which article had the text first. The update changes nothing: it makes
-- the row come back, and waits for a writer who is about to release it.
insert into rasid.texts (text_sha256, article_id) values (%(text_sha256)s, %(id)s)
on conflict (text_sha256) do update set text_sha256 = excluded.text_sha256
returning article_id;

-- name: set_duplicate_of
update rasid.articles set duplicate_of = %(duplicate_of)s where id = %(id)s;

-- name: list
-- Newest first.
select to_jsonb(a) from media.articles as a
where (%(source)s::text is null or source = %(source)s)
    and (%(language)s::text is null or language = %(language)s)
    and (not %(distinct)s or id in (select id from media.distinct_articles))
order by id desc
limit %(limit)s;

-- name: one
select to_jsonb(a) from media.articles as a where id = %(id)s;
