-- name: index
-- Articles that were created or have a new version are found by what they say now.
select rasid.index_articles(%(ids)s);

-- name: search
select *
from media.search(
    %(query)s,
    in_language => %(language)s,
    in_source => %(source)s,
    published_from => %(published_from)s,
    published_to => %(published_to)s,
    created_from => %(created_from)s,
    created_to => %(created_to)s,
    sort => %(sort)s,
    max_rows => %(limit)s,
    skip_rows => %(offset)s,
    mark_start => %(mark_start)s,
    mark_stop => %(mark_stop)s
);
