-- Work that somebody asked for beside what feeds list: backfills, and lists of addresses. Its pages
-- go to the `bulk` lane, and its links come after all others of their host.
create table rasid.jobs (
    id bigint generated always as identity primary key,
    kind text not null check (kind in ('backfill', 'fetch')),
    input text not null, -- by which the same job, begun again, is known: it goes on
    source text references rasid.sources (name) on update cascade, -- null: of several, or of none
    since timestamptz,
    until timestamptz,
    is_dry_run boolean not null default false,
    position bigint not null default 0, -- lines of the list that are links now
    listed_count bigint not null default 0, -- entries in the window, repeated ones too
    undated_count bigint not null default 0, -- of these
    new_count bigint not null default 0, -- of these, those to fetch
    invalid_count bigint not null default 0, -- lines that are no address
    sitemaps_count integer not null default 0, -- read
    sitemaps_failed_count integer not null default 0,
    created_at timestamptz not null default now(),
    ended_at timestamptz
);
create unique index jobs_open on rasid.jobs (kind, input) where ended_at is null;

-- A link that was asked for by its address may be of no source.
alter table rasid.links
    alter column source drop not null,
    add column job_id bigint references rasid.jobs (id) on delete set null;
drop index rasid.links_due;
create index links_due on rasid.links (host, next_fetch_at) where state = 'due' and job_id is null;
create index links_due_bulk on rasid.links (host, next_fetch_at, id)
    where state = 'due' and job_id is not null;
create index links_job on rasid.links (job_id, state) where job_id is not null;

-- A sitemap that a backfill reads: at `walk_at`, whatever its own schedule says.
alter table rasid.feeds
    add column job_id bigint references rasid.jobs (id) on delete set null,
    add column walk_at timestamptz,
    add column walk_attempts_count integer not null default 0,
    add column walked_job_id bigint; -- the last backfill that read it
create index feeds_walk on rasid.feeds (host, walk_at) where job_id is not null;
