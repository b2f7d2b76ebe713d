-- What the crawler may do to articles: mark those whose page is gone, and nothing else. The rights of
-- all roles are in services/storage/grants.toml, which `rasid migrate` applies each time it runs.

-- Withdraw articles that are not withdrawn, or are for one of the reasons given; tell consumers, and
-- return what changed.
create function rasid.withdraw_articles(p_articles bigint[], p_reason text, p_replaced text[])
returns table (article_id bigint, version integer) language plpgsql as $$
#variable_conflict use_column
declare
    changed bigint[];
begin
    -- In the order of all writers.
    perform 1 from rasid.articles where id = any(p_articles)
    order by normalized_url_sha256 for no key update;
    with withdrawn as (
        update rasid.articles as a set
            withdrawn_at = coalesce(a.withdrawn_at, now()), withdrawn_reason = p_reason
        where a.id = any(p_articles)
            and (a.withdrawn_at is null or a.withdrawn_reason = any(p_replaced))
        returning a.id
    )
    select array_agg(id order by id) into changed from withdrawn;
    if changed is null then
        return;
    end if;
    perform rasid.represent_stories(changed);
    insert into rasid.outbox (kind, article_id, version, detail)
    select 'withdrawn', a.id, a.version, jsonb_build_object('reason', p_reason)
    from rasid.articles as a where a.id = any(changed) order by a.id;
    return query select a.id, a.version from rasid.articles as a where a.id = any(changed) order by a.id;
end
$$;

-- Withdraw the articles of links whose page is gone for good, each for the reason of its link: those
-- that the links' pages became, but not one whose own address another link has found alive. The
-- newest page of a link may have been no article.
create function rasid.withdraw_of_links(p_links bigint[], p_reasons text[]) returns void
language plpgsql as $$
declare
    gone record;
begin
    if not p_reasons <@ array['not_found', 'gone'] then
        raise exception 'a page that is gone was not_found or gone, not %', p_reasons
            using errcode = 'invalid_parameter_value';
    end if;
    for gone in
        with ended as (
            select link_id, reason, place
            from unnest(p_links, p_reasons) with ordinality as link (link_id, reason, place)
        ),
        became as (
            select ended.*, p.article_id
            from ended
            join rasid.links as l on l.id = ended.link_id
            join rasid.raw_pages as p on p.id = l.page_id
            union
            select ended.*, a.id
            from ended
            join rasid.links as l on l.id = ended.link_id and l.page_id is not null
            join rasid.articles as a on a.normalized_url_sha256 = l.normalized_url_sha256
        ),
        found as (
            select distinct on (a.id) a.id, a.normalized_url_sha256 as key, b.reason
            from became as b
            join rasid.articles as a on a.id = b.article_id
            left join rasid.links as own on own.normalized_url_sha256 = a.normalized_url_sha256
            where own.id is null or own.id = any(p_links) or own.state <> 'fetched'
            order by a.id, b.place desc
        ),
        locked as (
            -- In the order of all writers.
            select a.id from rasid.articles as a
            where a.id in (select id from found)
            order by a.normalized_url_sha256 for no key update
        )
        select reason, array_agg(found.id) as ids
        from found join locked using (id)
        group by reason order by reason
    loop
        perform rasid.withdraw_articles(gone.ids, gone.reason, '{}');
    end loop;
end
$$;
