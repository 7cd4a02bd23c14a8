-- Tables. A file without the "repeatable" mark is applied once and never edited
-- afterwards: a change is a new file with the next number.
--
-- Streams write partial rows: one per stream, task, window and dimensions. No two
-- tasks ever touch the same row; the views add the parts up.
-- Rows are rewritten while their window is open: the fill factor leaves room for
-- updates in place, which works because no changing column is indexed.

create table if not exists funnel_windows (
    stream text not null,
    task integer not null,
    window_start timestamptz not null,
    window_end timestamptz not null,
    closes_at timestamptz not null,
    total_orders bigint not null default 0,
    orders_with_items bigint not null default 0,
    -- Orders with an approved payment, with or without items.
    orders_paid bigint not null default 0,
    -- Of the orders with items: those with an approved payment.
    orders_with_payment bigint not null default 0,
    seq bigint not null default 0,
    processed_at timestamptz not null default now(),
    primary key (stream, task, window_start)
) with (fillfactor = 70);

create index if not exists funnel_windows_by_time on funnel_windows (window_start);

create table if not exists drop_off_windows (
    stream text not null,
    task integer not null,
    window_start timestamptz not null,
    window_end timestamptz not null,
    closes_at timestamptz not null,
    order_status text not null,
    total_orders bigint not null default 0,
    complete_orders bigint not null default 0,
    dropped_orders bigint not null default 0,
    customers_affected bigint not null default 0,
    -- The smallest ids of the dropped orders, at most three.
    sample_order_ids text[] not null default '{}',
    seq bigint not null default 0,
    processed_at timestamptz not null default now(),
    primary key (stream, task, window_start, order_status)
) with (fillfactor = 70);

create index if not exists drop_off_windows_by_time on drop_off_windows (window_start);

create table if not exists gmv_windows (
    stream text not null,
    task integer not null,
    window_start timestamptz not null,
    window_end timestamptz not null,
    closes_at timestamptz not null,
    item_revenue numeric(15, 2) not null default 0,
    freight numeric(15, 2) not null default 0,
    item_count bigint not null default 0,
    unique_orders bigint not null default 0,
    max_item_price numeric(15, 2),
    min_item_price numeric(15, 2),
    seq bigint not null default 0,
    processed_at timestamptz not null default now(),
    primary key (stream, task, window_start)
) with (fillfactor = 70);

create index if not exists gmv_windows_by_time on gmv_windows (window_start);

create table if not exists payment_windows (
    stream text not null,
    task integer not null,
    window_start timestamptz not null,
    window_end timestamptz not null,
    closes_at timestamptz not null,
    payment_type text not null,
    payment_count bigint not null default 0,
    unique_orders bigint not null default 0,
    total_value numeric(15, 2) not null default 0,
    -- The sum over the payments; the views divide it.
    installments bigint not null default 0,
    max_installments bigint not null default 0,
    -- These two count payments, whatever their name.
    successful_orders bigint not null default 0,
    failed_orders bigint not null default 0,
    seq bigint not null default 0,
    processed_at timestamptz not null default now(),
    primary key (stream, task, window_start, payment_type)
) with (fillfactor = 70);

create index if not exists payment_windows_by_time on payment_windows (window_start);

-- What was refused or came too late: one row per stream and record. For a row of a
-- file, topic is the file and "offset" the line.
create table if not exists dead_letter_events (
    stream text not null,
    topic text not null,
    partition integer not null,
    "offset" bigint not null,
    event_time timestamptz,
    reason text not null check (reason in ('late', 'orphan', 'invalid', 'future')),
    detail text,
    payload text,
    seen_at timestamptz not null default now(),
    -- Set where a task wrote the row, so that its ledger can take it back.
    task integer,
    seq bigint,
    primary key (stream, topic, partition, "offset")
);

create index if not exists dead_letter_events_by_time on dead_letter_events (coalesce(event_time, seen_at));

-- The ledger: which generation of a task may write, up to where its rows are
-- committed, and how far its event time has come. A watermark is null until the
-- task has seen a record, and 'infinity' at the end of its input.
create table if not exists tidemark_tasks (
    stream text not null,
    task integer not null,
    generation bigint not null,
    committed_seq bigint not null default 0,
    watermark timestamptz,
    updated_at timestamptz not null default now(),
    primary key (stream, task)
) with (fillfactor = 70);

create table if not exists gmv_forecast (
    made_at timestamptz not null,
    target_hour timestamptz not null,
    forecast numeric(15, 2) not null,
    lower_80 numeric(15, 2) not null,
    upper_80 numeric(15, 2) not null,
    lower_95 numeric(15, 2) not null,
    upper_95 numeric(15, 2) not null,
    model text not null,
    primary key (made_at, target_hour, model)
);

create index if not exists gmv_forecast_by_hour on gmv_forecast (target_hour);

-- A window raises an alert when more than threshold of its orders are dropped. The
-- rule of a status goes before the rule of '*', which holds for all others.
create table if not exists alert_rules (
    order_status text primary key,
    threshold bigint not null default 5 check (threshold >= 0)
);

insert into alert_rules (order_status, threshold) values ('*', 5) on conflict do nothing;
