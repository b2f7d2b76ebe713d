-- Runs once, when the postgres container makes its data directory: Rasid's own role and database.
-- Rasid is no superuser, so that a fault in it cannot reach beyond its database.
\set password `cat /run/secrets/postgres_password`
create role rasid login password :'password';
create role rasid_reader nologin;
create database rasid owner rasid;
