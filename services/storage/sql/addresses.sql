-- name: pages
-- Part of others: pages by any address they had, by the article they became, or by the file they
-- were imported from: each by its own index, for joined by `or` they are a scan of all pages.
select id from rasid.raw_pages where requested_url = any(%(urls)s)
union select id from rasid.raw_pages where final_url = any(%(urls)s)
union select id from rasid.raw_pages
where left(origin, 200) = any(array(select left(unnest(%(urls)s::text[]), 200)))
    and origin = any(%(urls)s)
union select p.id from rasid.raw_pages as p
join rasid.articles as a on a.id = p.article_id
where a.normalized_url_sha256 = any(%(keys)s)
