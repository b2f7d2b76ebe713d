-- The first schema: what consumers read is in schema media, everything else in schema rasid.
-- The closed sets in check constraints are those of services/shared/contracts.py.

create schema rasid;
create schema media;

-- Outlets we watch, by the name they have in sources.yaml; the importer adds names it is told.
create table rasid.sources (
    name text primary key,
    title text,
    home_page_url text,
    country text,
    language text,
    time_zone text,
    enabled boolean not null default true,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

-- One address of a source that lists links. A sitemap index adds rows for its children.
create table rasid.feeds (
    id bigint generated always as identity primary key,
    source text not null references rasid.sources (name) on update cascade,
    url text not null unique,
    host text not null,
    kind text not null check (kind in ('feed', 'sitemap')),
    parent_id bigint references rasid.feeds (id) on delete cascade,
    depth smallint not null default 0, -- how many indexes lead to it
    modified_at timestamptz, -- as its index says
    enabled boolean not null default true,
    poll_every_s double precision not null,
    next_fetch_at timestamptz not null default now(),
    etag text,
    last_modified text,
    last_fetched_at timestamptz,
    last_status smallint,
    last_outcome text,
    last_error text,
    errors_count integer not null default 0,
    links_count integer not null default 0,
    created_at timestamptz not null default now()
);
create index feeds_due on rasid.feeds (host, next_fetch_at) where enabled;

-- Who works a host now (one crawler at a time), and whether it asked us to stay away. A killed
-- crawler's lease runs out, and its links that were being fetched become due again.
create table rasid.hosts (
    name text primary key,
    leased_by text,
    leased_until timestamptz,
    blocked_until timestamptz,
    blocks_count integer not null default 0 -- one after the other, without an answer between
);

-- The frontier: what feeds list, stored before it is fetched, and what became of it.
create table rasid.links (
    id bigint generated always as identity primary key,
    normalized_url_sha256 bytea not null unique,
    normalized_url text not null,
    url text not null,
    host text not null,
    source text not null references rasid.sources (name) on update cascade,
    feed_id bigint references rasid.feeds (id) on delete set null, -- the first that listed it
    title text, -- this and the two dates: as that feed says
    published_at timestamptz,
    modified_at timestamptz,
    state text not null default 'due'
        check (state in ('due', 'fetching', 'fetched', 'failed', 'refused')),
    reason text,
    attempts_count integer not null default 0,
    next_fetch_at timestamptz not null default now(),
    http_status smallint,
    final_url text,
    page_id text,
    first_seen_at timestamptz not null default now(),
    last_fetched_at timestamptz
);
create index links_due on rasid.links (host, next_fetch_at) where state = 'due';
create index links_fetching on rasid.links (host) where state = 'fetching';
create index links_page on rasid.links (page_id);

-- Which feeds listed a link, and when first.
create table rasid.link_feeds (
    link_id bigint not null references rasid.links (id) on delete cascade,
    feed_id bigint not null references rasid.feeds (id) on delete cascade,
    first_seen_at timestamptz not null default now(),
    primary key (link_id, feed_id)
);

-- Bodies as received, zstd-compressed, by the sha256 of the uncompressed bytes.
create table rasid.captures (
    sha256 bytea primary key,
    body bytea not null,
    first_seen_at timestamptz not null default now()
);
alter table rasid.captures alter column body set storage external; -- it is compressed already

-- The clean rows. normalized_url can be longer than an index entry, so its hash is the key.
create table rasid.articles (
    id bigint generated always as identity primary key,
    normalized_url_sha256 bytea not null unique,
    normalized_url text not null,
    url text not null,
    source text references rasid.sources (name) on update cascade,
    title text,
    text text not null,
    authors text[] not null,
    language text,
    published_at timestamptz,
    published_at_precision text
        check (published_at_precision in ('second', 'minute', 'day', 'month', 'year')),
    published_at_seen text,
    modified_at timestamptz,
    canonical_url text,
    site_name text,
    section text,
    dateline text,
    description text,
    image_url text,
    tags text[] not null,
    labels text[] not null,
    captions text[] not null,
    comments_count integer,
    comments jsonb not null,
    witnesses jsonb not null,
    text_sha256 bytea not null,
    content_sha256 bytea not null,
    duplicate_of bigint references rasid.articles (id),
    version integer not null default 1,
    extractor_version integer not null,
    page_id text not null,
    capture_sha256 bytea not null,
    origin text not null,
    feed_url text,
    fetched_at timestamptz,
    -- When this content was fetched, or, where that is unknown, received: decides which is newer.
    observed_at timestamptz not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index articles_text on rasid.articles (text_sha256);
create index articles_duplicates on rasid.articles (duplicate_of) where duplicate_of is not null;
create index articles_published on rasid.articles (published_at);
create index articles_source on rasid.articles (source, id);

-- Which article had a text first. The primary key decides between writers at the same instant.
create table rasid.texts (
    text_sha256 bytea primary key,
    article_id bigint not null references rasid.articles (id)
);

-- Content that a newer version has replaced.
create table rasid.article_versions (
    article_id bigint not null references rasid.articles (id),
    version integer not null,
    title text,
    text text not null,
    authors text[] not null,
    language text,
    published_at timestamptz,
    modified_at timestamptz,
    witnesses jsonb not null,
    text_sha256 bytea not null,
    extractor_version integer not null,
    page_id text not null,
    capture_sha256 bytea not null,
    fetched_at timestamptz,
    stored_at timestamptz not null,
    superseded_at timestamptz not null default now(),
    primary key (article_id, version)
);

-- One row for every raw page that was taken from the queue, and what became of it.
create table rasid.raw_pages (
    id text primary key,
    requested_url text,
    final_url text,
    origin text not null,
    source text references rasid.sources (name) on update cascade,
    feed_url text,
    fetched_at timestamptz,
    status smallint,
    headers jsonb not null,
    capture_sha256 bytea not null,
    outcome text not null check (
        outcome in ('created', 'duplicate', 'updated', 'unchanged', 'outdated', 'rejected', 'dead_letter')
    ),
    reason text,
    detail text,
    article_id bigint references rasid.articles (id),
    extractor_version integer not null,
    processed_at timestamptz not null default now(),
    check ((outcome in ('rejected', 'dead_letter')) = (reason is not null)),
    check ((outcome in ('rejected', 'dead_letter')) = (article_id is null))
);
create index raw_pages_outcome on rasid.raw_pages (outcome, reason);
create index raw_pages_article on rasid.raw_pages (article_id);
create index raw_pages_requested_url on rasid.raw_pages using hash (requested_url);
create index raw_pages_final_url on rasid.raw_pages using hash (final_url);
-- All pages of a feed share one origin, which a hash index would keep in one endless bucket; an
-- origin can be longer than an entry of this index.
create index raw_pages_origin on rasid.raw_pages (left(origin, 200));

-- Raw pages that failed for good. `header` is the queue message without its body, which is in
-- captures; the row goes when a replay succeeds or someone discards it.
create table rasid.dead_letters (
    page_id text primary key,
    reason text not null check (
        reason in (
            'body_missing', 'error', 'invalid_message', 'memory_limit', 'not_storable',
            'time_limit', 'worker_lost'
        )
    ),
    detail text not null,
    traceback text not null,
    attempts integer not null,
    failures_count integer not null default 1,
    header text,
    capture_sha256 bytea,
    first_failed_at timestamptz not null default now(),
    last_failed_at timestamptz not null default now(),
    replayed_at timestamptz
);

-- How far each file that holds many pages has been imported.
create table rasid.imports (
    path text not null,
    size_bytes bigint not null,
    modified_ns bigint not null,
    position bigint not null default 0,
    pages_count bigint not null default 0,
    refused_count bigint not null default 0,
    started_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    finished_at timestamptz,
    primary key (path, size_bytes, modified_ns)
);

-- Files and records the importer could not turn into a raw page.
create table rasid.import_refusals (
    id bigint generated always as identity primary key,
    origin text not null,
    reason text not null,
    detail text not null,
    refused_at timestamptz not null default now()
);
create index import_refusals_origin on rasid.import_refusals using hash (origin);

-- The contract with consumers.
create view media.sources as
select name, title, home_page_url, country, language, time_zone, enabled, created_at
from rasid.sources;
comment on view media.sources is 'Outlets that are watched, and names given to imported files.';

create view media.articles as
select
    id, url, normalized_url, source, title, text, authors, language,
    published_at, published_at_precision, published_at_seen,
    witnesses ->> 'published_at' as published_at_source,
    modified_at, canonical_url, site_name, section, dateline, description, image_url,
    tags, labels, captions, comments_count, comments, witnesses, duplicate_of, version,
    origin, feed_url, fetched_at, created_at, updated_at
from rasid.articles;
comment on view media.articles is
    'Every article, one row for each normalized URL, in its newest version.';
comment on column media.articles.id is 'Stable for the life of the article.';
comment on column media.articles.url is
    'Address to show and open; urn:sha256:... for a document that states none.';
comment on column media.articles.normalized_url is
    'Identity of the article: the address without tracking, AMP and mobile forms.';
comment on column media.articles.source is 'Name of the source in media.sources, or null.';
comment on column media.articles.text is
    'Paragraphs parted by one empty line; headings begin with "## ".';
comment on column media.articles.authors is 'As the page names them; empty when it names none.';
comment on column media.articles.language is 'Primary language subtag, such as ar.';
comment on column media.articles.published_at is
    'As the page or its feed states; null when neither does. Read it with its precision.';
comment on column media.articles.published_at_precision is
    'How exact published_at is: second, minute, day, month or year.';
comment on column media.articles.published_at_seen is
    'The date as written, also where it names no instant ("3 hours ago").';
comment on column media.articles.published_at_source is
    'Where published_at was taken from: json_ld, meta, microdata, visible, feed or url.';
comment on column media.articles.labels is
    'What the page says it is: live_blog, opinion, paywall, sponsored; empty when it says none.';
comment on column media.articles.comments_count is
    'How many comments readers wrote, as the page states; comments may hold fewer.';
comment on column media.articles.witnesses is 'For each filled field, where it was taken from.';
comment on column media.articles.duplicate_of is
    'Id of the first article with the very same text, or null if this is the first.';
comment on column media.articles.version is '1, and one more for each change by the publisher.';
comment on column media.articles.origin is 'The feed or imported file it came from.';
comment on column media.articles.fetched_at is 'When the page was fetched, if that is known.';
comment on column media.articles.created_at is 'When Rasid first stored the article.';
comment on column media.articles.updated_at is 'When Rasid stored this version.';

create view media.distinct_articles as
select * from media.articles where duplicate_of is null;
comment on view media.distinct_articles is 'media.articles without exact duplicates.';

create view media.article_versions as
select
    article_id, version, title, text, authors, language, published_at, modified_at,
    witnesses, fetched_at, stored_at, superseded_at
from rasid.article_versions
union all
select
    id, version, title, text, authors, language, published_at, modified_at,
    witnesses, fetched_at, updated_at, null
from rasid.articles;
comment on view media.article_versions is
    'Every version of every article; superseded_at is null for the newest.';

-- Who may read the contract and nothing else. Roles belong to the server, not to the database, so
-- it may be there already; where this user may not create it, an administrator can, later.
do $$
begin
    begin
        create role rasid_reader nologin;
    exception
        when duplicate_object or unique_violation then null;
        when insufficient_privilege then
            raise notice 'role rasid_reader not created: no privilege to create roles';
    end;
    if exists (select from pg_roles where rolname = 'rasid_reader') then
        grant usage on schema media to rasid_reader;
        grant select on all tables in schema media to rasid_reader;
    end if;
end
$$;
