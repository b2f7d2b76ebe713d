-- name: wait_for_locks
-- As long as it takes: for the other migrators, and for those who use a table.
set lock_timeout = 0;

-- name: lock
-- One migrator at a time; held by the session, so that each migration can commit on its own.
select pg_advisory_lock(7216381540392);

-- name: unlock
select pg_advisory_unlock(7216381540392);

-- name: is_free
-- Whether nobody migrates now; held for no longer than the question.
select pg_try_advisory_xact_lock_shared(7216381540392);

-- name: exists
select to_regclass('rasid_migrations.applied') is not null;

-- name: create_table
-- In a schema of its own, because the first migration creates the others.
create schema if not exists rasid_migrations;
create table if not exists rasid_migrations.applied (
    version integer primary key,
    name text not null,
    sha256 text not null,
    applied_at timestamptz not null default now()
);

-- name: applied
select version, sha256 from rasid_migrations.applied;

-- name: version
select coalesce(max(version), 0) from rasid_migrations.applied;

-- name: roll
-- Partitions of the next months and weeks; the reconciler makes them too.
select rasid.roll_bands(), rasid.roll_passages();

-- name: roll_captures
select rasid.roll_captures();

-- name: record
insert into rasid_migrations.applied (version, name, sha256) values (%s, %s, %s);
