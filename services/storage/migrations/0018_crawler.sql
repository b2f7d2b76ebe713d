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
