-- When feeds are polled, hosts are asked, and young articles are fetched again.

alter table rasid.feeds
    alter column poll_every_s drop not null, -- null: the interval adapts to what the feed yields
    add column item_times timestamptz[] not null default '{}', -- when new items appeared, newest last
    add column listed_at timestamptz, -- the last poll that told what is listed, 304 included
    add column full_at timestamptz, -- the last poll that gave the whole feed
    add column most_wait_s double precision, -- the longest wait since an overflow
    add column ttl_s double precision, -- how long it may be kept, as it says itself
    add column every_s double precision, -- how often it changes, as it says itself
    add column distrusted_until timestamptz, -- its server said 304 though there was news
    add column silent_from timestamptz; -- without news from then on, somebody should look

-- A host's pace has to outlive the crawler that works it.
alter table rasid.hosts
    add column delay_s double precision not null default 0, -- as the last crawler kept it
    add column last_request_at timestamptz;

-- robots.txt by scheme, host and port: the last answer, and since when there is none.
create table rasid.robots (
    origin text primary key,
    status smallint, -- of the last answer that counts: 2xx, or 4xx, which allows everything
    body bytea, -- no more than is read
    fetched_at timestamptz,
    fresh_until timestamptz,
    failed_since timestamptz,
    last_error text
);

-- Fetching again: the link stays `fetched`, and `refetch_at` is null when it is not asked again.
alter table rasid.links
    add column etag text,
    add column last_modified text,
    add column refetch_at timestamptz,
    add column refetches_count integer not null default 0,
    add column refetch_outcome text;
create index links_refetch on rasid.links (host, refetch_at) where refetch_at is not null;
