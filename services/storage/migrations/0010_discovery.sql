-- Section pages are feeds too. What the last poll of a feed showed, and how often a poll showed
-- nothing but items never seen before, so that some may have come and gone in between.
alter table rasid.feeds drop constraint feeds_kind_check;
alter table rasid.feeds
    add constraint feeds_kind_check check (kind in ('feed', 'sitemap', 'section')),
    add column problems jsonb not null default '{}', -- of the last listing: problem to count
    add column newest_item_at timestamptz, -- the latest time that its items stated
    add column overflows_count integer not null default 0,
    add column overflowed_at timestamptz; -- last time

-- The item's id, as the feed wrote it; null where it is the address itself, or there is none.
alter table rasid.link_feeds add column guid text;
create index link_feeds_guid on rasid.link_feeds (feed_id, hashtextextended(guid, 0))
    where guid is not null;
