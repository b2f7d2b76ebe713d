-- name: begin
-- A file is known by its path, size and time: a changed file is another one, read from its start.
insert into rasid.imports (path, size_bytes, modified_ns)
values (%(path)s, %(size_bytes)s, %(modified_ns)s)
on conflict (path, size_bytes, modified_ns) do update set
    position = case when %(again)s then 0 else imports.position end,
    pages_count = case when %(again)s then 0 else imports.pages_count end,
    refused_count = case when %(again)s then 0 else imports.refused_count end,
    finished_at = case when %(again)s then null else imports.finished_at end,
    updated_at = now()
returning position, pages_count, refused_count, finished_at is not null;

-- name: advance
-- `greatest`, because two importers may be reading the same file.
update rasid.imports set
    position = greatest(position, %(position)s),
    pages_count = pages_count + %(pages_count)s,
    refused_count = refused_count + %(refused_count)s,
    finished_at = case when %(finished)s then now() end,
    updated_at = now()
where path = %(path)s and size_bytes = %(size_bytes)s and modified_ns = %(modified_ns)s;

-- name: refuse
-- Once for each file or record and reason, however often it is tried.
insert into rasid.import_refusals (origin, reason, detail)
select %(origin)s, %(reason)s, %(detail)s
where not exists (
    select from rasid.import_refusals
    where origin = %(origin)s and reason = %(reason)s and detail = %(detail)s
);
