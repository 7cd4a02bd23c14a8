package pgupsert

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"pgregory.net/rapid"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/host"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

func TestMain(m *testing.M) { kit.Main(m) }

const tables = `
create table tidemark_tasks (stream text, task int, generation bigint not null, committed_seq bigint not null,
	watermark timestamptz, updated_at timestamptz not null default now(), primary key (stream, task));
create table dead_letter_events (stream text, topic text, partition int, "offset" bigint, event_time timestamptz,
	reason text not null, detail text, payload text, seen_at timestamptz not null default now(),
	task int, seq bigint, primary key (stream, topic, partition, "offset"));
create table windows (stream text, task int, at timestamptz, total bigint not null, money numeric(15,2), ids text[],
	seq bigint not null, processed_at timestamptz not null default now(), primary key (stream, task, at));
create table plain (id bigint primary key, v text);`

// database is a Postgres database with the tables above.
type database struct {
	*kit.Database
	t *testing.T
}

func newDatabase(t *testing.T) database {
	t.Helper()
	d := database{kit.Postgres(t), t}
	d.exec(tables)
	return d
}

func (d database) exec(statement string, args ...any) {
	d.t.Helper()
	if _, err := d.DB.Exec(statement, args...); err != nil {
		d.t.Fatal(err)
	}
}

// rows is the result of a query, columns joined by "|", rows by " ".
func (d database) rows(query string) string {
	d.t.Helper()
	rows, err := d.DB.Query(query)
	if err != nil {
		d.t.Fatal(err)
	}
	defer rows.Close()
	names, _ := rows.Columns()
	var out []string
	for rows.Next() {
		cells, ptrs := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range cells {
			ptrs[i] = &cells[i]
		}
		if err := rows.Scan(ptrs...); err != nil {
			d.t.Fatal(err)
		}
		var texts []string
		for _, c := range cells {
			if !c.Valid {
				c.String = "null"
			}
			texts = append(texts, c.String)
		}
		out = append(out, strings.Join(texts, "|"))
	}
	if rows.Err() != nil {
		d.t.Fatal(rows.Err())
	}
	return strings.Join(out, " ")
}

func (d database) expect(query, want string) {
	d.t.Helper()
	if got := d.rows(query); got != want {
		d.t.Errorf("%s\n got %s\nwant %s", query, got, want)
	}
}

// output makes an output of this config and closes it with the test.
func (d database) output(res *service.Resources, fields string) *output {
	d.t.Helper()
	o, err := construct("output:\n  pg_upsert:\n    dsn: "+d.DSN+"\n    "+strings.ReplaceAll(fields, "\n", "\n    "), res)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = o.Close(context.Background()) })
	return o
}

func (d database) connected(res *service.Resources, fields string) *output {
	d.t.Helper()
	o := d.output(res, fields)
	if err := o.Connect(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
	return o
}

const windowFields = `table: windows
key: [ at ]
columns: [ at, total, money, ids ]
timestamp_column: processed_at`

const plainFields = `table: plain
key: [ id ]
columns: [ id, v ]
ledger: false`

var noon = time.Date(2018, 1, 31, 12, 0, 0, 0, time.UTC)

// emission is a row of a window as the stateful input hands it out.
func emission(run host.TaskRun, seq int64, at time.Time, total any) *service.Message {
	m := service.NewMessage(nil)
	m.SetStructuredMut(map[string]any{"at": at, "total": total, "money": json.Number("0.10"), "ids": []any{"a", "b c"}})
	m.MetaSetMut(host.MetaStream, run.Stream)
	m.MetaSetMut(host.MetaTask, int64(run.Task))
	m.MetaSetMut(host.MetaGeneration, run.Generation)
	m.MetaSetMut(host.MetaSeq, seq)
	return m
}

func object(fields map[string]any) *service.Message {
	m := service.NewMessage(nil)
	m.SetStructuredMut(fields)
	return m
}

func (d database) begin(l host.Ledger, run host.TaskRun) {
	d.t.Helper()
	if err := l.Begin(d.t.Context(), run); err != nil {
		d.t.Fatal(err)
	}
}

func (d database) write(o *output, batch ...*service.Message) {
	d.t.Helper()
	if err := o.WriteBatch(d.t.Context(), batch); err != nil {
		d.t.Fatal(err)
	}
}

var run1 = host.TaskRun{Stream: "s", Task: 2, Generation: 1}

func TestBulkUpsert(t *testing.T) {
	d := newDatabase(t)
	o := d.connected(service.MockResources(), windowFields)
	d.begin(o, run1)
	var batch service.MessageBatch
	for i := range 5000 {
		batch = append(batch, emission(run1, int64(i+1), noon.Add(time.Duration(i)*time.Minute), i))
	}
	d.write(o, batch...)
	d.expect("select count(*), sum(total), sum(money), max(seq), min(ids::text) from windows where stream = 's' and task = 2",
		"5000|12497500|500.00|5000|{a,\"b c\"}")
	d.write(o, emission(run1, 5001, noon, 7))
	d.expect("select total, seq from windows order by at limit 2", "7|5001 1|2")
}

func TestNewestOfABatchWins(t *testing.T) {
	d := newDatabase(t)
	o := d.connected(service.MockResources(), windowFields)
	d.begin(o, run1)
	d.write(o, emission(run1, 3, noon, 30), emission(run1, 9, noon, 90), emission(run1, 5, noon, 50))
	d.expect("select total, seq from windows", "90|9")
	// A batch that was overtaken changes nothing, and says that it was written.
	d.write(o, emission(run1, 8, noon, 80))
	d.write(o, emission(run1, 9, noon, 91))
	d.expect("select total, seq from windows", "90|9")
}

func TestFencing(t *testing.T) {
	d := newDatabase(t)
	zombie := d.connected(service.MockResources(), windowFields)
	d.begin(zombie, run1)
	d.write(zombie, emission(run1, 1, noon, 1), emission(run1, 2, noon.Add(time.Minute), 2))
	if err := zombie.Advance(t.Context(), run1, 1, event.TimeOf(noon)); err != nil {
		t.Fatal(err)
	}
	d.expect("select generation, committed_seq, watermark = '2018-01-31 12:00Z' from tidemark_tasks", "1|1|true")

	owner := d.connected(service.MockResources(), windowFields)
	run2 := host.TaskRun{Stream: "s", Task: 2, Generation: 2, CommittedSeq: 1}
	d.begin(owner, run2)
	d.expect("select generation, committed_seq, watermark from tidemark_tasks", "2|1|null")
	d.expect("select total, seq from windows", "1|1") // the row of seq 2 was never committed

	err := zombie.WriteBatch(t.Context(), service.MessageBatch{emission(run1, 3, noon, 3)})
	if !errors.Is(err, host.ErrFenced) {
		t.Errorf("error %v, want fenced", err)
	}
	if err := zombie.Begin(t.Context(), run1); !errors.Is(err, host.ErrFenced) {
		t.Errorf("begin: error %v, want fenced", err)
	}
	if err := zombie.Advance(t.Context(), run1, 3, event.MaxTime); !errors.Is(err, host.ErrFenced) {
		t.Errorf("advance: error %v, want fenced", err)
	}
	d.expect("select total, seq from windows", "1|1")
	d.write(owner, emission(run2, 2, noon, 22))
	d.expect("select total, seq from windows", "22|2")
}

// A batch of two tasks of which one is fenced: the other one's rows are written.
func TestFencingIsByTask(t *testing.T) {
	d := newDatabase(t)
	o := d.connected(service.MockResources(), windowFields)
	d.begin(o, run1)
	other := host.TaskRun{Stream: "s", Task: 3, Generation: 7}
	batch := service.MessageBatch{emission(other, 1, noon, 1), emission(run1, 1, noon, 2)}
	index := batch.Index()
	err := o.WriteBatch(t.Context(), batch)
	var be *service.BatchError
	if !errors.As(err, &be) || !errors.Is(err, host.ErrFenced) {
		t.Fatalf("error %v", err)
	}
	be.WalkMessagesIndexedBy(index, func(i int, _ *service.Message, err error) bool {
		if (err != nil) != (i == 0) {
			t.Errorf("message %d: error %v", i, err)
		}
		return true
	})
	d.expect("select task, total from windows", "2|2")
}

// Begin waits for a write that holds the ledger, and that write stays whole.
func TestBeginWaitsForAWrite(t *testing.T) {
	d := newDatabase(t)
	o := d.connected(service.MockResources(), windowFields)
	d.begin(o, run1)
	tx, err := d.DB.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec(ledgerSQL{"tidemark_tasks"}.hold(), "s", 2, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("insert into windows (stream, task, at, total, seq) values ('s', 2, now(), 1, 1)"); err != nil {
		t.Fatal(err)
	}
	begun := make(chan error)
	go func() {
		begun <- o.Begin(t.Context(), host.TaskRun{Stream: "s", Task: 2, Generation: 2})
	}()
	// The ledger row is locked until Begin shows up as waiting for it.
	for d.rows("select count(*) from pg_locks where not granted and pid in (select pid from pg_stat_activity where datname = current_database())") == "0" {
		select {
		case err := <-begun:
			t.Fatalf("begin did not wait: %v", err)
		default:
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-begun; err != nil {
		t.Fatal(err)
	}
	d.expect("select count(*) from windows", "0")
}

func TestWatermarks(t *testing.T) {
	d := newDatabase(t)
	o := d.connected(service.MockResources(), windowFields)
	d.begin(o, run1)
	for _, c := range []struct {
		at   event.Time
		want string
	}{{event.MinTime, "4|null"}, {event.MaxTime, "4|infinity"}, {event.TimeOf(noon) + 1, "4|2018-01-31 12:00:00.001+00"}} {
		if err := o.Advance(t.Context(), run1, 4, c.at); err != nil {
			t.Fatal(err)
		}
		d.expect("select committed_seq, (watermark at time zone 'UTC')::text || case when isfinite(watermark) then '+00' else '' end from tidemark_tasks", c.want)
	}
}

// Several outputs of a stream begin the same generation. One that attaches after
// another has written to a table that both use takes nothing away.
func TestOutputsShareTheLedger(t *testing.T) {
	d := newDatabase(t)
	res := service.MockResources()
	hub := host.HubOf(res)
	d.exec("insert into plain values (1, 'x')")
	d.exec("insert into dead_letter_events (stream, topic, partition, \"offset\", reason, task, seq) values ('s', 'old', 0, 0, 'late', 2, 9)")

	first := d.connected(res, windowFields)
	if err := hub.Begin(t.Context(), run1); err != nil {
		t.Fatal(err)
	}
	d.expect("select count(*) from dead_letter_events", "0") // of an uncommitted run
	d.write(first, emission(run1, 1, noon, "not a number"), emission(run1, 2, noon, 2))
	if err := hub.Advance(t.Context(), run1, 2, event.TimeOf(noon)); err != nil {
		t.Fatal(err)
	}
	second := d.connected(res, "table: dead_letter_events\nkey: [ topic, partition, offset ]\ntask_key: false\ncolumns: [ topic, partition, offset, reason ]")
	d.expect("select topic, partition, \"offset\", seq from dead_letter_events", "windows|2|1|1")
	d.expect("select generation, committed_seq, watermark is not null from tidemark_tasks", "1|2|true")

	run2 := host.TaskRun{Stream: "s", Task: 2, Generation: 2, CommittedSeq: 0}
	hub.End(run1)
	if err := hub.Begin(t.Context(), run2); err != nil {
		t.Fatal(err)
	}
	d.expect("select (select count(*) from dead_letter_events), (select count(*) from windows)", "0|0")
	_ = second
}

// TestTableOfOneStream: after a stream was renamed its rows would be added to those under its
// old name. It is refused, unless the table is for several or it has rows of its own there.
func TestTableOfOneStream(t *testing.T) {
	d := newDatabase(t)
	res := service.MockResources()
	hub := host.HubOf(res)
	d.connected(res, "table: dead_letter_events\nkey: [ topic, partition, offset ]\ntask_key: false\ncolumns: [ topic, partition, offset, reason ]")
	d.connected(res, windowFields)
	for _, one := range []struct {
		name    string
		run     host.TaskRun
		refused bool
	}{
		{"one that is new", host.TaskRun{Stream: "new", Generation: 1}, true},
		{"and tries again", host.TaskRun{Stream: "new", Generation: 2}, true},
		{"one that has rows already", host.TaskRun{Stream: "known", Generation: 9, CommittedSeq: 1}, false},
		{"the one whose rows are old", host.TaskRun{Stream: "old", Task: 7, Generation: 1}, false},
	} {
		d.exec("insert into windows (stream, task, seq, at, total) values ('old', 0, 1, '2018-01-01', 1) on conflict do nothing")
		err := hub.Begin(t.Context(), one.run)
		if (err != nil) != one.refused || one.refused && !strings.Contains(err.Error(), "`tidemark replay --as new`") {
			t.Errorf("%s: %v", one.name, err)
		}
	}
	if err := hub.Err(); err == nil {
		t.Error("the stream goes on")
	}
	shared := service.MockResources()
	d.connected(shared, windowFields+"\nshared: true")
	if err := host.HubOf(shared).Begin(t.Context(), host.TaskRun{Stream: "other", Generation: 1}); err != nil {
		t.Error(err)
	}
}

func TestDeadLettersOfAStream(t *testing.T) {
	d := newDatabase(t)
	o := d.connected(service.MockResources(),
		"table: dead_letter_events\nkey: [ topic, partition, offset ]\ntask_key: false\ncolumns: [ topic, partition, offset, event_time, reason, detail, payload ]")
	runs := []host.TaskRun{{Stream: "s", Task: 0, Generation: 1}, {Stream: "s", Task: 1, Generation: 1}}
	dead := func(run host.TaskRun, seq int64, reason, payload string) *service.Message {
		m := emission(run, seq, noon, 0)
		m.SetStructuredMut(map[string]any{"topic": "olist.orders", "partition": int64(0), "offset": int64(5), "event_time": noon, "reason": reason, "detail": "dedup", "payload": payload})
		return m
	}
	d.begin(o, runs[0])
	d.begin(o, runs[1])
	d.write(o, dead(runs[0], 8, "late", "{}"))
	d.write(o, dead(runs[0], 7, "orphan", "{}"))
	d.expect("select topic, partition, \"offset\", reason, task, seq from dead_letter_events", "olist.orders|0|5|late|0|8")
	d.write(o, dead(runs[1], 2, "orphan", "{}")) // the counts of two tasks do not compare
	d.expect("select topic, partition, \"offset\", reason, task, seq from dead_letter_events", "olist.orders|0|5|orphan|1|2")
	// One that cannot be stored keeps the place that it tells of.
	d.write(o, dead(runs[1], 3, "late", "a\x00b"))
	d.expect("select topic, partition, \"offset\", reason, detail from dead_letter_events",
		`olist.orders|0|5|invalid|dead_letter_events: column payload: "a\x00b" has a NUL at byte 1, which a text cannot hold`)
}

func TestRefusedRowsAreSearched(t *testing.T) {
	d := newDatabase(t)
	o := d.connected(service.MockResources(), windowFields)
	d.begin(o, run1)
	var batch service.MessageBatch
	for i := range 1000 {
		batch = append(batch, emission(run1, int64(i+1), noon.Add(time.Duration(i)*time.Minute), i))
	}
	set := func(i int, field string, v any) {
		m, err := batch[i].AsStructuredMut()
		if err != nil {
			t.Fatal(err)
		}
		m.(map[string]any)[field] = v
		batch[i].SetStructuredMut(m)
	}
	set(10, "total", nil)                               // 23502
	set(500, "money", json.Number("123456789012345.0")) // 22003
	set(999, "total", "many")                           // not even a number
	batch[500].MetaSetMut(host.MetaTopic, "olist.orders")
	batch[500].MetaSetMut(host.MetaPartition, 1)
	batch[500].MetaSetMut(host.MetaOffset, 77)
	d.write(o, batch...)
	d.expect("select count(*), sum(total) from windows", "997|497991")
	d.expect(`select topic, partition, "offset", reason, task, seq, substring(detail from 'SQLSTATE .....'), payload::jsonb ->> 'total' from dead_letter_events order by 6`,
		"windows|2|11|invalid|2|11|SQLSTATE 23502|null olist.orders|1|77|invalid|2|501|SQLSTATE 22003|500 windows|2|1000|invalid|2|1000|null|many")
}

// What a refused row was to replace is what the table shows.
func TestOlderValueBehindARefusedOne(t *testing.T) {
	d := newDatabase(t)
	o := d.connected(service.MockResources(), windowFields)
	d.begin(o, run1)
	d.write(o, emission(run1, 1, noon, 1), emission(run1, 2, noon, 2), emission(run1, 3, noon, nil), emission(run1, 4, noon, nil))
	d.expect("select total, seq from windows", "2|2")
	d.expect(`select count(*) from dead_letter_events`, "2")
}

var windowSchema = event.NewSchema("w", "at", "until", "total", "money", "ids")

// emissions is a message with the rows of one window each: its number, the minutes
// after noon and the total of each.
func emissions(run host.TaskRun, rows ...[3]any) *service.Message {
	b := &host.Bundle{Schema: windowSchema}
	for _, r := range rows {
		at := event.TimeOf(noon.Add(time.Duration(r[1].(int)) * time.Minute))
		b.Rows = append(b.Rows, event.Row{Time: at, Schema: windowSchema, Values: []event.Value{
			event.TimestampOf(at), event.TimestampOf(at.Add(event.Minute)), event.ValueOf(r[2]), event.DecimalOf(10, 2), event.JSONOf(`["a","b c"]`)}})
		b.Seqs = append(b.Seqs, int64(r[0].(int)))
	}
	m := emission(run, b.Seqs[len(b.Seqs)-1], noon, 0)
	m.SetStructuredMut(b)
	return m
}

// Rows that share a message are rows of their own: the newest of a key wins, each is
// guarded by its own number, and a batch may mix them with others and other tasks.
func TestBundles(t *testing.T) {
	d := newDatabase(t)
	o := d.connected(service.MockResources(), windowFields)
	other := host.TaskRun{Stream: "s", Task: 3, Generation: 5}
	d.begin(o, run1)
	d.begin(o, other)
	d.write(o, emissions(run1, [3]any{1, 0, 10}, [3]any{2, 1, 20}, [3]any{5, 0, 50}), emission(run1, 3, noon, 30),
		emissions(other, [3]any{1, 0, 1}, [3]any{2, 2, 2}), emissions(run1, [3]any{4, 1, 40}))
	const q = "select task, extract(hour from at at time zone 'UTC'), extract(minute from at), total, money, ids::text, seq from windows order by task, at"
	d.expect(q, `2|12|0|50|0.10|{a,"b c"}|5 2|12|1|40|0.10|{a,"b c"}|4 3|12|0|1|0.10|{a,"b c"}|1 3|12|2|2|0.10|{a,"b c"}|2`)
	// The message's own number is that of its last row, and means nothing for the first.
	d.write(o, emissions(run1, [3]any{4, 0, 0}, [3]any{9, 1, 90}))
	d.expect("select total, seq from windows where task = 2 order by at", "50|5 90|9")
}

// Whatever rows say of being the first of their key, the same comes of them.
func TestFirstIsAHint(t *testing.T) {
	d := newDatabase(t)
	o := d.connected(service.MockResources(), windowFields)
	runs := [2]host.TaskRun{run1, {Stream: "s", Task: 3, Generation: 1}}
	for _, run := range runs {
		d.begin(o, run)
	}
	seq := 0
	rapid.Check(t, func(t *rapid.T) {
		d.exec("truncate windows, dead_letter_events")
		for range rapid.IntRange(1, 4).Draw(t, "batches") {
			var rows [][3]any
			var first []bool
			for range rapid.IntRange(1, 12).Draw(t, "rows") {
				seq++
				total := rapid.SampledFrom([]any{1, 2, 3, 4, 5, 6, 7, nil, "many"}).Draw(t, "total")
				number := 64*(seq+rapid.IntRange(-3, 0).Draw(t, "seq")) + seq%64 // in no order, and its own
				rows = append(rows, [3]any{number, rapid.IntRange(0, 9).Draw(t, "minute"), total})
				first = append(first, rapid.IntRange(0, 3).Draw(t, "first") > 0)
			}
			for i, run := range runs {
				m := emissions(run, rows...)
				b, _ := host.BundleOf(m)
				for k := range b.Rows {
					b.Rows[k].First = i == 0 && first[k]
				}
				d.write(o, m)
			}
		}
		for _, q := range []string{"select at, total, seq from windows where task = %d order by at",
			`select "offset", left(detail, 45), payload from dead_letter_events where task = %d order by "offset"`} {
			if got, want := d.rows(fmt.Sprintf(q, 2)), d.rows(fmt.Sprintf(q, 3)); got != want {
				t.Fatalf("got %s\nwant %s", got, want)
			}
		}
	})
	if seq == 0 {
		t.Error("nothing was written")
	}
}

// A refused row of a bundle takes no other with it, and its dead letter is its own.
func TestRefusedRowsOfABundle(t *testing.T) {
	d := newDatabase(t)
	o := d.connected(service.MockResources(), windowFields)
	d.begin(o, run1)
	m := emissions(run1, [3]any{1, 0, 10}, [3]any{2, 1, nil}, [3]any{3, 2, "many"}, [3]any{4, 0, nil}, [3]any{5, 3, 50})
	b, _ := host.BundleOf(m)
	b.Rows[2].Source = &event.Source{Topic: "olist.orders", Partition: 1, Offset: 77}
	d.write(o, m)
	d.expect("select total, seq from windows order by at", "10|1 50|5") // and what the refused one was to replace
	d.expect(`select topic, partition, "offset", reason, task, seq, payload::jsonb ->> 'at', payload::jsonb ->> 'total' from dead_letter_events order by seq`,
		"windows|2|2|invalid|2|2|2018-01-31T12:01:00Z|null olist.orders|1|77|invalid|2|3|2018-01-31T12:02:00Z|many windows|2|4|invalid|2|4|2018-01-31T12:00:00Z|null")
}

// onlySecondFails writes a batch of which the second message alone has to fail.
func onlySecondFails(t *testing.T, o *output, batch service.MessageBatch) {
	t.Helper()
	index := batch.Index()
	err := o.WriteBatch(t.Context(), batch)
	var be *service.BatchError
	if !errors.As(err, &be) || be.IndexedErrors() != 1 {
		t.Fatalf("error %v", err)
	}
	be.WalkMessagesIndexedBy(index, func(i int, _ *service.Message, err error) bool {
		if (err != nil) != (i == 1) {
			t.Errorf("message %d: error %v", i, err)
		}
		return true
	})
}

// Without a table for its refused rows a bundle has failed as a whole, and no other
// message has.
func TestBundlesAreNackedWithoutDeadLetters(t *testing.T) {
	d := newDatabase(t)
	o := d.connected(service.MockResources(), windowFields+"\ndead_letters: \"\"")
	d.begin(o, run1)
	batch := service.MessageBatch{emissions(run1, [3]any{1, 0, 1}), emissions(run1, [3]any{2, 1, 2}, [3]any{3, 2, "many"}), emissions(run1, [3]any{4, 3, 4})}
	onlySecondFails(t, o, batch)
	d.expect("select total from windows order by at", "1 2 4")
}

// Without a ledger the last row of a key wins, in a bundle as in a batch.
func TestBundleWithoutLedger(t *testing.T) {
	d := newDatabase(t)
	o := d.connected(service.MockResources(), plainFields)
	b := &host.Bundle{Schema: event.NewSchema("p", "v", "id"), Seqs: make([]int64, 3)}
	for i, v := range []string{"a", "b", "c"} {
		b.Rows = append(b.Rows, event.Row{Schema: b.Schema, Values: []event.Value{event.StringOf(v), event.IntOf(int64(1 + i/2))}})
	}
	m := service.NewMessage(nil)
	m.SetStructuredMut(b)
	d.write(o, object(map[string]any{"id": 1, "v": "x"}), m, object(map[string]any{"id": 2, "v": "y"}))
	d.expect("select * from plain order by id", "1|b 2|y")
}

func TestWithoutLedger(t *testing.T) {
	d := newDatabase(t)
	o := d.connected(service.MockResources(), plainFields)
	d.write(o, object(map[string]any{"id": 1, "v": "a"}), service.NewMessage([]byte(`{"id":2,"v":null}`)),
		object(map[string]any{"id": "1", "v": "b"}), object(map[string]any{"id": 3}))
	d.expect("select * from plain order by id", "1|b 2|null 3|null")
	// Refused rows have no place of their own; writing them again makes no second dead letter.
	for range 2 {
		d.write(o, service.NewMessage([]byte("{broken")), object(map[string]any{"id": nil}), object(map[string]any{"id": 4, "v": "d"}))
	}
	d.expect("select count(*), count(task), min(topic) from dead_letter_events", "2|0|plain")
	d.expect("select count(*) from plain", "4")
}

func TestRefusedRowsAreNackedWithoutDeadLetters(t *testing.T) {
	d := newDatabase(t)
	o := d.connected(service.MockResources(), plainFields+"\ndead_letters: \"\"")
	batch := service.MessageBatch{object(map[string]any{"id": 1}), object(map[string]any{"id": "x"}), object(map[string]any{"id": 2})}
	onlySecondFails(t, o, batch)
	d.expect("select id from plain order by id", "1 2")
}

func TestMessageWithoutOrigin(t *testing.T) {
	d := newDatabase(t)
	o := d.connected(service.MockResources(), windowFields)
	err := o.WriteBatch(t.Context(), service.MessageBatch{object(map[string]any{"at": noon, "total": 1})})
	if err == nil || !strings.Contains(err.Error(), "ledger: false") {
		t.Errorf("error %v", err)
	}
}

// Values come back as they went in, under names that need every quote.
func TestValuesAndOddNames(t *testing.T) {
	d := newDatabase(t)
	d.exec(`create schema "My Schema"; create table "My Schema"."odd.table ?" ("Key" uuid, "select" numeric, "it's" text[], "ünï ""x""" jsonb,
		b bigint[], f double precision, ok boolean, at timestamptz, v varchar(3), "offset" smallint, primary key ("Key"))`)
	o := d.output(service.MockResources(), `table: '"My Schema"."odd.table ?"'
key: [ Key ]
columns: [ Key, select, "it's", 'ünï "x"', b, f, ok, at, v, offset ]
ledger: false`)
	if err := o.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	id := "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
	d.write(o, object(map[string]any{
		"Key": id, "select": json.Number("12345678901234567890.123456789"), "it's": []any{`a"b`, nil, `c\,d{}`, "", "NULL"},
		`ünï "x"`: map[string]any{"n": json.Number("1.10"), "s": `q"`}, "b": []any{int64(-9223372036854775808), nil},
		"f": 0.1, "ok": true, "at": noon.Add(123456 * time.Microsecond), "v": "abc", "offset": 7,
	}))
	q := `select "select", "it's"::text, "ünï ""x"""::text, b::text, f, ok, at at time zone 'UTC', v, "offset" from "My Schema"."odd.table ?"`
	d.expect(q, `12345678901234567890.123456789|{"a\"b",NULL,"c\\,d{}","","NULL"}|{"n": 1.10, "s": "q\""}|{-9223372036854775808,NULL}|0.1|true|2018-01-31T12:00:00.123456Z|abc|7`)
	d.write(o, object(map[string]any{"Key": strings.ToUpper(id), "it's": []any{}}))
	d.expect(q, "null|{}|null|null|null|null|null|null|null")
	// A text that is too long is refused, not cut.
	d.write(o, object(map[string]any{"Key": id, "v": "abcd"}))
	d.expect("select detail from dead_letter_events", "My Schema.odd.table ?: value too long for type character varying(3) (SQLSTATE 22001)")
}

func TestErrorsAtStart(t *testing.T) {
	d := newDatabase(t)
	reader := "reader_" + d.rows("select current_database()") // roles are the server's
	d.exec("create role " + reader + " login password 'pw'; create table other (id bigint, v text, d date, n text not null, primary key (id, v))")
	d.exec("grant select on all tables in schema public to " + reader)
	with := func(change func(*url.URL)) string {
		u, err := url.Parse(d.DSN)
		if err != nil {
			t.Fatal(err)
		}
		change(u)
		return u.String()
	}
	other := "table: other\nkey: [ id, v ]\ncolumns: [ id, v, n ]\nledger: false"
	for _, c := range []struct{ name, dsn, fields, want string }{
		{"password", with(func(u *url.URL) { u.User = url.UserPassword("tidemark", "wrong-secret") }), plainFields, "password authentication failed"},
		{"database", with(func(u *url.URL) { u.Path = "/nowhere" }), plainFields, `database "nowhere" does not exist`},
		{"TLS", with(func(u *url.URL) { u.RawQuery = "" }), plainFields, "add sslmode=disable"},
		{"table", d.DSN, strings.Replace(windowFields, "windows", "windoes", 1), "table: table windoes does not exist"},
		{"column", d.DSN, strings.Replace(windowFields, "money", "mony", 1), `table windows has no column "mony"`},
		{"type", d.DSN, strings.Replace(other, "v, n ]", "v, n, d ]", 1), `column "d" is of type date`},
		{"key", d.DSN, strings.Replace(other, "key: [ id, v ]", "key: [ id ]", 1), "unique index on exactly (id)"},
		{"column left out", d.DSN, strings.Replace(other, "v, n ]", "v ]", 1), `column "n" must not be null`},
		{"ledger on a plain table", d.DSN, "table: plain\nkey: [ id ]\ncolumns: [ id, v ]", "set ledger: false"},
		{"dead letters", d.DSN, plainFields + "\ndead_letters: nothing", "dead_letters: table nothing does not exist"},
		{"dead letters of another form", d.DSN, plainFields + "\ndead_letters: other", `dead_letters: table other has no column "stream"`},
		{"ledger table", d.DSN, windowFields + "\nledger_table: nothing", "ledger_table: table nothing does not exist"},
		{"privilege", with(func(u *url.URL) { u.User = url.UserPassword(reader, "pw") }), plainFields, "permission denied for table plain"},
	} {
		t.Run(c.name, func(t *testing.T) {
			res := service.MockResources()
			sub := d
			kitDB := *d.Database
			kitDB.DSN = c.dsn
			sub.Database, sub.t = &kitDB, t
			o := sub.output(res, c.fields)
			err := o.Connect(t.Context())
			if err == nil {
				t.Fatal("connected")
			}
			if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "secret") {
				t.Errorf("error %v, want one line with %q", err, c.want)
			}
			if failed := host.HubOf(res).Err(); failed == nil || failed.Error() != err.Error() {
				t.Errorf("the stream goes on: %v", failed)
			}
		})
	}
}

// A table that goes away in mid-run stops the stream.
func TestTableDroppedInMidRun(t *testing.T) {
	d := newDatabase(t)
	res := service.MockResources()
	o := d.connected(res, plainFields)
	d.exec("drop table plain")
	err := o.WriteBatch(t.Context(), service.MessageBatch{object(map[string]any{"id": 1})})
	if err == nil || !strings.Contains(err.Error(), `plain: relation "plain" does not exist`) || host.HubOf(res).Err() == nil {
		t.Errorf("error %v, stream %v", err, host.HubOf(res).Err())
	}
}

// Postgres stops while batches are written and comes back: nothing is lost, and
// the generation is still the one that may write.
func TestOutage(t *testing.T) {
	d := newDatabase(t)
	o := d.connected(service.MockResources(), windowFields)
	away := make(chan struct{})
	o.retry.sleep = func(ctx context.Context, _ time.Duration) error {
		select {
		case away <- struct{}{}: // taken while the test waits for the outage to be seen
			return nil
		default:
			return sleep(ctx, time.Millisecond)
		}
	}
	d.begin(o, run1)
	const writers, batches = 4, 40
	done := make(chan error, writers)
	written, down := make(chan struct{}, writers*batches), make(chan struct{})
	for w := range writers {
		go func() {
			for b := range batches {
				if b == batches-1 {
					<-down // so that at least this one meets the outage
				}
				i := w*batches + b
				err := o.WriteBatch(t.Context(), service.MessageBatch{
					emission(run1, int64(2*i+1), noon.Add(time.Duration(i)*time.Minute), i),
					emission(run1, int64(2*i+2), noon.Add(time.Duration(-1)*time.Minute), i),
				})
				if err != nil {
					done <- err
					return
				}
				written <- struct{}{}
			}
			done <- nil
		}()
	}
	<-written
	d.Stop(t)
	close(down)
	<-away // a write has met the outage
	advanced := make(chan error, 1)
	go func() { advanced <- o.Advance(t.Context(), run1, 1, event.TimeOf(noon)) }()
	<-away
	d.Start(t)
	for range writers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if err := <-advanced; err != nil {
		t.Error(err)
	}
	d.expect("select count(*), sum(total) filter (where at >= '2018-01-31 12:00Z'), max(seq) filter (where at < '2018-01-31 12:00Z') from windows", "161|12720|320")
	d.expect("select generation, committed_seq from tidemark_tasks", "1|1")
}

// Absent at the start: Connect reports it once, then goes on trying in silence.
func TestAbsentAtStart(t *testing.T) {
	d := newDatabase(t)
	res := service.MockResources()
	o := d.output(res, plainFields)
	d.Stop(t)
	err := o.Connect(t.Context())
	if err == nil || !strings.Contains(err.Error(), "connection refused") || host.HubOf(res).Err() != nil {
		t.Fatalf("error %v, stream %v", err, host.HubOf(res).Err())
	}
	tried := make(chan struct{})
	o.retry.sleep = func(ctx context.Context, _ time.Duration) error {
		tried <- struct{}{}
		return ctx.Err()
	}
	connected := make(chan error, 1)
	go func() { connected <- o.Connect(t.Context()) }()
	<-tried
	d.Start(t)
	for {
		select {
		case <-tried:
			continue
		case err := <-connected:
			if err != nil {
				t.Fatal(err)
			}
		}
		break
	}
	d.write(o, object(map[string]any{"id": 1, "v": "a"}))
	d.expect("select * from plain", "1|a")
}

// The output as a part of a stream: messages batched by its own policy.
func TestInAStream(t *testing.T) {
	d := newDatabase(t)
	b := service.NewStreamBuilder()
	err := b.SetYAML(fmt.Sprintf(`
input:
  generate:
    count: 500
    interval: ""
    mapping: |
      root.id = counter() %% 100
      root.v = "v"
output:
  pg_upsert:
    dsn: %s
    table: plain
    key: [ id ]
    columns: [ id, v ]
    ledger: false
    batching: { count: 50, period: 100ms }
logger:
  level: none
`, d.DSN))
	if err != nil {
		t.Fatal(err)
	}
	s, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.expect("select count(*), count(distinct id), min(v) from plain", "100|100|v")
}

// Close ends a wait for a database that is away.
func TestCloseEndsAWait(t *testing.T) {
	d := newDatabase(t)
	o := d.connected(service.MockResources(), windowFields)
	d.begin(o, run1)
	waiting := make(chan struct{}, 1)
	o.retry.sleep = func(ctx context.Context, _ time.Duration) error {
		select {
		case waiting <- struct{}{}:
		default:
		}
		<-ctx.Done()
		return ctx.Err()
	}
	d.Stop(t)
	written := make(chan error, 1)
	go func() { written <- o.WriteBatch(t.Context(), service.MessageBatch{emission(run1, 1, noon, 1)}) }()
	<-waiting
	if err := o.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-written; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	d.Start(t)
}
