-- Runs once, when the postgres container makes its data directory. Who owns the database is no
-- superuser, so that a fault in Rasid cannot reach beyond it.
\ir /usr/share/rasid/roles.sql
create database rasid owner rasid;
