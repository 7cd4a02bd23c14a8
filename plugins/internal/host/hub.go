// Package host is where the parts of one stream meet: the stateful input, its
// operators and the outputs that keep a ledger of what its tasks have written.
package host

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// Metadata keys on every message that a stateful input hands to the outputs.
const (
	MetaStream     = "tidemark_stream"     // the name of the stream: its consumer group, where it has one
	MetaTask       = "tidemark_task"       // number of the task (its partition)
	MetaGeneration = "tidemark_generation" // generation of the task that emitted the row
	MetaSeq        = "tidemark_seq"        // the task's count of emissions, growing
	MetaOperator   = "tidemark_operator"   // label of the operator that emitted the row
	MetaKind       = "tidemark_kind"       // KindRow or KindDeadLetter
)

// Kinds of message, the values of MetaKind.
const (
	KindRow        = "row"
	KindDeadLetter = "dead_letter"
)

// TaskRun is one generation of one task of a stream.
type TaskRun struct {
	Stream     string
	Task       int32
	Generation int64
	// CommittedSeq is the last emission that the task's committed state covers:
	// rows above it were written by a run that never committed them.
	CommittedSeq int64
}

// Ledger is an output that does better than at-least-once: it accepts rows only
// from the newest generation of a task, and forgets what an uncommitted one wrote.
type Ledger interface {
	// Begin makes run's generation the only one that may write the task's rows
	// and removes the rows above CommittedSeq. It is idempotent. A stored
	// generation that is greater is an error that wraps ErrFenced.
	Begin(ctx context.Context, run TaskRun) error
	// Advance records that everything up to seq is committed and how far the
	// task's watermark has come; event.MinTime means that it has seen no record,
	// event.MaxTime that its input has ended. It may come without new rows.
	Advance(ctx context.Context, run TaskRun, seq int64, watermark event.Time) error
}

// Reporter is a ledger whose database takes the figures of tasks, too, so that whoever sees
// the rows sees how the tasks stand. They are no part of the ledger: nothing depends on them.
type Reporter interface {
	Ledger
	// Place names where figures go, and is empty where they go nowhere. Of all reporters
	// with the same place one is told.
	Place() string
	// Report stores figures.Task as JSON in the place of what the task has told before. What
	// a generation tells that is not the newest is dropped, which is no error. It says itself
	// what is wrong, and does not try again.
	Report(ctx context.Context, run TaskRun, figures []byte) error
}

// ErrFenced says that a newer generation of the task owns its rows.
var ErrFenced = fmt.Errorf("fenced: a newer generation of this task owns its rows")

// Hub connects the stateful input of one stream with the ledgers of its outputs.
type Hub struct {
	// telling holds a token while ledgers are told, so that none misses a run or hears
	// of two in the wrong order. It is no mutex since a ledger may wait for its
	// database, and nobody who has to stop should wait with it.
	telling chan struct{}

	mu      sync.Mutex // guards the maps
	runs    map[taskKey]progress
	ledgers map[Ledger]struct{}

	monitor  *Monitor
	streamID string
	fail     atomic.Pointer[failure]

	// building is set while a stateful input has Benthos construct its processors;
	// buildMu lets one input at a time do so.
	buildMu  sync.Mutex
	building atomic.Pointer[builder]
}

type taskKey struct {
	stream string
	task   int32
}

type progress struct {
	run       TaskRun
	seq       int64
	watermark event.Time
}

type hubKey struct{ streamID string }

// HubOf returns the hub of the stream that res belongs to.
func HubOf(res *service.Resources) *Hub {
	h, _ := res.GetOrSetGeneric(hubKey{res.StreamID()}, newHub(res))
	return h.(*Hub)
}

func newHub(res *service.Resources) *Hub {
	h := &Hub{
		telling: make(chan struct{}, 1), runs: map[taskKey]progress{}, ledgers: map[Ledger]struct{}{},
		monitor: MonitorOf(res), streamID: res.StreamID(),
	}
	h.fail.Store(newFailure())
	return h
}

// tell waits for its turn to tell ledgers, and returns how to end it.
func (h *Hub) tell(ctx context.Context) (done func(), err error) {
	select {
	case h.telling <- struct{}{}:
		return func() { <-h.telling }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Attach tells l of every task that runs now and of all that follow. An output
// calls it when it connects, before its first write; on an error it is not
// attached and the output tries again. Attaching twice is harmless.
func (h *Hub) Attach(ctx context.Context, l Ledger) error {
	done, err := h.tell(ctx)
	if err != nil {
		return err
	}
	defer done()
	h.mu.Lock()
	runs := slices.Collect(maps.Values(h.runs))
	h.mu.Unlock()
	for _, p := range runs {
		if err := l.Begin(ctx, p.run); err != nil {
			return err
		}
		if err := l.Advance(ctx, p.run, p.seq, p.watermark); err != nil {
			return err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ledgers[l] = struct{}{}
	return nil
}

// Detach forgets l; an output calls it when it closes, before it refuses its work.
func (h *Hub) Detach(l Ledger) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.ledgers, l)
}

// Begin announces a new run of a task to all ledgers. The task emits nothing before
// it returned nil. The error wraps ErrFenced when a later run of the task is there.
func (h *Hub) Begin(ctx context.Context, run TaskRun) error {
	return h.told(ctx, progress{run, run.CommittedSeq, event.MinTime}, func(l Ledger) error { return l.Begin(ctx, run) })
}

// Advance tells all ledgers how far a run has committed. Errors are those of Begin.
func (h *Hub) Advance(ctx context.Context, run TaskRun, seq int64, watermark event.Time) error {
	return h.told(ctx, progress{run, seq, watermark}, func(l Ledger) error { return l.Advance(ctx, run, seq, watermark) })
}

// told notes progress of a run once every ledger has been told of it.
func (h *Hub) told(ctx context.Context, p progress, tell func(Ledger) error) error {
	done, err := h.tell(ctx)
	if err != nil {
		return err
	}
	defer done()
	k := taskKey{p.run.Stream, p.run.Task}
	h.mu.Lock()
	later := h.runs[k].run.Generation > p.run.Generation
	ledgers := slices.Collect(maps.Keys(h.ledgers))
	h.mu.Unlock()
	if later {
		return ErrFenced
	}
	for _, l := range ledgers {
		if err := tell(l); err != nil && h.attached(l) {
			return err
		} // one that closes meanwhile need not know
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.runs[k] = p
	return nil
}

// Report tells one reporter of each place, side by side with what ledgers are told. It tells
// whether there was one and all have stored it.
func (h *Hub) Report(ctx context.Context, run TaskRun, figures []byte) (stored bool) {
	at := map[string]Reporter{}
	h.mu.Lock()
	for l := range h.ledgers {
		if r, ok := l.(Reporter); ok && r.Place() != "" {
			at[r.Place()] = r
		}
	}
	h.mu.Unlock()
	stored = len(at) > 0
	for _, r := range at {
		stored = r.Report(ctx, run, figures) == nil && stored
	}
	return stored
}

func (h *Hub) attached(l Ledger) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, ok := h.ledgers[l]
	return ok
}

// End forgets a run that is over, so that a ledger that attaches later is not told of it.
func (h *Hub) End(run TaskRun) {
	h.mu.Lock()
	defer h.mu.Unlock()
	k := taskKey{run.Stream, run.Task}
	if h.runs[k].run == run {
		delete(h.runs, k)
	}
}

// failure is set at most once in the life of a stream's input.
type failure struct {
	once sync.Once
	done chan struct{}
	err  error
}

func newFailure() *failure { return &failure{done: make(chan struct{})} }

// Fail stops the stream for good: a part of it found an error that no retry can
// mend, such as a database that does not exist. The first error stands. A ledger
// may call it from anywhere.
func (h *Hub) Fail(err error) {
	f := h.fail.Load()
	f.once.Do(func() {
		f.err = err
		close(f.done)
		h.monitor.failed(h.streamID, err)
	})
}

// Failed is closed after Fail; Err then tells why.
func (h *Hub) Failed() <-chan struct{} { return h.fail.Load().done }

// Err is the error that was given to Fail, or nil.
func (h *Hub) Err() error {
	f := h.fail.Load()
	select {
	case <-f.done:
		return f.err
	default:
		return nil
	}
}

// Open begins a new life of the stream, such as after a reload: earlier failures
// are forgotten. The stateful input calls it when it is constructed.
func (h *Hub) Open() { h.fail.Store(newFailure()) }
