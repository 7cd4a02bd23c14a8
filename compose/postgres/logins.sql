-- Logins beside the one that writes, made after the migrations, again at each start: so
-- passwords are those of the environment, and a database of before gets them too.
--   psql -f logins.sql
\set ON_ERROR_STOP on
\getenv grafana GRAFANA_POSTGRES_USER
\getenv grafana_password GRAFANA_POSTGRES_PASSWORD
\getenv page PAGE_POSTGRES_USER
\getenv page_password PAGE_POSTGRES_PASSWORD
\getenv registry REGISTRY_POSTGRES_USER
\getenv registry_password REGISTRY_POSTGRES_PASSWORD

select format('create role %I', name)
from (values (:'grafana'), (:'page'), (:'registry')) wanted (name)
where not exists (select from pg_roles where rolname = name)
\gexec

-- Grafana and the live page only read: tidemark_reader, of the migrations, may no more.
alter role :"grafana" login password :'grafana_password';
alter role :"grafana" set default_transaction_read_only = on;
alter role :"page" login password :'page_password';
alter role :"page" set default_transaction_read_only = on;
grant tidemark_reader to :"grafana", :"page";

-- The schema registry keeps its schemas in a database of its own.
alter role :"registry" login password :'registry_password';
select format('create database registry owner %I', :'registry')
where not exists (select from pg_database where datname = 'registry')
\gexec
