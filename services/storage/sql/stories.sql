-- name: add
-- A new article is a story of its own until it has been looked up.
with member as (
    insert into rasid.story_articles (
        article_id, story_id, version, signature_version, tokens_count, seen_at, dated_at, outlet,
        sketch
    )
    select
        id, id, version, %(signature_version)s, %(tokens_count)s, seen_at,
        case
            when published_at_precision in ('second', 'minute') and published_at <= seen_at
                then published_at
            else seen_at
        end,
        %(outlet)s, %(sketch)s
    from (
        select *, least(fetched_at, created_at) as seen_at
        from rasid.articles where id = %(id)s
    ) as article
    returning article_id, tokens_count, outlet, seen_at
)
insert into rasid.stories (
    id, representative_id, longest_id, longest_tokens_count, outlets, first_seen_at
)
select
    article_id, article_id, article_id, tokens_count, array_remove(array[outlet], null), seen_at
from member;

-- name: renew
-- Its text has changed: the fingerprint is another, and it has to be looked up again.
update rasid.story_articles as member set
    version = article.version,
    signature_version = %(signature_version)s,
    tokens_count = %(tokens_count)s,
    sketch = %(sketch)s,
    dated_at = case
        when published_at_precision in ('second', 'minute') and published_at <= seen_at
            then published_at
        else seen_at
    end
from rasid.articles as article
where article.id = %(id)s and member.article_id = article.id;

-- name: delete_bands
delete from rasid.bands where article_id = %(id)s;

-- name: add_bands
insert into rasid.bands (
    article_id, band_1, band_2, band_3, band_4, band_5, band_6, band_7, band_8
) values (%s, %s, %s, %s, %s, %s, %s, %s, %s);

-- name: waiting
-- Those of the articles that have not been looked up with the text they have now.
select
    member.article_id, member.version, member.looked_version, member.sketch,
    article.duplicate_of is null and story.longest_id = member.article_id
        and story.longest_tokens_count = member.tokens_count and story.articles_count = 1
        and not exists (select from rasid.articles where duplicate_of = article.id) as alone
from rasid.story_articles as member
join rasid.articles as article on article.id = member.article_id
left join rasid.stories as story on story.id = member.story_id
where member.article_id = any(%(ids)s)
    and member.looked_version is distinct from member.version;

-- name: candidates
-- Articles that share a band with one of these and arrived in this month or the last; of a band
-- that very many share, the first hundred. And two others of the story an article is in already,
-- rather those that have no new text themselves.
with shared as (
    select probe.article_id as probe_id, candidate.article_id, false as certain
    from rasid.bands as probe
    cross join lateral (
        (select article_id from rasid.bands where band_1 = probe.band_1
            and arrived_on between %(since)s and current_date limit 100)
        union all
        (select article_id from rasid.bands where band_2 = probe.band_2
            and arrived_on between %(since)s and current_date limit 100)
        union all
        (select article_id from rasid.bands where band_3 = probe.band_3
            and arrived_on between %(since)s and current_date limit 100)
        union all
        (select article_id from rasid.bands where band_4 = probe.band_4
            and arrived_on between %(since)s and current_date limit 100)
        union all
        (select article_id from rasid.bands where band_5 = probe.band_5
            and arrived_on between %(since)s and current_date limit 100)
        union all
        (select article_id from rasid.bands where band_6 = probe.band_6
            and arrived_on between %(since)s and current_date limit 100)
        union all
        (select article_id from rasid.bands where band_7 = probe.band_7
            and arrived_on between %(since)s and current_date limit 100)
        union all
        (select article_id from rasid.bands where band_8 = probe.band_8
            and arrived_on between %(since)s and current_date limit 100)
    ) as candidate
    where probe.article_id = any(%(ids)s) and candidate.article_id <> probe.article_id
    union all
    select probe.article_id, other.article_id, true
    from rasid.story_articles as probe
    cross join lateral (
        (select article_id from rasid.story_articles
            where story_id = probe.story_id and article_id <> probe.article_id
            order by coalesce(abs(looked_version), 1) <> version, dated_at, article_id limit 1)
        union all
        (select article_id from rasid.story_articles
            where story_id = probe.story_id and article_id <> probe.article_id
            order by coalesce(abs(looked_version), 1) <> version, tokens_count desc, article_id
            limit 1)
    ) as other
    where probe.article_id = any(%(ids)s)
),
candidate as (
    select probe_id, article_id, bool_or(certain) as certain from shared group by 1, 2
)
select
    candidate.probe_id, member.article_id, member.story_id, member.tokens_count, member.sketch,
    story.longest_id, story.longest_tokens_count, candidate.certain, member.version,
    longest.version, case when story.articles_count > 1 then array_remove(array[
        case when coalesce(abs(member.looked_version), 1) <> member.version
            then member.article_id end,
        case when coalesce(abs(longest.looked_version), 1) <> longest.version
            then longest.article_id end
    ], null) else '{}' end as changed_ids
from candidate
join rasid.story_articles as member using (article_id)
join rasid.stories as story on story.id = member.story_id
join rasid.story_articles as longest on longest.article_id = story.longest_id
where member.signature_version = %(signature_version)s or candidate.certain
order by candidate.probe_id, member.article_id;

-- name: texts
-- The text comes only where it is not the one that is known already.
select
    article.id, article.text_sha256, article.source, article.url,
    case when article.text_sha256 is distinct from known.text_sha256 then article.text end
from unnest(%(ids)s::bigint[], %(hashes)s::bytea[]) as known (id, text_sha256)
join rasid.articles as article using (id);

-- name: add_overlap
-- Of articles that are still there: one may have been purged since they were compared.
insert into rasid.article_overlaps as known (
    article_id, other_article_id, relation, containment, jaccard, coverage
)
select
    one.id, other.id, %(relation)s, %(containment)s, %(jaccard)s, %(coverage)s
from rasid.articles as one, rasid.articles as other
where one.id = %(article_id)s and other.id = %(other_article_id)s
on conflict (article_id, other_article_id) do update set
    relation = excluded.relation, containment = excluded.containment,
    jaccard = excluded.jaccard, coverage = excluded.coverage, compared_at = now()
where (known.relation, known.containment, known.jaccard, known.coverage)
    is distinct from (excluded.relation, excluded.containment, excluded.jaccard, excluded.coverage);

-- name: lock
-- For its lock: one at a time changes stories. What is read after it is read by statements of their
-- own, which see what the last holder has committed.
select rasid.represent_stories('{}');

-- name: hold
-- All members of the stories of these articles, of those they copy and of their copies: nobody gives
-- one a new text before the commit. In the order in which savers lock them, for all stories at once.
select count(*) from (
    select from rasid.story_articles
    where story_id in (
        select story_id from rasid.story_articles
        where article_id = any(%(ids)s) or article_id = any(%(matches)s) or article_id in (
            select duplicate_of from rasid.articles where id = any(%(ids)s)
            union all
            select id from rasid.articles where duplicate_of = any(%(ids)s)
        )
    )
    order by article_id for no key update
) as held;

-- name: unsettled
-- Whom one is about to be joined with that has a new text and has not been looked up with it: it may
-- have to leave its story, and would leave behind there who has joined it. Not those looked up here.
select member.article_id
from rasid.story_articles as member
join rasid.stories as story on story.id = member.story_id and story.articles_count > 1
where coalesce(abs(member.looked_version), 1) <> member.version
    and (
        (member.article_id, member.version) in (
            select * from unnest(%(matches)s::bigint[], %(match_versions)s::integer[])
        )
        or member.article_id in (
            select duplicate_of from rasid.articles where id = any(%(ids)s)
        )
    )
    and (member.article_id, member.version) not in (
        select * from unnest(%(ids)s::bigint[], %(versions)s::integer[])
    );

-- name: leave
-- Articles whose new text nobody in their stories shares, each once, before any is joined with others:
-- else it would take along who is in its story still. Who has a text first goes before its copies.
select rasid.link_article(article_id, version, '{}', true)
from (
    select member.article_id, member.version
    from unnest(%(ids)s::bigint[], %(versions)s::integer[]) as found (article_id, version)
    join rasid.story_articles as member using (article_id, version)
    join rasid.articles as article on article.id = member.article_id
    where member.looked_version is distinct from member.version
    order by article.duplicate_of is not null, member.article_id
    offset 0
) as leaving;

-- name: link
-- Only with those that still have the text that was compared: who has another since then finds this
-- article when it is looked up with that. And with its exact copies, which may have been linked with
-- one that had the text before it; but for those that are yet to leave another story.
select rasid.link_article(
    %(article_id)s, %(version)s,
    array(
        select article_id
        from unnest(%(matches)s::bigint[], %(versions)s::integer[]) as compared (article_id, version)
        join rasid.story_articles using (article_id, version)
        union all
        select copy.article_id from rasid.articles
        join rasid.story_articles as copy on copy.article_id = id
        where duplicate_of = %(article_id)s
            and coalesce(abs(copy.looked_version), 1) = copy.version
    ),
    false
);

-- name: mark
-- Looked up, and nobody shares its text. The rows are locked in the order all others lock them in.
with found as (
    select article_id from rasid.story_articles as member
    join unnest(%(ids)s::bigint[], %(versions)s::integer[]) as looked (article_id, version)
        using (article_id, version)
    order by article_id for no key update of member
)
update rasid.story_articles as member set looked_version = version
from found where member.article_id = found.article_id;

-- name: outdated
-- Articles whose fingerprint is of another version of the code, a batch in order of their ids.
select member.article_id, member.version, article.text
from rasid.story_articles as member
join rasid.articles as article on article.id = member.article_id
where member.signature_version <> %(signature_version)s and member.article_id > %(after)s
order by member.article_id
limit %(limit)s;

-- name: outdated_count
select count(*) from rasid.story_articles where signature_version <> %(signature_version)s;

-- name: refresh
-- Looked up again: a version with a minus is one whose fingerprint was another then.
update rasid.story_articles set
    signature_version = %(signature_version)s, tokens_count = %(tokens_count)s,
    sketch = %(sketch)s, looked_version = -abs(looked_version)
where article_id = %(id)s and version = %(version)s;

-- name: listing
-- The last changed first.
select to_jsonb(s) || jsonb_build_object('title', a.title)
from media.stories as s
join rasid.articles as a on a.id = s.representative_id
where %(everything)s or s.articles_count > 1
order by s.updated_at desc, s.id desc
limit %(limit)s;

-- name: members
-- Also by a former id, which is that of one of its articles.
select to_jsonb(m) || jsonb_build_object('title', a.title, 'url', a.url)
from media.story_articles as m
join rasid.articles as a on a.id = m.article_id
where m.story_id = (select story_id from media.story_articles where article_id = %(id)s)
order by m.dated_at, m.article_id;
