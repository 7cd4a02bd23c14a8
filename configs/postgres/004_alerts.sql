-- Alerts of the drop-off: the rules of anomalies, the log of alerts, and who was told.

-- A window is an anomaly when more of its orders are dropped than sigmas deviations
-- above the mean of the same hour in the weeks before. Null sigmas turn this off. Of a
-- window with fewer than min_dropped dropped orders nobody wants to hear.
alter table alert_rules add column if not exists weeks integer not null default 8 check (weeks between 1 and 104);
alter table alert_rules add column if not exists sigmas numeric default 3 check (sigmas > 0);
alter table alert_rules add column if not exists min_dropped bigint not null default 5 check (min_dropped > 0);

-- The log of alerts: one row per kind, window and status, for ever the same id. So
-- what is computed anew does not raise an alert again.
create table if not exists drop_off_alerts (
    alert_id uuid primary key,
    kind text not null check (kind in ('threshold', 'anomaly')),
    window_start timestamptz not null,
    window_end timestamptz not null,
    order_status text not null,
    -- As they were last seen while the alert was open.
    total_orders bigint not null,
    dropped_orders bigint not null,
    unique_customers_affected bigint not null,
    sample_order_ids text[] not null,
    -- What dropped_orders is above: the threshold, or expected + sigmas * deviation.
    upper_limit numeric not null,
    -- Of an anomaly: the weeks that it was compared with, their mean and deviation.
    weeks integer,
    expected numeric,
    deviation numeric,
    fired_at timestamptz not null default now(),
    -- Start of the newest window when it fired.
    fired_data_time timestamptz not null,
    resolved_at timestamptz,
    -- passed: data time has moved on; rule_changed: alert_rules allows it now.
    resolution text check (resolution in ('passed', 'rule_changed')),
    check ((resolved_at is null) = (resolution is null))
);

create index if not exists drop_off_alerts_by_time on drop_off_alerts (window_start);
create index if not exists drop_off_alerts_open on drop_off_alerts (fired_at) where resolved_at is null;

-- Where alerts go: those that the stream alerts.yaml serves. An alert goes to the
-- destinations that stand here when it fires, so a new one hears of no old alerts.
create table if not exists alert_destinations (
    destination text primary key,
    -- Open alerts are sent again after that long, to one that forgets or expires them.
    repeat_every interval check (repeat_every > interval '0'),
    -- Attempts since the last that reached the destination, and when the newest began.
    tries integer not null default 0,
    tried_at timestamptz
);

insert into alert_destinations (destination, repeat_every)
values ('log', null), ('kafka', null), ('webhook', null), ('alertmanager', interval '1 minute')
on conflict do nothing;

-- The outbox: one row per alert, event and destination, made in the transaction that
-- fires or resolves the alert, and marked once it is sent.
create table if not exists alert_deliveries (
    alert_id uuid not null references drop_off_alerts on delete cascade,
    event text not null check (event in ('fired', 'resolved')),
    destination text not null,
    sent_at timestamptz,
    -- False where the destination was turned off, so that nothing went out.
    sent boolean,
    primary key (alert_id, event, destination)
);

create index if not exists alert_deliveries_pending on alert_deliveries (destination, sent_at);

-- How far the search for alerts has come: a single row, which is its lock as well.
-- Windows that are older than this table raise no alerts.
create table if not exists alert_scan (
    only_row boolean primary key default true check (only_row),
    looked_at timestamptz not null default now(),
    swept_at timestamptz not null default now(),
    -- The slowest watermark of the streams at that time.
    watermark timestamptz
);

insert into alert_scan default values on conflict do nothing;
