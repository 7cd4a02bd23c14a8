package pgupsert

import (
	"fmt"
	"strings"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/postgres"
)

func spec() *service.ConfigSpec {
	return service.NewConfigSpec().
		Categories("Services").
		Summary("Writes rows to a PostgreSQL table: inserts new ones, updates those whose key is there, exactly once for the rows of a stateful input.").
		Description(description).
		Fields(
			service.NewStringField(fieldDSN).
				Description("The database: a URL or `key=value` pairs, as libpq reads them. Special characters of a password in a URL are percent-encoded. Without `sslmode` the server must speak TLS.").
				Secret().
				Example("postgres://tidemark:tidemark@localhost:5432/tidemark?sslmode=disable").
				Example("${POSTGRES_DSN}"),
			service.NewStringField(fieldTable).
				Description("The table, or `schema.table`. Names are taken as they are written, capitals included; a name with a dot in it stands in double quotes.").
				Example("funnel_windows").
				Example("analytics.funnel_windows").
				LintRule(lintNotEmpty),
			service.NewStringListField(fieldKey).
				Description("The columns that tell one row from another within a stream and a task. With a `ledger`, `stream` and `task` are added. The table must have a primary key or unique index on exactly the whole key, in any order.").
				Example([]string{"window_start"}).
				Example([]string{"window_start", "payment_type"}),
			service.NewStringListField(fieldColumns).
				Description("The columns to write, the key among them. Each takes the field of the same name of the structured message; a field that is missing is null. With a `ledger`, `stream`, `task` and `seq` are written as well and do not stand here.").
				Example([]string{"window_start", "window_end", "closes_at", "total_orders"}),
			service.NewBoolField(fieldTaskKey).
				Description("Whether `task` belongs to the key. With `false` a row is told by `stream` and `key` alone, whichever task writes it, and `task` is an ordinary column; right for rows about a place in the input, such as dead letters, which stay the same when another task meets them.").
				Default(true).
				Advanced(),
			service.NewStringField(fieldTimestamp).
				Description("A column of type `timestamptz` that is set to the time of the transaction at each insert and update. Empty for none.").
				Default("").
				Example("processed_at"),
			service.NewStringField(fieldDeadLetters).
				Description("The table for rows that Postgres refuses, with the columns of Tidemark's `dead_letter_events`. Empty: a refused row is rejected (nacked) with an error.").
				Default("dead_letter_events"),
			service.NewBoolField(fieldLedger).
				Description("Whether the rows come from a stateful input and the table has the columns `stream`, `task` and `seq`. Then they are written exactly once. With `false`, messages of any input are upserted by `key`, at least once.").
				Default(true),
			service.NewBoolField(fieldShared).
				Description("Whether other streams write to this table, too. Without it a stream that has committed nothing is refused where rows of another are in the table, as they are after the consumer group was renamed: views that add up the rows of tasks would count both.").
				Default(false).
				Advanced(),
			service.NewStringField(fieldLedgerTable).
				Description("The table of the ledger, shared by all streams of a database.").
				Default("tidemark_tasks").
				Advanced().
				LintRule(lintNotEmpty),
			service.NewIntField(fieldMaxInFlight).
				Description("How many batches are written side by side, each on a connection of its own.").
				Default(4).
				LintRule(`root = if this.number().catch(1) < 1 { [ "must be at least 1" ] }`),
			service.NewBatchPolicyField(fieldBatching).
				LintRule(lintBatching),
		).
		LintRule(lintTogether).
		Example("Windows of a stateful input",
			"One row for each minute. `stream` and `task` join the key, and `seq` keeps an older value from replacing a newer one.",
			exampleWindows).
		Example("Dead letters of a stream",
			"Records that came too late or could not be read, one row for each place in a topic.",
			exampleDeadLetters).
		Example("Any other messages",
			"Without a stateful input: a plain upsert, at least once. A row that Postgres refuses goes to a file.",
			examplePlain)
}

// parseConfig reads and checks the fields, except for those of Benthos itself.
func parseConfig(conf *service.ParsedConfig) (c config, err error) {
	var table, letters, ledgerTable string
	for name, to := range map[string]*string{
		fieldDSN: &c.dsn, fieldTable: &table, fieldTimestamp: &c.timestamp,
		fieldDeadLetters: &letters, fieldLedgerTable: &ledgerTable,
	} {
		if *to, err = conf.FieldString(name); err != nil {
			return c, err
		}
	}
	for name, to := range map[string]*bool{fieldTaskKey: &c.taskKey, fieldLedger: &c.ledger, fieldShared: &c.shared} {
		if *to, err = conf.FieldBool(name); err != nil {
			return c, err
		}
	}
	for name, to := range map[string]*[]string{fieldKey: &c.key, fieldColumns: &c.columns} {
		if *to, err = conf.FieldStringList(name); err != nil {
			return c, err
		}
	}
	if c.maxInFlight, err = conf.FieldInt(fieldMaxInFlight); err != nil {
		return c, err
	}
	if c.server, err = postgres.ParseDSN(c.dsn); err != nil {
		return c, fmt.Errorf("%s: %w", fieldDSN, err)
	}
	if c.table, err = parseTable(table); err != nil {
		return c, fmt.Errorf("%s: %w", fieldTable, err)
	}
	if c.ledgerTable, err = parseTable(ledgerTable); err != nil {
		return c, fmt.Errorf("%s: %w", fieldLedgerTable, err)
	}
	if letters != "" {
		t, err := parseTable(letters)
		if err != nil {
			return c, fmt.Errorf("%s: %w", fieldDeadLetters, err)
		}
		c.deadLetters = &t
	}
	return c, c.validate()
}

// checkBatching refuses a policy that holds rows back without a limit in time: a
// stateful input waits for its rows to be written before it reads on, so the
// batch would never fill.
func checkBatching(p service.BatchPolicy) error {
	if strings.TrimSpace(p.Period) == "" && (p.Count > 1 || p.ByteSize > 0 || p.Check != "") {
		return fmt.Errorf("%s: needs a period, because a stateful input waits for rows that a batch holds back", fieldBatching)
	}
	return nil
}

const lintNotEmpty = `root = if this == "" { [ "must not be empty" ] }`

// A stateful input stands still until its rows are written: a batch that waits
// for more of them waits for ever.
const lintBatching = `
let holds = this.count.or(0).number().catch(0) > 1 || this.byte_size.or(0).number().catch(0) > 0 || this.check.or("") != ""
root = if $holds && this.period.or("") == "" {
  [ "batching needs a period: a stateful input waits for the rows that a batch holds back, so the batch would never fill" ]
}`

// The same rules as config.validate.
const lintTogether = `
let ledger = this.ledger.or(true) != false
let own = if $ledger { [ "stream", "task", "seq" ] } else { [] }
let columns = if this.columns.or([]).type() == "array" { this.columns.or([]) } else { [] }
let key = if this.key.or([]).type() == "array" { this.key.or([]) } else { [] }
root = [
  if this.columns.or([]).length().catch(1) == 0 { "columns: is empty" } else { deleted() },
  if this.key.or([]).length().catch(1) == 0 { "key: is empty" } else { deleted() },
  if $columns.length() != $columns.unique().length() { "columns: a name stands there twice" } else { deleted() },
  if $key.length() != $key.unique().length() { "key: a name stands there twice" } else { deleted() },
  if $columns.any(c -> c == "") { "columns: a name is empty" } else { deleted() },
  if $columns.any(c -> $own.contains(c)) { "columns: stream, task and seq are written by the output itself where ledger is true" } else { deleted() },
  if $key.any(k -> $own.contains(k)) { "key: stream and task are added to it where ledger is true, and seq belongs to no key" } else { deleted() },
  if $key.any(k -> !$columns.contains(k) && !$own.contains(k)) { "key: each of its names must be among the columns" } else { deleted() },
  if this.timestamp_column.or("") != "" && $columns.merge($own).contains(this.timestamp_column) { "timestamp_column: has another source already" } else { deleted() },
  if !$ledger && this.task_key.or(true) == false { "task_key: false has a meaning only where ledger is true" } else { deleted() },
  if this.shared.or(false) == true && (!$ledger || this.task_key.or(true) == false) { "shared: has a meaning only where ledger and task_key are true" } else { deleted() },
]`

const description = `
The rows of a batch are written by one statement for each task, in one transaction. Of the rows with one key only the newest is sent. Messages that carry many rows, as ` + "`stateful_kafka`" + ` makes them with ` + "`rows_per_message`" + `, are taken apart: what is said of rows here holds for each of theirs. Such a message is rejected (nacked) when one of its rows could neither be written nor put away.

### Delivery guarantees

**Rows of a stateful input, ` + "`ledger: true`" + `: exactly once.** At any time the table holds what the committed state of each task says, plus what the running task has added since. It rests on four things:

- The table ` + "`tidemark_tasks`" + ` (the ledger) has a row for each stream and task with the *generation* that may write. Each write holds that row in its transaction. A process that lost the task, but does not know it yet, has an older generation and writes nothing: it is fenced.
- When a task starts, it sets its new generation and, in the same transaction, removes its rows above the last committed ` + "`seq`" + `: those that an earlier run wrote and never committed.
- The task then emits its open windows again, so values that a removed row had replaced come back.
- ` + "`seq`" + ` counts what a task emits. A stored row is replaced only by one with a greater count, so batches may be in flight side by side and may be repeated.

The input commits its state only after the rows were acknowledged here. The ledger's ` + "`watermark`" + ` says how far a task's event time has come: null before its first record, ` + "`infinity`" + ` at the end of the input.

Beside the ledger, in the table ` + "`tidemark_task_figures`" + ` of its schema, each task tells how it stands, at most once a second: its account, what it has stored, which partition holds its watermark, how long its last commit took. The live page shows them. They are no part of the guarantees: without the table, or when they cannot be stored, rows are written as ever, and the log says so every 30 s.

**Other messages, ` + "`ledger: false`" + `: at least once.** Rows are upserted by ` + "`key`" + `. Within a batch the last message of a key wins; between batches in flight the order is open, so set ` + "`max_in_flight: 1`" + ` where it matters.

### Errors

- *Postgres cannot be reached*, at the start or later: the output waits and tries again for as long as it takes, with a line in the log every 30 s. Nothing is lost or skipped.
- *A value that Postgres refuses* (out of range, null where it must not be, a violated constraint: SQLSTATE classes 22 and 23 and their like) or that is not of the column's type: the row is searched by halving the batch, all others are written, and it goes to the ` + "`dead_letters`" + ` table with reason ` + "`invalid`" + `, the error and the row as JSON. It is found there under the record's topic, partition and offset where the message has them as ` + "`kafka_topic`, `kafka_partition` and `kafka_offset`" + `; otherwise topic is the table, partition the task, and offset the row's ` + "`seq`" + ` (a hash of the row without a ledger). If it was to replace another row of its batch, that one is written.
- *An error that no retry can mend* (wrong password, missing database, table or column, a column of another type, no fitting unique index, a missing privilege) stops the stream with one line that names it. The tables are checked before the first row is written.

### Types

| column | takes |
|---|---|
| ` + "`smallint`, `integer`, `bigint`" + ` | whole numbers, also as text |
| ` + "`numeric`" + ` | numbers and decimal text, digit by digit: money keeps its cents |
| ` + "`real`, `double precision`" + ` | numbers, also as text |
| ` + "`text`, `varchar`" + ` | text; numbers, booleans and times as text; lists and objects as JSON |
| ` + "`boolean`" + ` | booleans, and the texts true and false |
| ` + "`timestamptz`" + ` | times, and text as RFC 3339 or like ` + "`2018-01-31 23:59:59`" + `, without a zone in UTC; no numbers |
| ` + "`json`, `jsonb`" + ` | anything, as JSON; a text becomes a JSON string |
| ` + "`uuid`" + ` | text |
| arrays of these but ` + "`json`" + ` | lists of what the element takes |

Null goes with every type. What does not fit is refused, not cut; only ` + "`numeric(p, s)`" + ` rounds to its scale, and floating point to its precision.

### Metrics

` + "`tidemark_pg_upsert_rows_total`" + ` counts rows by ` + "`stream`, `table` and `outcome`: `written`, `superseded`" + ` (a newer value of the row was in the same batch) and ` + "`refused`" + `.
`

const exampleWindows = `
output:
  pg_upsert:
    dsn: postgres://tidemark:tidemark@localhost:5432/tidemark?sslmode=disable
    table: gmv_windows
    key: [ window_start ]
    columns: [ window_start, window_end, closes_at, item_revenue, freight, item_count, unique_orders, max_item_price, min_item_price ]
    timestamp_column: processed_at
`

const exampleDeadLetters = `
output:
  pg_upsert:
    dsn: postgres://tidemark:tidemark@localhost:5432/tidemark?sslmode=disable
    table: dead_letter_events
    key: [ topic, partition, offset ]
    task_key: false
    columns: [ topic, partition, offset, event_time, reason, detail, payload ]
`

const examplePlain = `
output:
  fallback:
    - pg_upsert:
        dsn: postgres://tidemark:tidemark@localhost:5432/tidemark?sslmode=disable
        table: shop.customers
        key: [ customer_id ]
        columns: [ customer_id, state, address ]
        ledger: false
        dead_letters: ""
        batching: { count: 1000, period: 1s }
    - file:
        path: refused.jsonl
        codec: lines
`
