-- Makes the logins that are missing and gives each the password of the secrets: at every start, and
-- by hand after `make-secrets --new`. As the administrator; what the roles may do, `rasid migrate`
-- says (services/storage/grants.toml).
\set ON_ERROR_STOP on
-- Nothing of this goes into a log, whatever fails.
set log_statement = 'none';
set log_min_error_statement = 'panic';
set log_min_duration_statement = -1;
set password_encryption = 'scram-sha-256';

create temporary table logins (name text, password text);
\copy logins from '/run/secrets/logins' (delimiter ' ')
select format('create role %I', name) from logins
where not exists (select from pg_roles where rolname = name) \gexec
select format('alter role %I login password %L', name, password) from logins \gexec
select format('alter role %I set idle_in_transaction_session_timeout = ''5min''', name)
from logins where name <> 'rasid' \gexec

-- Consumers' own logins become members of this one.
select 'create role rasid_reader nologin'
where not exists (select from pg_roles where rolname = 'rasid_reader') \gexec
alter role rasid_reader set idle_in_transaction_session_timeout = '5min';
alter role rasid_reader set statement_timeout = '30s';

\set password `cat /run/secrets/admin_password`
alter role postgres password :'password';
