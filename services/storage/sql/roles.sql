-- How grants.toml is applied; what stands in braces is filled in.

-- name: role_exists
select true from pg_roles where rolname = %(role)s;

-- name: create_role
create role {role} nologin;

-- name: has_limit
select true from pg_roles where rolname = %(role)s and exists (
    select from unnest(rolconfig) as setting where setting ^@ (%(name)s || '=')
);

-- name: limit
alter role {role} set {name} = {value};

-- name: close_public
revoke create on schema public from public;

-- name: close_temporary
revoke create, temporary on database {database} from public;

-- name: close_functions_to_come
alter default privileges revoke execute on functions from public;

-- name: close
-- Also what a column alone was given.
revoke all on {what} schema {schema} from {roles};

-- name: columns
select c.relname, array_agg(a.attname::text)
from pg_class as c join pg_attribute as a on a.attrelid = c.oid
where c.relnamespace = 'rasid'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
    and a.attnum > 0 and not a.attisdropped
group by c.relname;

-- name: grant_table
grant {right} on rasid.{table} to {role};

-- name: functions
select oid::regprocedure::text, proname from pg_proc
where pronamespace = 'rasid'::regnamespace and proname = any(%(names)s);

-- name: run_as_owner
alter function {function} security definer set search_path = pg_catalog, pg_temp;

-- name: grant_function
grant execute on function {function} to {role};

-- name: open_media
grant usage on schema media to {role};

-- name: open_process
-- What every process looks at first: whether the schema is the one it needs.
grant usage on schema rasid, rasid_migrations to {role};

-- name: open_version
grant select on rasid_migrations.applied to {role};

-- name: grant_media
grant select on all tables in schema media to {role};

-- name: grant_media_functions
grant execute on all functions in schema media to {role};

-- name: views
select relname from pg_class where relnamespace = 'media'::regnamespace and relkind = 'v';

-- name: grant_view
grant select on media.{view} to {role};
