-- Gives the role the password that lies in the secrets: after `make-secrets --new`.
\set password `cat /run/secrets/postgres_password`
alter role rasid password :'password';
