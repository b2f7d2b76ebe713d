-- name: content
-- What a new version is compared with; of an article that is locked.
select title, text, authors, language, published_at, published_at_precision, labels
from rasid.articles where id = %(id)s;

-- name: seen_again
-- As it is stored: what was fetched before this time is older.
update rasid.articles set observed_at = %(observed_at)s where id = %(id)s;

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
