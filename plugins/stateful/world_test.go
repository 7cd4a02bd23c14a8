package stateful

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	_ "github.com/redpanda-data/benthos/v4/public/components/pure"
	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/host"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"

	_ "github.com/tidemark-streams/tidemark/plugins/dedup"
	_ "github.com/tidemark-streams/tidemark/plugins/window"
)

// world is a disk, a database and a broker of messages, which outlive the streams that
// run on them, in a bubble of faked time.
type world struct {
	*testing.T
	disk   *vfs.MemFS
	full   *atomic.Bool // the disk takes nothing more
	db     *database
	broker *broker
}

func inWorld(t *testing.T, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		test(&world{T: t, disk: vfs.NewCrashableMem(), full: &atomic.Bool{}, db: newDatabase(), broker: newBroker()})
	})
}

// broker is the source of a stream: it delivers batches, keeps those that are not
// acknowledged, and delivers them again to whoever comes next.
type broker struct {
	mu        sync.Mutex
	wait      [][]string // batches that are to be delivered
	out       [][]string // delivered and not acknowledged
	delivered int        // messages, each time again
	refused   []error
	ended     bool // there will be no more
	news      chan struct{}
	// acked is called with each acknowledgement that the broker hears.
	acked  func()
	deaf   bool // it hears no more acknowledgements
	closed int
}

func newBroker() *broker { return &broker{news: make(chan struct{}, 1)} }

func (b *broker) send(batch ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wait = append(b.wait, batch)
	b.rouse()
}

func (b *broker) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	b.rouse()
}

func (b *broker) rouse() {
	select {
	case b.news <- struct{}{}:
	default:
	}
}

// again is a broker that delivers first what this one has no answer for.
func (b *broker) again() *broker {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.deaf = true
	n := newBroker()
	n.wait, n.ended = slices.Concat(b.out, b.wait), b.ended
	return n
}

func (b *broker) unanswered() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.out) + len(b.wait)
}

func (b *broker) Connect(context.Context) error { return nil }

func (b *broker) Close(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed++
	return nil
}

func (b *broker) ReadBatch(ctx context.Context) (service.MessageBatch, service.AckFunc, error) {
	for {
		b.mu.Lock()
		if len(b.wait) > 0 {
			batch := b.wait[0]
			b.wait, b.out = b.wait[1:], append(b.out, batch)
			b.delivered += len(batch)
			b.mu.Unlock()
			return messages(batch), func(_ context.Context, err error) error { b.answer(batch, err); return nil }, nil
		}
		ended := b.ended
		b.mu.Unlock()
		if ended {
			return nil, nil, service.ErrEndOfInput
		}
		select {
		case <-b.news:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

func (b *broker) answer(batch []string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.deaf {
		return
	}
	if err != nil {
		b.refused = append(b.refused, err)
		return
	}
	b.out = slices.DeleteFunc(b.out, func(o []string) bool { return &o[0] == &batch[0] })
	if b.acked != nil {
		b.acked()
	}
}

func messages(batch []string) (all service.MessageBatch) {
	for _, text := range batch {
		all = append(all, service.NewMessage([]byte(text)))
	}
	return all
}

// ev is an event: an id, a key, and a time in seconds after epoch.
func ev(id, key string, second int) string {
	return fmt.Sprintf(`{"id":%q,"key":%q,"at":%d,"amount":1.25}`, id, key, epoch.Add(time.Duration(second)*time.Second).UnixMilli())
}

// epoch lies before the beginning of faked time, 2000-01-01.
var epoch = time.Date(1999, 12, 1, 0, 0, 0, 0, time.UTC)

// database is an output with a ledger, as pg_upsert is.
type database struct {
	mu      sync.Mutex
	runs    map[int32]host.TaskRun
	marks   map[int32]event.Time
	rows    map[string]written
	letters map[string]bool
	begun   int // generations, of all tasks
	// refuse says what becomes of the n-th batch.
	refuse  func(n int) error
	batches int
}

type written struct {
	task            int32
	generation, seq int64
	text            string
}

func newDatabase() *database {
	return &database{runs: map[int32]host.TaskRun{}, marks: map[int32]event.Time{}, rows: map[string]written{}, letters: map[string]bool{}}
}

// connection is what one process has of the database; it can be cut.
type connection struct {
	*database
	cut atomic.Bool
}

var errCut = errors.New("connection cut")

func (c *connection) Begin(_ context.Context, run host.TaskRun) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut.Load() {
		return errCut
	}
	if c.runs[run.Task].Generation > run.Generation {
		return host.ErrFenced
	}
	if c.runs[run.Task].Generation < run.Generation {
		c.begun++
	}
	c.runs[run.Task] = run
	for k, r := range c.rows {
		if r.task == run.Task && r.seq > run.CommittedSeq {
			delete(c.rows, k)
		}
	}
	return nil
}

func (c *connection) Advance(_ context.Context, run host.TaskRun, _ int64, w event.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut.Load() {
		return errCut
	}
	c.marks[run.Task] = w
	return nil
}

func (c *connection) write(t testing.TB, b service.MessageBatch) error {
	c.mu.Lock()
	n := c.batches
	c.batches++
	refuse := c.refuse
	c.mu.Unlock()
	if refuse != nil {
		if err := refuse(n); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut.Load() {
		return errCut
	}
	for _, m := range b {
		number := func(key string) int64 { n, _ := m.MetaGetMut(key); return n.(int64) }
		v, err := m.AsStructured()
		if err != nil {
			t.Error(err)
		}
		object := v.(map[string]any)
		if kind, _ := m.MetaGet(host.MetaKind); kind == host.KindDeadLetter {
			c.letters[fmt.Sprintf("%v: %v: %v", object["reason"], object["detail"], object["payload"])] = true
			continue
		}
		r := written{task: int32(number(host.MetaTask)), generation: number(host.MetaGeneration), seq: number(host.MetaSeq)}
		if r.generation != c.runs[r.task].Generation {
			return host.ErrFenced
		}
		text, err := json.Marshal(object)
		if err != nil {
			t.Error(err)
		}
		r.text = string(text)
		op, _ := m.MetaGet(host.MetaOperator)
		key := fmt.Sprint(op, r.task, object["window_start"], object["key"])
		if c.rows[key].seq <= r.seq {
			c.rows[key] = r
		}
	}
	return nil
}

// shown are the rows.
func (d *database) shown() (list []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.rows {
		list = append(list, r.text)
	}
	slices.Sort(list)
	return list
}

func (d *database) deadLetters() (list []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for l := range d.letters {
		list = append(list, l)
	}
	slices.Sort(list)
	return list
}

// counts are the counts of the windows, "key@minute=n".
func (d *database) counts(t testing.TB) (list []string) {
	t.Helper()
	for _, text := range d.shown() {
		var r struct {
			Start time.Time `json:"window_start"`
			Key   string    `json:"key"`
			N     int       `json:"n"`
		}
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprintf("%s@%d=%d", r.Key, int(r.Start.Sub(epoch).Minutes()), r.N))
	}
	slices.Sort(list)
	return list
}

// stream is a running stream.
type stream struct {
	w       *world
	in      *input
	hub     *host.Hub
	monitor *host.Monitor
	conn    *connection
	log     *logged
	cancel  context.CancelFunc
	done    chan struct{}
	runErr  error
}

type logged struct {
	mu  sync.Mutex
	all strings.Builder
}

func (l *logged) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(line)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

// counting counts by key and minute, once for each id.
const counting = `
tasks: 3
key: this.key
event_time: this.at
processors:
  - dedup: { key: id, ttl: 7d }
  - label: counted
    window: { size: 1m, group_by: [ key ], aggregates: { n: { count: {} }, amount: { sum: { field: amount } } } }
`

// start runs a stream with the config of its input, which has name and source already.
func (w *world) start(config string) *stream {
	w.Helper()
	s := &stream{w: w, log: &logged{}, done: make(chan struct{}), conn: &connection{database: w.db}}
	source := w.broker
	env := service.GlobalEnvironment().Clone()
	err := env.RegisterBatchInput("broker", service.NewConfigSpec(), func(*service.ParsedConfig, *service.Resources) (service.BatchInput, error) {
		return source, nil
	})
	if err == nil {
		err = env.RegisterBatchInput("on_this_disk", spec(), func(conf *service.ParsedConfig, res *service.Resources) (service.BatchInput, error) {
			s.hub, s.monitor = host.HubOf(res), host.MonitorOf(res)
			if err := s.hub.Attach(context.Background(), s.conn); err != nil {
				return nil, err
			}
			in, err := newInput(conf, res)
			if err != nil {
				return nil, err
			}
			in.cfg.fs, s.in = errorfs.Wrap(w.disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
				if w.full.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
					return syscall.ENOSPC
				}
				return nil
			})), in
			return in, nil
		})
	}
	b := env.NewStreamBuilder()
	b.SetLogger(slog.New(slog.NewTextHandler(s.log, nil)))
	text := "on_this_disk:\n  name: test\n  input: { broker: {} }\n  " + strings.ReplaceAll(strings.TrimSpace(config), "\n", "\n  ")
	if err := errors.Join(err, b.AddInputYAML(text), b.AddBatchConsumerFunc(
		func(_ context.Context, batch service.MessageBatch) error { return s.conn.write(w, batch) })); err != nil {
		w.Fatalf("%s: %v", text, err)
	}
	built, err := b.Build()
	if err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.Context())
	s.cancel = cancel
	go func() {
		defer close(s.done)
		s.runErr = built.Run(ctx)
		stop, stopped := context.WithTimeout(context.Background(), time.Minute)
		defer stopped()
		_ = built.Stop(stop)
	}()
	return s
}

// wait waits for a stream whose input ends.
func (s *stream) wait() *stream {
	s.w.Helper()
	select {
	case <-s.done:
	case <-time.After(time.Hour):
		s.w.Fatalf("the stream does not end\n%s", s.log)
	}
	return s
}

func (s *stream) stop() *stream {
	s.cancel()
	<-s.done
	return s
}

// crash ends a stream as kill -9 does: nothing that it does from now on reaches the disk,
// the database or the broker.
func (s *stream) crash(chance vfs.CrashCloneCfg) {
	w := s.w
	s.conn.mu.Lock()
	s.conn.cut.Store(true)
	s.conn.mu.Unlock()
	w.broker = w.broker.again()
	w.disk = w.disk.CrashClone(chance)
	s.stop()
}

func (s *stream) failure() string {
	if err := s.hub.Err(); err != nil {
		return err.Error()
	}
	return ""
}

// account is the account of an operator over all topics and tasks, after the end.
func (s *stream) account(operator string) (sum task.Counts) {
	s.w.Helper()
	_, finished := s.monitor.State()
	summary, ok := finished[""]
	if !ok {
		s.w.Fatalf("no summary\n%s", s.log)
	}
	for _, l := range summary.Lines {
		if !l.Counts.Balanced() {
			s.w.Errorf("the account of %s for %s does not add up: %v", l.Operator, l.Topic, l.Counts)
		}
		if l.Operator == operator {
			for i, n := range l.Counts {
				sum[i] += n
			}
		}
	}
	return sum
}

func wantEqual(t testing.TB, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}
