-- What the stream dimensions writes, by the conventions of 001_tables.sql.

create table if not exists category_windows (
    stream text not null,
    task integer not null,
    window_start timestamptz not null,
    window_end timestamptz not null,
    closes_at timestamptz not null,
    product_category text not null,
    item_revenue numeric(15, 2) not null default 0,
    freight numeric(15, 2) not null default 0,
    item_count bigint not null default 0,
    seq bigint not null default 0,
    processed_at timestamptz not null default now(),
    primary key (stream, task, window_start, product_category)
) with (fillfactor = 70);

create index if not exists category_windows_by_time on category_windows (window_start);

create table if not exists seller_windows (
    stream text not null,
    task integer not null,
    window_start timestamptz not null,
    window_end timestamptz not null,
    closes_at timestamptz not null,
    seller_id text not null,
    seller_state text,
    item_revenue numeric(15, 2) not null default 0,
    freight numeric(15, 2) not null default 0,
    item_count bigint not null default 0,
    seq bigint not null default 0,
    processed_at timestamptz not null default now(),
    primary key (stream, task, window_start, seller_id)
) with (fillfactor = 70);

create index if not exists seller_windows_by_time on seller_windows (window_start);

create table if not exists state_windows (
    stream text not null,
    task integer not null,
    window_start timestamptz not null,
    window_end timestamptz not null,
    closes_at timestamptz not null,
    customer_state text not null,
    total_orders bigint not null default 0,
    orders_with_items bigint not null default 0,
    item_revenue numeric(15, 2) not null default 0,
    freight numeric(15, 2) not null default 0,
    item_count bigint not null default 0,
    seq bigint not null default 0,
    processed_at timestamptz not null default now(),
    primary key (stream, task, window_start, customer_state)
) with (fillfactor = 70);

create index if not exists state_windows_by_time on state_windows (window_start);

create table if not exists delivery_windows (
    stream text not null,
    task integer not null,
    window_start timestamptz not null,
    window_end timestamptz not null,
    closes_at timestamptz not null,
    customer_state text not null,
    total_orders bigint not null default 0,
    delivered_orders bigint not null default 0,
    -- Of the delivered: those whose day of delivery had been estimated.
    promised_orders bigint not null default 0,
    -- Of the promised: those that came after that day.
    late_orders bigint not null default 0,
    -- From purchase to delivery, added over the delivered orders.
    delivery_ms bigint not null default 0,
    -- From the estimate to delivery, added over the promised ones; negative where they came early.
    delay_ms bigint not null default 0,
    seq bigint not null default 0,
    processed_at timestamptz not null default now(),
    primary key (stream, task, window_start, customer_state)
) with (fillfactor = 70);

create index if not exists delivery_windows_by_time on delivery_windows (window_start);
