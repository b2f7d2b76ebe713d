-- Withdraw what pages became whose links had ended before they were saved, as `withdraw_of_links`.
create function rasid.withdraw_of_pages(p_pages text[]) returns void
language plpgsql as $$
declare
    links bigint[];
    reasons text[];
begin
    select array_agg(id order by id), array_agg(reason order by id) into links, reasons
    from (
        select l.id, case
            when l.reason = 'redirected_home' or l.http_status = 404 then 'not_found'
            when l.http_status = 410 then 'gone'
        end as reason
        from rasid.links as l
        where l.page_id = any(p_pages) and l.state = 'failed'
    ) as ended
    where reason is not null;
    if links is not null then
        perform rasid.withdraw_of_links(links, reasons);
    end if;
end
$$;

-- A copy that was worse than the stored article is asked for once more a day later: what a publisher
-- has shortened is believed when it is seen twice.
alter table rasid.worse_copies add column asked_at timestamptz; -- for the last time
create index worse_copies_ask on rasid.worse_copies (greatest(first_observed_at, asked_at));
-- Of `refetches_count`, those beside the schedule, the one that is due included.
alter table rasid.links add column confirmations_count integer not null default 0;

-- A sitemap that robots.txt names, or one that it lists: read for what its parent has overflowed
-- with since then, and only for that.
alter table rasid.feeds add column hole_since timestamptz;
