-- Captures through the worker again, after the extractor has changed.

-- What came with a page beside its bytes and is not on it, for whoever reads it again; and when it
-- was last read again.
alter table rasid.raw_pages
    add column feed_title text,
    add column feed_published_at timestamptz,
    add column time_zone text,
    add column replayed_at timestamptz;

-- The page that was last seen to say what the article says; null: the one it was read from.
alter table rasid.articles add column observed_page_id text;

-- What somebody asked to be read again. `choice` is JSON: by it the same replay, begun again, is
-- known, and goes on.
create table rasid.replays (
    id bigint generated always as identity primary key,
    choice text not null,
    extractor_version integer not null,
    pages_count bigint not null,
    bytes bigint not null, -- of the bodies, compressed
    summary jsonb, -- what came of it, when it has ended
    created_at timestamptz not null default now(),
    ended_at timestamptz
);
create unique index replays_open on rasid.replays (choice) where ended_at is null;

-- Its pages in the order of their fetch, and what became of each. When the replay has ended, only
-- those stay whose result is another one.
create table rasid.replay_pages (
    replay_id bigint not null references rasid.replays (id) on delete cascade,
    position bigint not null,
    page_id text not null,
    outcome_before text not null,
    reason_before text,
    outcome text,
    reason text,
    article_id bigint,
    differences jsonb, -- by field: what was there and what is there now, cut short
    done_at timestamptz,
    primary key (replay_id, position)
);
create unique index replay_pages_page on rasid.replay_pages (page_id, replay_id);
create index replay_pages_left on rasid.replay_pages (replay_id, position) where done_at is null;
