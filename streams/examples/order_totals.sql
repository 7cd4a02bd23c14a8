-- The tables of order_totals.yaml. `tidemark db migrate` makes those that every stream
-- shares, tidemark_tasks and dead_letter_events.
--
-- Keys begin with what differs soonest: Postgres compares them for each row.
--
-- Each task writes rows of its own. What a minute comes to is their sum:
--   select window_start, sum(gmv) from order_gmv group by window_start;

create table if not exists order_funnel (
    stream text not null,
    task integer not null,
    window_start timestamptz not null,
    total_orders bigint not null,
    orders_with_items bigint not null,
    orders_paid bigint not null,
    seq bigint not null,
    primary key (task, window_start, stream)
) with (fillfactor = 70);

create table if not exists order_gmv (
    stream text not null,
    task integer not null,
    window_start timestamptz not null,
    gmv numeric(15, 2) not null,
    seq bigint not null,
    primary key (task, window_start, stream)
) with (fillfactor = 70);

create table if not exists payment_totals (
    stream text not null,
    task integer not null,
    window_start timestamptz not null,
    payment_type text not null,
    payments bigint not null,
    total_value numeric(15, 2) not null,
    seq bigint not null,
    primary key (task, window_start, payment_type, stream)
) with (fillfactor = 70);
