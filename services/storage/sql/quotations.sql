-- name: add_passages
insert into rasid.passages (hash, article_id)
select * from unnest(%(hashes)s::bigint[], %(article_ids)s::bigint[]);

-- name: keep_places
-- Articles that have a new version with the very same text: places stay what they are.
update rasid.quotation_articles as stands set version = article.version
from rasid.articles as article, rasid.article_versions as before
where stands.article_id = any(%(ids)s)
    and article.id = stands.article_id
    and before.article_id = stands.article_id and before.version = stands.version
    and before.text = article.text;

-- name: forget_places
-- The text is another: its places are found anew.
delete from rasid.quotation_articles as stands
using rasid.articles as article
where stands.article_id = any(%(ids)s)
    and article.id = stands.article_id and article.version <> stands.version;

-- name: candidates
-- Articles of other stories and outlets that share a hash, the earliest of them. Of each hash so
-- many of the earliest carriers are looked at; one that stands in many stories, and in several of
-- each outlet, is boilerplate. Of each article those before it decide: as many as make boilerplate
-- are always found, also where more come at once, so that it is known as such.
with mine as (
    select mine.hash, mine.article_id, own.story_id, own.outlet
    from unnest(%(hashes)s::bigint[], %(article_ids)s::bigint[]) as mine (hash, article_id)
    join rasid.story_articles as own on own.article_id = mine.article_id
),
found as (
    select
        mine.hash, mine.article_id, other.article_id as other_id, member.story_id, member.outlet,
        member.story_id <> mine.story_id
            and (member.outlet is null or member.outlet is distinct from mine.outlet) as counts
    from mine
    cross join lateral (
        select article_id from rasid.passages
        where hash = mine.hash and arrived_on between %(since)s and %(today)s
        limit %(carriers)s
    ) as other
    cross join lateral (
        select story_id, outlet from rasid.story_articles
        where article_id = other.article_id
        limit 1
    ) as member
),
seen as (
    select
        hash, article_id, bool_or(counts) as counts,
        count(distinct story_id) filter (where other_id <= article_id) as stories_count,
        count(distinct coalesce(outlet, '')) filter (where other_id <= article_id)
            as outlets_count
    from found
    group by hash, article_id
),
telling as (
    select hash, article_id from seen
    where counts
        and stories_count <= greatest(%(stories)s, %(stories_each)s * outlets_count)
),
-- Who stands in a quotation leads to it: of all who carry a hash the first are enough.
first as (
    select
        article_id, other_id,
        row_number() over (partition by hash, article_id order by other_id) as place
    from found
    join telling using (hash, article_id)
    where counts
),
pairs as (
    select
        article_id, other_id,
        row_number() over (partition by article_id order by other_id) as place
    from first
    where place <= %(stories)s
    group by article_id, other_id
)
select article_id, other_id from pairs where place <= %(others)s
order by article_id, other_id;

-- name: texts
select id, version, text from rasid.articles where id = any(%(ids)s);

-- name: lock
-- One at a time decides which passages are one quotation. What is read after it is read by a
-- statement of its own, which sees what the last holder has committed.
select pg_advisory_xact_lock(7216381540399);

-- name: standing
select stands.quotation_id, stands.article_id, stands.version, stands.text_start, stands.text_end
from rasid.quotation_articles as stands
join rasid.articles as article
    on article.id = stands.article_id and article.version = stands.version
where stands.article_id = any(%(ids)s)
order by stands.quotation_id, stands.article_id;

-- name: add_quotations
insert into rasid.quotations (found_at) select now() from generate_series(1, %(count)s)
returning id;

-- name: add_places
-- Of texts that are still the newest; a row of an older version gives way.
insert into rasid.quotation_articles as known (
    quotation_id, article_id, version, text_start, text_end
)
select place.*
from unnest(
    %(quotation_ids)s::bigint[], %(article_ids)s::bigint[], %(versions)s::integer[],
    %(starts)s::integer[], %(ends)s::integer[]
) as place (quotation_id, article_id, version, text_start, text_end)
join rasid.articles as article using (version)
where article.id = place.article_id
on conflict (quotation_id, article_id) do update set
    version = excluded.version, text_start = excluded.text_start, text_end = excluded.text_end
where known.version < excluded.version;

-- name: delete_lonely
-- New ones that fewer than two carry: the others are gone, or have a newer text that is looked into.
delete from rasid.quotations as q
where q.id = any(%(ids)s) and (
    select count(*) from rasid.quotation_articles where quotation_id = q.id
) < 2;

-- name: delete_repeated
-- Two that were found at the same instant can be one: the younger goes where all who carry it stand
-- with the same words in an older one.
delete from rasid.quotations as q
where q.id = any(%(ids)s) and exists (
    select from rasid.quotation_articles as mine
    join rasid.quotation_articles as older
        on older.article_id = mine.article_id
        and older.version = mine.version
        and older.quotation_id < mine.quotation_id
        and 5 * (
            least(older.text_end, mine.text_end) - greatest(older.text_start, mine.text_start)
        ) >= 4 * (mine.text_end - mine.text_start)
    where mine.quotation_id = q.id
    group by older.quotation_id
    having count(*) = (
        select count(*) from rasid.quotation_articles where quotation_id = q.id
    )
);

-- name: of_article
select to_jsonb(q) from media.quotation_articles as q
where quotation_id in (
    select quotation_id from rasid.quotation_articles where article_id = %(article_id)s
)
order by quotation_id, dated_at, article_id;

-- name: newest
select to_jsonb(q) from media.quotations as q
where (%(since)s::timestamptz is null or found_at >= %(since)s)
order by id desc
limit %(limit)s;
