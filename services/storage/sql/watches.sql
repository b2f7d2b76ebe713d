-- name: add
select rasid.add_watch(%(name)s, %(query)s, %(language)s, %(source)s);

-- name: match
-- What these articles are newly found by.
select article_id, version, watch from rasid.match_watches(%(ids)s, %(watch_id)s);

-- name: past
-- Articles a watch finds among those that are there already.
select s.article_id
from rasid.watches w
join rasid.article_search s on s.words @@ w.search::tsquery
where w.id = %(watch_id)s and s.at >= %(since)s
order by s.article_id;

-- name: lock_articles
-- In the order of all writers.
select id from rasid.articles where id = any(%(ids)s)
order by normalized_url_sha256 for no key update;

-- name: list
select
    w.name, w.query, w.language, w.source, w.created_at,
    count(m.article_id) as matches, max(m.matched_at) as last_matched_at
from rasid.watches w
left join rasid.watch_matches m on m.watch_id = w.id
where %(name)s::text is null or w.name = %(name)s
group by w.id
order by w.name;

-- name: matches
select
    m.article_id, m.version, m.matched_at, a.title, a.url, a.source, a.language, a.published_at
from media.watch_matches m
join media.articles a on a.id = m.article_id
where m.watch = %(name)s
order by m.matched_at desc, m.article_id desc
limit %(limit)s;

-- name: remove
with gone as (
    delete from rasid.watches where name = %(name)s returning id
)
delete from rasid.watch_matches using gone where watch_id = gone.id;
