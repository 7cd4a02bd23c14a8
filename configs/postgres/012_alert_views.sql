-- migration: repeatable
-- Alerts of the drop-off: when they fire, when they are resolved, and who is to be told.

-- The rule for a status: its own row, else that of '*', else the defaults.
create or replace function alert_rule(status text)
returns table (threshold bigint, weeks integer, sigmas numeric, min_dropped bigint)
language sql stable
begin atomic
    select r.threshold, r.weeks, r.sigmas, r.min_dropped
    from (
        select 1 as rank, own.threshold, own.weeks, own.sigmas, own.min_dropped
        from alert_rules as own
        where own.order_status = status
        union all
        select 2, fallback.threshold, fallback.weeks, fallback.sigmas, fallback.min_dropped
        from alert_rules as fallback
        where fallback.order_status = '*'
        union all
        select 3, 5, 8, 3, 5
    ) as r
    order by r.rank
    limit 1;
end;

-- Each window beside the same hour of the weeks before. A week without the window
-- counts as none dropped; weeks before the first window of all do not count. Few
-- orders vary by the root of their number (Poisson) though the last weeks were alike,
-- so the deviation is at least that. Fewer than four weeks are no measure, unless the
-- rule looks back less.
create or replace view drop_off_anomalies as
select
    window_start,
    window_end,
    order_status,
    dropped_orders,
    weeks,
    expected,
    deviation,
    expected + sigmas * deviation as upper_limit,
    coalesce(
        weeks >= least(4, weeks_of_rule)
        and dropped_orders >= min_dropped
        and dropped_orders > expected + sigmas * deviation,
        false
    ) as is_anomaly
from (
    select
        w.window_start,
        w.window_end,
        w.order_status,
        w.dropped_orders,
        rule.weeks as weeks_of_rule,
        rule.sigmas,
        rule.min_dropped,
        past.weeks,
        round(past.expected, 2) as expected,
        round(greatest(past.deviation, sqrt(past.expected)), 2) as deviation
    from (
        select
            window_start,
            window_end,
            order_status,
            sum(dropped_orders)::bigint as dropped_orders
        from drop_off_windows
        group by window_start, window_end, order_status
    ) as w
    cross join lateral alert_rule(w.order_status) as rule
    cross join lateral (
        select
            count(*)::integer as weeks,
            avg(coalesce(then_dropped.orders, 0)) as expected,
            stddev_samp(coalesce(then_dropped.orders, 0)) as deviation
        from generate_series(1, rule.weeks) as week (ago)
        left join lateral (
            select sum(part.dropped_orders) as orders
            from drop_off_windows as part
            where
                -- Hours, because a day's length depends on the session's zone.
                part.window_start = w.window_start - week.ago * interval '168 hours'
                and part.window_end = w.window_end - week.ago * interval '168 hours'
                and part.order_status = w.order_status
        ) as then_dropped on true
        where
            w.window_start - week.ago * interval '168 hours'
            >= (select min(oldest.window_start) from drop_off_windows as oldest)
    ) as past
) as judged;

create or replace view v_open_alerts as
select
    kind,
    window_start,
    window_end,
    order_status,
    dropped_orders,
    round(upper_limit, 2) as upper_limit,
    round(expected, 2) as expected,
    unique_customers_affected,
    sample_order_ids,
    fired_at,
    alert_id
from drop_off_alerts
where resolved_at is null;

-- Brings the log of alerts up to date with windows and rules: alerts that fire, alerts
-- that are resolved, and for each of them a row in the outbox for every destination.
--
-- An alert fires once: while its rule holds for a window, and never again for the same
-- window. It is resolved once, by the first of: data time is an hour past the window and
-- past the time at which it fired (drops ripen after a week, so an alert may be about an
-- old window); at the end of a bounded run, data time is an hour past the window; or the
-- rule was changed and allows it now. That rows are gone for a
-- moment, as when a task moves or is replayed, resolves nothing: orders once dropped
-- stay dropped.
create or replace function alerts_detect()
returns void
language plpgsql
set search_path from current
as $$
declare
    look alert_scan;
    newest timestamptz;
    slowest timestamptz;
    sweep boolean;
    since timestamptz;
    oldest timestamptz;
    worth_a_look bigint;
    touched record;
begin
    insert into alert_scan select where not exists (select from alert_scan) on conflict do nothing;
    select * into look from alert_scan for update;
    newest := (select max(window_start) from drop_off_windows);
    if newest is null then
        return;
    end if;
    -- A task without a watermark holds nothing back, unless it has written rows already:
    -- its first commit is about to come. Null where no stream has a ledger.
    slowest := (
        select min(case
            when t.watermark is not null then t.watermark
            when exists (select from drop_off_windows as d where d.stream = t.stream and d.task = t.task) then '-infinity'
        end)
        from tidemark_tasks as t
        where exists (select from drop_off_windows as d where d.stream = t.stream)
    );
    -- A look each second is at windows that may still change: those that were not final
    -- at the last look. A sweep is at all, once a minute and where no watermark tells.
    -- Both only see what was written since the one before. Rows bear the time at which
    -- their transaction began: the rest is for the time until it was committed.
    sweep := slowest is null or not isfinite(slowest) or look.swept_at < now() - interval '1 minute';
    if sweep then
        since := look.swept_at - interval '1 minute';
        oldest := '-infinity';
    else
        since := look.looked_at - interval '10 seconds';
        oldest := least(look.watermark, slowest)
        - (select max(d.closes_at - d.window_start) from drop_off_windows as d where d.window_start = newest);
        oldest := least(oldest, newest - interval '1 hour');
    end if;
    worth_a_look := (
        select min(least(r.threshold + 1, case when r.sigmas is not null then r.min_dropped end))
        from (
            select order_status from alert_rules
            union
            select '*'
        ) as s
        cross join lateral alert_rule(s.order_status) as r
    );

    for touched in
        select w.window_start, w.window_end, w.order_status
        from (
            select window_start, window_end, order_status
            from drop_off_windows
            where
                window_start >= oldest
                and (
                    processed_at > since
                    -- These could not be compared with the weeks before yet.
                    or window_start >= look.watermark
                    -- A rule may have been changed.
                    or window_start > newest - interval '1 hour'
                )
            group by window_start, window_end, order_status
        ) as w
        where (
            select sum(part.dropped_orders)
            from drop_off_windows as part
            where
                part.window_start = w.window_start
                and part.window_end = w.window_end
                and part.order_status = w.order_status
        ) >= worth_a_look
    loop
        insert into drop_off_alerts (
            alert_id, kind, window_start, window_end, order_status, total_orders, dropped_orders,
            unique_customers_affected, sample_order_ids, upper_limit, weeks, expected, deviation, fired_data_time
        )
        select
            md5(format(
                '%s %s %s %s', found.kind, extract(epoch from a.window_start), extract(epoch from a.window_end), a.order_status
            ))::uuid,
            found.kind,
            a.window_start,
            a.window_end,
            a.order_status,
            a.total_orders,
            a.dropped_orders,
            a.unique_customers_affected,
            a.sample_order_ids,
            found.upper_limit,
            found.weeks,
            found.expected,
            found.deviation,
            newest
        from drop_off_analysis as a
        cross join lateral (
            select 'threshold' as kind, r.threshold::numeric as upper_limit,
                null::integer as weeks, null::numeric as expected, null::numeric as deviation
            from alert_rule(a.order_status) as r
            where a.alert_triggered
            union all
            select 'anomaly', n.upper_limit, n.weeks, n.expected, n.deviation
            from drop_off_anomalies as n
            where
                n.window_start = touched.window_start
                and n.window_end = touched.window_end
                and n.order_status = touched.order_status
                and n.is_anomaly
                -- Every task has passed the weeks before, so they are counted in full.
                and coalesce(touched.window_start <= slowest, true)
        ) as found
        where
            a.window_start = touched.window_start
            and a.window_end = touched.window_end
            and a.order_status = touched.order_status
        on conflict (alert_id) do update
        set
            total_orders = excluded.total_orders,
            dropped_orders = excluded.dropped_orders,
            unique_customers_affected = excluded.unique_customers_affected,
            sample_order_ids = excluded.sample_order_ids
        where drop_off_alerts.resolved_at is null and excluded.dropped_orders > drop_off_alerts.dropped_orders;
    end loop;

    insert into alert_deliveries (alert_id, event, destination)
    select alert.alert_id, 'fired', d.destination
    from drop_off_alerts as alert
    cross join alert_destinations as d
    where alert.resolved_at is null and alert.fired_at = now()
    on conflict do nothing;

    with resolved as (
        update drop_off_alerts as alert
        set
            resolved_at = now(),
            resolution = case when over.passed then 'passed' else 'rule_changed' end
        from (
            select
                o.alert_id,
                newest >= interval '1 hour' + case
                    when slowest = 'infinity' then o.window_start
                    else greatest(o.window_start, o.fired_data_time)
                end as passed
            from drop_off_alerts as o
            where o.resolved_at is null
        ) as over
        where
            over.alert_id = alert.alert_id
            -- Who is told of both is told at two times.
            and alert.fired_at < now()
            and (
                over.passed
                or not (
                    select case alert.kind
                        when 'threshold' then alert.dropped_orders > r.threshold
                        else coalesce(
                            alert.dropped_orders >= r.min_dropped
                            and alert.dropped_orders > alert.expected + r.sigmas * alert.deviation,
                            false
                        )
                    end
                    from alert_rule(alert.order_status) as r
                )
            )
        returning alert.alert_id
    )
    insert into alert_deliveries (alert_id, event, destination)
    select fired.alert_id, 'resolved', fired.destination
    from resolved
    inner join alert_deliveries as fired on fired.alert_id = resolved.alert_id and fired.event = 'fired'
    on conflict do nothing;

    update alert_scan
    set looked_at = now(), swept_at = case when sweep then now() else swept_at end, watermark = slowest;
end
$$;

-- What is to be sent to a destination now, oldest first; it looks for new alerts before.
-- A row comes again until it is marked in alert_deliveries. "resolved" comes after
-- "fired" is marked. A destination that the last attempt did not reach is given time,
-- doubled up to 30 s, and then a single row to try: a different one each time, so that
-- one which is refused for ever does not hold up the others.
create or replace function alerts_due(to_destination text, at_most integer default 25)
returns table (
    alert_id uuid,
    event text,
    destination text,
    kind text,
    window_start timestamptz,
    window_end timestamptz,
    order_status text,
    total_orders bigint,
    dropped_orders bigint,
    unique_customers_affected bigint,
    sample_order_ids text[],
    upper_limit numeric,
    weeks integer,
    expected numeric,
    deviation numeric,
    fired_at timestamptz,
    resolved_at timestamptz,
    resolution text
)
language plpgsql
set search_path from current
as $$
#variable_conflict use_column
declare
    receiver alert_destinations;
    unreached boolean;
    handed_out bigint;
begin
    perform alerts_detect();

    insert into alert_destinations (destination)
    select to_destination
    where not exists (select from alert_destinations as d where d.destination = to_destination)
    on conflict do nothing;
    select * into receiver from alert_destinations as d where d.destination = to_destination for update;
    unreached := receiver.tried_at is not null and not exists (
        select from alert_deliveries as d
        where d.destination = to_destination and d.sent_at >= receiver.tried_at
    );
    if unreached and now() < receiver.tried_at + least(2 ^ least(receiver.tries, 5), 30) * interval '1 second' then
        return;
    end if;

    -- Who was turned off when it fired is not told that it is over.
    delete from alert_deliveries as d
    using alert_deliveries as fired
    where
        d.destination = to_destination and d.sent_at is null and d.event = 'resolved'
        and fired.alert_id = d.alert_id and fired.destination = to_destination
        and fired.event = 'fired' and not fired.sent;

    return query
    select
        a.alert_id,
        due.event,
        to_destination,
        a.kind,
        a.window_start,
        a.window_end,
        a.order_status,
        a.total_orders,
        a.dropped_orders,
        a.unique_customers_affected,
        a.sample_order_ids,
        round(a.upper_limit, 2),
        a.weeks,
        a.expected,
        a.deviation,
        a.fired_at,
        case due.event when 'resolved' then a.resolved_at end,
        case due.event when 'resolved' then a.resolution end
    from (
        select d.alert_id, d.event
        from alert_deliveries as d
        where
            d.destination = to_destination
            and d.sent_at is null
            and (
                d.event = 'fired'
                or exists (
                    select from alert_deliveries as fired
                    where
                        fired.alert_id = d.alert_id and fired.event = 'fired'
                        and fired.destination = to_destination and fired.sent_at is not null
                )
            )
        union all
        select d.alert_id, d.event
        from alert_deliveries as d
        inner join drop_off_alerts as still_open on still_open.alert_id = d.alert_id
        where
            still_open.resolved_at is null
            and d.destination = to_destination
            and d.event = 'fired'
            and d.sent
            and d.sent_at < now() - receiver.repeat_every
    ) as due
    inner join drop_off_alerts as a on a.alert_id = due.alert_id
    order by
        case when unreached then md5(a.alert_id::text || receiver.tries) end,
        case due.event when 'resolved' then a.resolved_at else a.fired_at end,
        a.window_start,
        a.order_status,
        a.kind
    limit case when unreached then 1 else at_most end;

    get diagnostics handed_out = row_count;
    if handed_out > 0 then
        update alert_destinations as d
        set tried_at = now(), tries = case when unreached then d.tries + 1 else 1 end
        where d.destination = to_destination;
    end if;
end
$$;

comment on function alert_rule(text) is 'The rule that holds for an order status: its own, else that of *, else the defaults.';
comment on view drop_off_anomalies is 'Dropped orders of each window and status beside the same hour of the weeks before.';
comment on view v_open_alerts is 'Alerts that have fired and are not resolved.';
comment on function alerts_detect() is 'Fires and resolves alerts by windows and rules, and fills the outbox alert_deliveries.';
comment on function alerts_due(text, integer) is 'What is to be sent to a destination now. The stream alerts.yaml asks; a query by hand counts as an attempt.';
