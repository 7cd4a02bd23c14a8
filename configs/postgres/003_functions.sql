-- migration: repeatable

-- Deletes what is more than retention_days older than the newest window of any
-- kind. Age is data time, so a replay of old files is not deleted as it arrives.
-- Without a window there is no such time, and nothing is deleted.
create or replace function cleanup_old_metrics(retention_days integer default 30)
returns table (table_name text, rows_deleted bigint)
language plpgsql
set search_path from current
as $$
declare
    horizon timestamptz;
    target record;
begin
    if retention_days is null or retention_days < 0 then
        raise exception 'retention_days must not be negative' using errcode = 'invalid_parameter_value';
    end if;

    -- greatest() skips nulls. Hours, because a day's length depends on the session's zone.
    select greatest(
        (select max(window_start) from funnel_windows),
        (select max(window_start) from drop_off_windows),
        (select max(window_start) from gmv_windows),
        (select max(window_start) from payment_windows),
        (select max(window_start) from category_windows),
        (select max(window_start) from seller_windows),
        (select max(window_start) from state_windows),
        (select max(window_start) from delivery_windows)
    ) - retention_days * interval '24 hours' into horizon;

    for target in
        select *
        from (values
            ('funnel_windows', 'window_start'),
            ('drop_off_windows', 'window_start'),
            ('gmv_windows', 'window_start'),
            ('payment_windows', 'window_start'),
            ('category_windows', 'window_start'),
            ('seller_windows', 'window_start'),
            ('state_windows', 'window_start'),
            ('delivery_windows', 'window_start'),
            ('dead_letter_events', 'coalesce(event_time, seen_at)'),
            ('gmv_forecast', 'target_hour'),
            -- Those who were told of an open alert are still to be told of its end.
            ('drop_off_alerts', 'case when resolved_at is not null then window_start end')
        ) as t (name, age)
    loop
        table_name := target.name;
        execute format('delete from %I where %s < $1', target.name, target.age) using horizon;
        get diagnostics rows_deleted = row_count;
        return next;
    end loop;
end
$$;

comment on function cleanup_old_metrics(integer) is
'Deletes windows, dead letters, forecasts and resolved alerts older than retention_days before the newest window.';
