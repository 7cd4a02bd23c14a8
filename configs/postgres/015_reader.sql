-- migration: repeatable
-- The role tidemark_reader may read everything in this schema and write nothing. The
-- live page takes it with "set role", so it has no login of its own.
--
-- A role belongs to the server, not to the database: it may be there already, and another
-- database may be making it at this moment. Where the user who migrates may make or grant
-- no roles there is a notice and no more: the page then reads without it. An
-- administrator can bring what is missing, see docs/page.md.

do $$
declare
    relation record;
    can_take boolean;
begin
    if not exists (select from pg_roles where rolname = 'tidemark_reader') then
        begin
            create role tidemark_reader nologin;
        exception
            when duplicate_object or unique_violation then
                null; -- another database was faster
            when insufficient_privilege then
                raise notice 'the role tidemark_reader is not made: % may make no roles', current_user;
                return;
        end;
    end if;

    if not has_schema_privilege('tidemark_reader', current_schema(), 'usage') then
        begin
            execute format('grant usage on schema %I to tidemark_reader', current_schema());
        exception
            when insufficient_privilege then
                raise notice 'tidemark_reader may not use the schema %: % does not own it', current_schema(), current_user;
        end;
    end if;
    -- One by one: others may have tables in the schema, too.
    for relation in
        select c.relname
        from pg_class as c
        inner join pg_namespace as n on n.oid = c.relnamespace
        where
            n.nspname = current_schema()
            and c.relkind in ('r', 'p', 'v', 'm')
            and pg_has_role(c.relowner, 'usage')
            and not has_table_privilege('tidemark_reader', c.oid, 'select')
    loop
        execute format('grant select on %I.%I to tidemark_reader', current_schema(), relation.relname);
    end loop;
    -- And those that are made later.
    execute format('alter default privileges in schema %I grant select on tables to tidemark_reader', current_schema());

    -- Since 16 it is a right of its own to take a role.
    can_take := case
        when current_setting('server_version_num')::integer >= 160000 then pg_has_role('tidemark_reader', 'set')
        else pg_has_role('tidemark_reader', 'member')
    end;
    if not can_take then
        begin
            grant tidemark_reader to current_user;
        exception
            when unique_violation then
                null; -- another database was faster
            when insufficient_privilege then
                raise notice '% may not take the role tidemark_reader', current_user;
        end;
    end if;
end
$$;
