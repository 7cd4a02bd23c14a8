package statefulkafka

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/host"
)

// simDatabase is a model of the database that pg_upsert writes to: every method is
// one transaction. What the ledger has to do is told in pg_upsert's ledger.go.
type simDatabase struct {
	broken simPromise

	mu    sync.Mutex
	back  chan struct{} // closed when the database is back; nil while it is there
	tasks map[int32]*simTask
}

type simTask struct {
	generation, committed int64
	watermark             event.Time
	rows                  map[string]simRow
}

// simRow is a stored row: of a window, or a dead letter.
type simRow struct {
	seq    int64
	kind   string
	values map[string]any
}

func newSimDatabase(broken simPromise) *simDatabase {
	return &simDatabase{broken: broken, tasks: map[int32]*simTask{}}
}

// absent makes the database unreachable for a while.
func (d *simDatabase) absent(length time.Duration, done <-chan struct{}) {
	back := make(chan struct{})
	d.mu.Lock()
	d.back = back
	d.mu.Unlock()
	simPause(length, done)
	d.mu.Lock()
	d.back = nil
	d.mu.Unlock()
	close(back)
}

// there waits until the database can be reached.
func (d *simDatabase) there(ctx context.Context) error {
	for {
		d.mu.Lock()
		back := d.back
		d.mu.Unlock()
		if back == nil {
			return ctx.Err()
		}
		select {
		case <-back:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// begin sets the generation of a task, and withdraws what no commit covers; not
// where the output had begun that generation before, and may have written since.
func (d *simDatabase) begin(run host.TaskRun, again bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.tasks[run.Task]
	if t == nil {
		t = &simTask{rows: map[string]simRow{}, watermark: event.MinTime}
		d.tasks[run.Task] = t
	}
	if t.generation > run.Generation && d.broken != simNoLedger {
		return fmt.Errorf("generation %d is stored, begin %d: %w", t.generation, run.Generation, host.ErrFenced)
	}
	if again = again && t.generation == run.Generation; again {
		t.committed = max(t.committed, run.CommittedSeq)
	} else {
		t.generation, t.committed, t.watermark = run.Generation, run.CommittedSeq, event.MinTime
	}
	for key, row := range t.rows {
		if row.seq > run.CommittedSeq && !again && d.broken != simNoLedger {
			delete(t.rows, key)
		}
	}
	return nil
}

func (d *simDatabase) advance(run host.TaskRun, seq int64, watermark event.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.tasks[run.Task]
	if t == nil || t.generation != run.Generation {
		if d.broken == simNoLedger {
			return nil
		}
		return fmt.Errorf("advance generation %d: %w", run.Generation, host.ErrFenced)
	}
	t.committed, t.watermark = seq, watermark
	return nil
}

// simMessage is a row of a batch, as far as the database is concerned.
type simMessage struct {
	task            int32
	generation, seq int64
	key             string
	row             simRow
}

// readMessage is called before the write, as conversion does not depend on rows. It
// reads the rows of a message as text, whether they are one or many.
func readMessage(m *service.Message) ([]simMessage, error) {
	number, _ := m.MetaGetMut(host.MetaTask)
	generation, _ := m.MetaGetMut(host.MetaGeneration)
	seq, _ := m.MetaGetMut(host.MetaSeq)
	operator, _ := m.MetaGet(host.MetaOperator)
	kind, _ := m.MetaGet(host.MetaKind)
	text, err := m.AsBytes()
	if err != nil {
		return nil, err
	}
	task, ok1 := number.(int64)
	gen, ok2 := generation.(int64)
	last, ok3 := seq.(int64)
	if !ok1 || !ok2 || !ok3 {
		return nil, errors.New("a message without task, generation or seq")
	}
	seqs, rows := []int64{last}, []map[string]any{{}}
	var into any = &rows[0]
	if bundle, ok := host.BundleOf(m); ok {
		seqs, into = bundle.Seqs, &rows
	}
	numbers := json.NewDecoder(bytes.NewReader(text))
	numbers.UseNumber()
	if err := numbers.Decode(into); err != nil {
		return nil, err
	}
	if len(rows) != len(seqs) || seqs[len(seqs)-1] != last {
		return nil, fmt.Errorf("%d rows are numbered %v, their message %d", len(rows), seqs, last)
	}
	var all []simMessage
	for i, values := range rows {
		x := simMessage{task: int32(task), generation: gen, seq: seqs[i], row: simRow{seqs[i], kind, values}}
		x.key = fmt.Sprint(operator, " ", values["window_start"])
		if kind == host.KindDeadLetter {
			x.key = fmt.Sprint("letter ", values["topic"], "/", values["partition"], "@", values["offset"])
		}
		all = append(all, x)
	}
	return all, nil
}

// write stores the rows of a batch, all or none.
func (d *simDatabase) write(batch []simMessage) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, m := range batch {
		if t := d.tasks[m.task]; d.broken != simNoLedger && (t == nil || t.generation != m.generation) {
			return fmt.Errorf("task %d, write of generation %d: %w", m.task, m.generation, host.ErrFenced)
		}
	}
	for _, m := range batch {
		t := d.tasks[m.task]
		if have, ok := t.rows[m.key]; !ok || m.seq >= have.seq {
			t.rows[m.key] = m.row
		}
	}
	return nil
}

// simOutput is a process' output: a model of pg_upsert.
type simOutput struct {
	plan     simOutputPlan
	process  *simProcess
	database *simDatabase

	mu      sync.Mutex
	begun   map[int32]int64
	batches int
}

// reach waits until what the process says would get through to the database.
func (o *simOutput) reach(ctx context.Context) error {
	for !o.process.link.passFor(ctx) { // pg_upsert tries again for ever
		if !simPause(100*time.Millisecond, ctx.Done()) {
			return ctx.Err()
		}
	}
	return o.database.there(ctx)
}

// Begin implements host.Ledger.
func (o *simOutput) Begin(ctx context.Context, run host.TaskRun) error {
	return o.do(ctx, simBegin, func() error {
		o.mu.Lock()
		again := o.begun[run.Task] == run.Generation
		o.mu.Unlock()
		err := o.database.begin(run, again)
		if err == nil {
			o.mu.Lock()
			o.begun[run.Task] = run.Generation
			o.mu.Unlock()
		}
		return err
	})
}

// Advance implements host.Ledger.
func (o *simOutput) Advance(ctx context.Context, run host.TaskRun, seq int64, watermark event.Time) error {
	return o.do(ctx, simAdvance, func() error { return o.database.advance(run, seq, watermark) })
}

// do is one transaction with the database. What leaves a paused process arrives when
// it wakes, and what it is told it hears then.
func (o *simOutput) do(ctx context.Context, step simStep, transaction func() error) error {
	n, alive := o.process.leaves(step)
	if err := o.reach(ctx); err != nil {
		return err
	}
	if alive && !o.process.isDead() {
		err := transaction()
		if o.process.arrives(step, n) {
			if err == nil {
				err = o.reach(ctx)
			}
			return err
		}
	}
	<-ctx.Done()
	return ctx.Err()
}

// write writes a batch and says what became of it, unless ctx ends before.
func (o *simOutput) write(ctx context.Context, messages service.MessageBatch, ack func(error)) {
	o.mu.Lock()
	n := o.batches
	o.batches++
	o.mu.Unlock()
	var batch []simMessage
	for _, m := range messages {
		x, err := readMessage(m)
		if err != nil {
			o.process.world.complain("%v", err)
			return
		}
		batch = append(batch, x...)
	}
	if o.database.broken == simStateFirst {
		ack(nil)
		simPause(50*time.Millisecond, o.process.link.dead)
	}
	// Batches that are in flight together overtake each other.
	if !simPause(o.plan.write*time.Duration(3-n%3)/2, ctx.Done()) {
		return
	}
	if slices.Contains(o.plan.refuse, n) {
		ack(errors.New("refused"))
		return
	}
	times := 1
	if slices.Contains(o.plan.repeat, n) {
		times = 2
	}
	var err error
	for range times {
		if err = o.do(ctx, simWrite, func() error { return o.database.write(batch) }); ctx.Err() != nil {
			return
		}
	}
	if slices.Contains(o.plan.deny, n) {
		err = errors.New("the answer was lost")
	}
	ack(err)
}
