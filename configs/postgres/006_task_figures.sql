-- How each task stood at its last commit, for the live page: the partition that holds its
-- watermark, how long the commit took, what is stored, how far it has read, and its account
-- since the stream began (the JSON of plugins/figures). Nothing depends on it.
create table if not exists tidemark_task_figures (
    stream text not null,
    task integer not null,
    -- Of the run that told them: those of an older one never replace them.
    generation bigint not null,
    figures jsonb not null,
    updated_at timestamptz not null default now(),
    primary key (stream, task)
) with (fillfactor = 70);

-- The newest letters of a stream by reason, and how many there are.
create index if not exists dead_letter_events_by_reason on dead_letter_events (stream, reason, seen_at desc, "offset" desc);
