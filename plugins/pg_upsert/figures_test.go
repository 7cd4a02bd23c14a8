package pgupsert

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/host"
)

const figuresTables = `create table tidemark_task_figures (stream text, task int, generation bigint not null, figures jsonb not null,
	updated_at timestamptz not null default now(), primary key (stream, task));`

const storedFigures = "select task, generation, figures->>'n' from tidemark_task_figures order by task"

func (d database) report(o *output, run host.TaskRun, figures string) {
	d.t.Helper()
	if err := o.Report(d.t.Context(), run, []byte(figures)); err != nil {
		d.t.Error(err)
	}
}

// TestFiguresAreTheNewest: figures take the place of older ones; those of a generation that
// is not the newest, or of a task that the ledger does not know, are dropped without a word.
func TestFiguresAreTheNewest(t *testing.T) {
	d := newDatabase(t)
	d.exec(figuresTables)
	zombie := d.connected(service.MockResources(), windowFields)
	owner := d.connected(service.MockResources(), windowFields)
	d.report(zombie, run1, `{"n":0}`)
	d.expect(storedFigures, "")
	d.begin(zombie, run1)
	d.report(zombie, run1, `{"n":1}`)
	d.report(zombie, run1, `{"n":2}`)
	d.expect(storedFigures, "2|1|2")

	run2 := host.TaskRun{Stream: "s", Task: 2, Generation: 2}
	d.begin(owner, run2)
	d.report(zombie, run1, `{"n":3}`)
	d.expect(storedFigures, "2|1|2")
	d.report(owner, run2, `{"n":4}`)
	d.report(zombie, run1, `{"n":5}`)
	d.expect(storedFigures, "2|2|4")
	// One that found its generation there, and comes through behind the newer one's figures.
	d.exec("update tidemark_tasks set generation = 1")
	d.report(zombie, run1, `{"n":6}`)
	d.expect(storedFigures, "2|2|4")
	if a, b := zombie.Place(), owner.Place(); a == "" || a != b {
		t.Errorf("places %q and %q", a, b)
	}
}

// TestFiguresOfADroppedStream: a report meets the deletion of its stream. It waits, and leaves
// nothing behind; and it does not wait for what the ledger is told.
func TestFiguresOfADroppedStream(t *testing.T) {
	d := newDatabase(t)
	d.exec(figuresTables)
	o := d.connected(service.MockResources(), windowFields)
	d.begin(o, run1)
	tx, err := d.DB.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	held := figuresSQL(tableName{name: "tidemark_tasks"}, tableName{name: figuresTable})
	if _, err := tx.Exec(held, "s", 2, 1, `{"n":1}`); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{o.Advance(t.Context(), run1, 5, event.TimeOf(noon)), tx.Rollback()} {
		if err != nil {
			t.Fatal(err)
		}
	}

	if tx, err = d.DB.Begin(); err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec("delete from tidemark_tasks where stream = 's'"); err != nil {
		t.Fatal(err)
	}
	reported := make(chan error)
	go func() { reported <- o.Report(context.WithoutCancel(t.Context()), run1, []byte(`{"n":2}`)) }()
	for d.rows("select count(*) from pg_locks where not granted and pid in (select pid from pg_stat_activity where datname = current_database())") == "0" {
		select {
		case err := <-reported:
			t.Fatalf("the report did not wait: %v", err)
		default:
		}
	}
	for _, statement := range []string{"delete from tidemark_task_figures where stream = 's'", "commit"} {
		if _, err := tx.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-reported; err != nil {
		t.Error(err)
	}
	d.expect(storedFigures, "")
}

// TestWithoutFigures: a database that has no table for them, or one that does not fit, takes
// rows as ever, and there is a line about it, one in 30 s, for all outputs of a stream.
func TestWithoutFigures(t *testing.T) {
	for create, want := range map[string]string{
		"": "it does not exist; `tidemark db migrate` creates it",
		"create table tidemark_task_figures (stream text)": `column "task" of relation "tidemark_task_figures" does not exist`,
	} {
		d := newDatabase(t)
		d.exec(create)
		res := service.MockResources()
		var lines []string
		now := time.Unix(0, 0)
		quiet := silenceOf(res)
		quiet.now = func() time.Time { return now }
		quiet.tell = func(why string) { lines = append(lines, why) }
		o := d.connected(res, windowFields)
		d.connected(res, windowFields)
		d.begin(o, run1)
		d.write(o, emission(run1, 1, noon, 1))
		d.expect("select total from windows", "1")
		if o.Place() != "" {
			t.Errorf("figures go to %q", o.Place())
		}
		now = now.Add(logEvery)
		d.connected(res, windowFields)
		if len(lines) != 2 || !strings.Contains(lines[0], want) {
			t.Errorf("%q: %q", create, lines)
		}
	}
}

// TestFiguresCannotBeStored: a report that fails is an error of one line, and no more.
func TestFiguresCannotBeStored(t *testing.T) {
	d := newDatabase(t)
	d.exec(figuresTables)
	res := service.MockResources()
	var lines []string
	silenceOf(res).tell = func(why string) { lines = append(lines, why) }
	o := d.connected(res, windowFields)
	d.begin(o, run1)
	d.exec("drop table tidemark_task_figures")
	for range 3 {
		if err := o.Report(t.Context(), run1, []byte("{}")); err == nil {
			t.Error("no error")
		}
	}
	if len(lines) != 1 || !strings.Contains(lines[0], "does not exist") || strings.Contains(lines[0], "\n") {
		t.Errorf("%q", lines)
	}
	d.write(o, emission(run1, 1, noon, 1))
	d.expect("select total from windows", "1")
}
