-- Which rules of its source selected nothing on a page: empty where all did, null without rules.
alter table rasid.raw_pages add column rules_missed text[];
create index raw_pages_rules on rasid.raw_pages (source, processed_at desc)
    where rules_missed is not null;
