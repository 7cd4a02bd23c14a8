package boards

import (
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

const healthUID = "tidemark-health"

func health() dashboard.Dashboard {
	b := board(healthUID, "Pipeline Health",
		"Are the streams at work, how far have they come, and is anything lost? By the metrics of every process, which docs/prometheus.md lists.",
		Range{"now-1h", "now"}, "10s")
	b.Links = []dashboard.DashboardLink{toSales(false)}
	withVariables(&b, labelVariable("stream", "Stream", "tidemark_tasks"))
	place(&b,
		section{"Now", []*panel{
			figures("Tasks", "Running tasks of all processes; as many as partitions when all is well. Tasks that restore their state stand still until they have it.",
				promNow("{{state}}", `sum by (state) (tidemark_tasks{stream=~"$stream"})`)).unit(units.Short).size(5, 5),
			figures("Lag", "Records in Kafka that are not merged yet, of all partitions.",
				promNow("Records", `sum(tidemark_lag_records{stream=~"$stream"})`)).unit(units.Short).
				thresholds("green", step{10000, "orange"}, step{1000000, "red"}).size(4, 5),
			figures("Events", "Events that are read and committed, per second.",
				promNow("per second", `sum(rate(tidemark_events_total{operator="input", stream=~"$stream"}[$__rate_interval]))`)).unit(units.EventsPerSecond).size(4, 5),
			figures("Not accounted for", "Events of an operator that neither passed nor were dropped for a reason nor are held. 0 while no process was started again: counters begin with it.",
				promNow("Events", `sum(tidemark_events_total{stream=~"$stream"}) - sum(tidemark_event_outcomes_total{stream=~"$stream"}) - sum(tidemark_held_events{stream=~"$stream"})`)).
				unit(units.Short).thresholds("orange", step{0, "green"}, step{1, "red"}).size(4, 5),
			figures("Trouble in the selected range", "Commits that failed, and runs of tasks that an error ended. What they had not committed is computed again; the log says why.",
				promNow("Failed commits", `sum(increase(tidemark_commit_failures_total{stream=~"$stream"}[$__range]))`),
				promNow("Task restarts", `sum(increase(tidemark_task_restarts_total{stream=~"$stream"}[$__range]))`)).unit(units.Short).decimals(0).
				thresholds("green", step{1, "red"}).size(7, 5),
		}},
		section{"Progress", []*panel{
			listed("Event time reached", "The watermark of the slowest task of a stream: events before it are late. While a replay runs it is far from the clock.",
				promTable(`min by (stream) (tidemark_watermark_timestamp_seconds{stream=~"$stream"}) * 1000`)).unit(units.Short).
				column("Time", hidden()...).column("Value", property("displayName", "Event time"), unit(units.DatetimeISO)).size(8, 8),
			listed("Who holds the watermark", "The partition of each task that has come least far in event time. When a stream stands still, look at its topic and partition first.",
				promTable(`sum by (stream, task, topic, partition) (tidemark_watermark_holder{stream=~"$stream"} == 1)`)).unit(units.Short).
				column("Time", hidden()...).column("Value", hidden()...).size(8, 8),
			listed("How far streams have come, by their ledger", "As of the last commit, in Postgres. It has the streams that no process runs at the moment, too.",
				rows(`select
    stream as "Stream",
    case when isfinite(watermark) then watermark end as "Event time",
    case
        when watermark is null then 'no event yet'
        when isfinite(watermark) then 'under way'
        else 'end of input'
    end as "State"
from tidemark_progress
order by stream`)).unit(units.DatetimeISO).size(8, 8),
			over(lines(), "Events read", "Events that were read and committed, per second and stream.",
				promRange("{{stream}}", `sum by (stream) (rate(tidemark_events_total{operator="input", stream=~"$stream"}[$__rate_interval]))`)).unit(units.EventsPerSecond).size(8, 8),
			over(lines(), "Lag in records", "Records that were not merged yet, by stream. A line that keeps rising wants more processes, or more partitions.",
				promRange("{{stream}}", `sum by (stream) (tidemark_lag_records{stream=~"$stream"})`)).unit(units.Short).size(8, 8),
			over(lines(), "Lag in event time", "Event time between the newest record of a partition and the newest that was merged, of the worst partition of a stream.",
				promRange("{{stream}}", `max by (stream) (tidemark_lag_seconds{stream=~"$stream"})`)).unit(units.DurationSeconds).size(8, 8),
		}},
		section{"Rows and their age", []*panel{
			over(lines(), "Rows written", "Rows that Postgres took, per second and table.",
				promRange("{{table}}", `sum by (table) (rate(tidemark_pg_upsert_rows_total{outcome="written", stream=~"$stream"}[$__rate_interval]))`)).unit(units.WritesPerSecond).size(8, 8),
			over(lines(), "Age of rows", "From the arrival of a record to the acknowledgement of the row that tells of it: half of the rows, and 99 of 100, were there sooner.",
				promRange("p50 {{stream}}", `histogram_quantile(0.5, sum by (stream, le) (rate(tidemark_row_latency_seconds_bucket{stream=~"$stream"}[$__rate_interval])))`),
				promRange("p99 {{stream}}", `histogram_quantile(0.99, sum by (stream, le) (rate(tidemark_row_latency_seconds_bucket{stream=~"$stream"}[$__rate_interval])))`)).unit(units.Seconds).size(8, 8),
			over(lines(), "Time of commits", "99 of 100 commits took less in each phase. A slow phase outputs is Postgres, a slow phase state Kafka.",
				promRange("{{phase}}", `histogram_quantile(0.99, sum by (phase, le) (rate(tidemark_commit_duration_seconds_bucket{stream=~"$stream"}[$__rate_interval])))`)).unit(units.Seconds).size(8, 8),
		}},
		section{"What became of events", []*panel{
			listed("Account", "Events by stream, operator and outcome since the processes were started; the operator input stands for what was read. Late, orphan, invalid and future events are dead letters.",
				promTable(`sum by (stream, operator, outcome) (tidemark_event_outcomes_total{stream=~"$stream"}) > 0`)).unit(units.Short).
				column("Time", hidden()...).column("Value", property("displayName", "Events")).size(8, 9),
			over(lines(), "Dropped, and why", "Events that did not pass, per second, by operator and reason.",
				promRange("{{operator}}: {{outcome}}", `sum by (operator, outcome) (rate(tidemark_event_outcomes_total{outcome!="passed", stream=~"$stream"}[$__rate_interval]))`)).unit(units.EventsPerSecond).size(8, 9),
			listed("Dead letters", "What was refused or came too late, all that Postgres has of it, with the newest.",
				rows(`select
    stream as "Stream",
    reason as "Reason",
    count(*) as "Events",
    max(seen_at) as "Newest"
from dead_letter_events
group by 1, 2
order by 3 desc, 1, 2`)).unit(units.Short).column("Newest", unit(units.DatetimeISO)).empty("No dead letters").size(8, 9),
		}},
		section{"State", []*panel{
			over(lines(), "Keys", "Keys that operators remember, by stream and operator. They level off once the bounds of time are filled.",
				promRange("{{stream}}: {{operator}}", `sum by (stream, operator) (tidemark_state_keys{stream=~"$stream"})`)).unit(units.Short).size(6, 8),
			over(lines(), "Memory of keys", "Bytes that the keys of operators take in memory.",
				promRange("{{stream}}: {{operator}}", `sum by (stream, operator) (tidemark_state_memory_bytes{stream=~"$stream"})`)).unit(units.BytesIEC).size(6, 8),
			over(lines(), "Disk", "Bytes that the local stores take, by stream.",
				promRange("{{stream}}", `sum by (stream) (tidemark_state_disk_bytes{stream=~"$stream"})`)).unit(units.BytesIEC).size(6, 8),
			over(lines(), "Found in memory", "Of 100 keys that an operator looked for and has, those that were in memory. Much below 95 asks for a larger cache_size.",
				promRange("{{stream}}", `100 * sum by (stream) (rate(tidemark_state_lookups_total{result="hit", stream=~"$stream"}[$__rate_interval])) / sum by (stream) (rate(tidemark_state_lookups_total{stream=~"$stream"}[$__rate_interval]))`)).unit(units.Percent).size(6, 8),
			over(lines(), "Tasks by state", "Tasks of all processes. Restoring for long means a large state, or a slow broker.",
				promRange("{{state}}", `sum by (state) (tidemark_tasks{stream=~"$stream"})`)).unit(units.Short).size(8, 8),
			over(lines(), "Still to restore", "Records of changelogs that restoring tasks have still to read.",
				promRange("{{stream}}", `sum by (stream) (tidemark_restore_remaining_records{stream=~"$stream"})`)).unit(units.Short).size(8, 8),
			over(columns(), "Rebalances", "Rebalances that moved tasks: assigned, revoked in peace, or lost because a process was silent for too long.",
				promRange("{{change}}", `sum by (change) (increase(tidemark_rebalances_total{stream=~"$stream"}[$__rate_interval]))`)).unit(units.Short).size(8, 8),
		}},
	)
	return b
}
