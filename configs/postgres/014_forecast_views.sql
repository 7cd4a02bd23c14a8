-- migration: repeatable
-- What the stream forecast.yaml reads, and what users read of its forecasts.

-- Up to when sales are known: no row when nothing was sold, or when a stream with sales
-- has no watermark. Hours are those of UTC.
create or replace view gmv_complete_until as
select case
    -- At the end of the input, the hour of the newest window is the last one.
    when progress.watermark = 'infinity' then
        date_bin('1 hour', newest.window_start, timestamptz '1970-01-01 00:00:00+00') + interval '1 hour'
    -- A window that may still get late items closes after its end.
    else date_bin('1 hour', progress.watermark - (newest.closes_at - newest.window_end), timestamptz '1970-01-01 00:00:00+00')
end as complete_until
from (
    select window_start, window_end, closes_at
    from gmv_windows
    order by window_start desc
    limit 1
) as newest
cross join (
    -- The slowest of the streams with sales; min() skips nulls, and an unknown watermark knows nothing.
    select case when bool_and(p.watermark is not null) then min(p.watermark) end as watermark
    from tidemark_progress as p
    where exists (select from gmv_windows as g where g.stream = p.stream)
) as progress
where progress.watermark is not null;

-- The sales of each complete hour of the last two years, the ones without sales too.
create or replace view hourly_gmv as
select
    h.hour,
    coalesce(s.gmv, 0)::numeric(15, 2) as gmv
from (
    select
        generate_series(
            greatest(
                date_bin('1 hour', (select min(oldest.window_start) from gmv_windows as oldest), timestamptz '1970-01-01 00:00:00+00'),
                c.complete_until - interval '17520 hours'
            ),
            c.complete_until - interval '1 hour',
            interval '1 hour'
        ) as hour
    from gmv_complete_until as c
) as h
left join (
    select
        date_bin('1 hour', g.window_start, timestamptz '1970-01-01 00:00:00+00') as hour,
        sum(g.item_revenue + g.freight) as gmv
    from gmv_windows as g
    where g.window_start >= (select c.complete_until - interval '17520 hours' from gmv_complete_until as c)
    group by 1
) as s on s.hour = h.hour;

-- The history to forecast from, when its end has no forecast yet; otherwise, and while
-- there are fewer hours than any model needs, no row.
create or replace function forecast_due(least_hours integer default 48)
returns table (hour timestamptz, gmv numeric)
language plpgsql
stable
set search_path from current
as $$
begin
    if exists (
        select
        from gmv_complete_until as c
        where not exists (select from gmv_forecast as f where f.made_at = c.complete_until)
    ) then
        return query
        select h.hour, h.gmv
        from (select s.hour, s.gmv, count(*) over () as hours from hourly_gmv as s) as h
        where h.hours >= least_hours
        order by h.hour;
    end if;
end
$$;

-- For each hour its newest forecast, and what was sold once that is known.
create or replace view v_gmv_forecast as
select
    f.target_hour,
    f.made_at,
    f.model,
    f.forecast,
    f.lower_80,
    f.upper_80,
    f.lower_95,
    f.upper_95,
    case
        when f.target_hour < (select c.complete_until from gmv_complete_until as c) then
            coalesce((
                select sum(g.item_revenue + g.freight)
                from gmv_windows as g
                where g.window_start >= f.target_hour and g.window_start < f.target_hour + interval '1 hour'
            ), 0)::numeric(15, 2)
    end as actual
from (
    select distinct on (target_hour) *
    from gmv_forecast
    order by target_hour, made_at desc, model
) as f;

comment on view gmv_complete_until is 'The end of the last hour whose sales are known.';
comment on view hourly_gmv is 'Sales (price plus freight) of each complete hour of the last two years.';
comment on function forecast_due(integer) is 'The hourly sales, if their end has no forecast yet.';
comment on view v_gmv_forecast is 'The newest forecast of each hour, with the sales once they are known.';
