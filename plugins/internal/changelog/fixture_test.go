package changelog

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/plugins/internal/state"
)

const group = "g"

// tester is what testing.TB, rapid.T have in common here.
type tester interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// fixture is a broker with a changelog of two partitions, of which the second is
// used, and a clock.
type fixture struct {
	cluster *kfake.Cluster
	admin   *kadm.Client
	client  *kgo.Client
	now     time.Time
	// cut takes the network away from clients that are opened with opts.
	cut atomic.Bool
}

func setup(t tester) *fixture {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{cluster: cluster, now: time.Now().Truncate(time.Millisecond)}
	if f.client, err = kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...)); err != nil {
		t.Fatal(err)
	}
	f.admin = kadm.NewClient(f.client)
	return f
}

func (f *fixture) close() {
	f.client.Close()
	f.cluster.Close()
}

var errCut = errors.New("the network is gone")

// wire is a connection that ends when the network is cut.
type wire struct {
	net.Conn
	cut *atomic.Bool
}

func (w wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if w.cut.Load() {
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

func (w wire) Write(b []byte) (int, error) {
	if w.cut.Load() {
		return 0, io.ErrClosedPipe
	}
	return w.Conn.Write(b)
}

func (f *fixture) opts() []kgo.Opt {
	return []kgo.Opt{
		kgo.Dialer(func(ctx context.Context, network, host string) (net.Conn, error) {
			if f.cut.Load() {
				return nil, errCut
			}
			c, err := new(net.Dialer).DialContext(ctx, network, host)
			return wire{c, &f.cut}, err
		}),
		kgo.RequestRetries(2),
		kgo.RetryBackoffFn(func(int) time.Duration { return time.Millisecond }),
		kgo.MetadataMinAge(10 * time.Millisecond),
		kgo.FetchMaxWait(100 * time.Millisecond),
		kgo.MaxBufferedRecords(100),
		kgo.DisableClientMetrics(),
	}
}

// run is one life of the task.
type run struct {
	*Log
	f     *fixture
	local *state.Local
	table *state.Table[string, string]
	last  *Marker
	read  int64 // offsets that were restored
}

// texts stores texts under texts.
type texts struct{ state.TextKey }

func (texts) AppendValue(b []byte, v string) []byte    { return append(b, v...) }
func (texts) Value(_ string, b []byte) (string, error) { return string(b), nil }

func (f *fixture) config(l *state.Local) Config {
	return Config{
		Brokers: f.cluster.ListenAddrs(), Topic: Topic(group), Partition: 1, TransactionalID: "g-1",
		Local: l, KgoOpts: f.opts(), Now: func() time.Time { return f.now },
	}
}

func (f *fixture) openLocal(t tester, fs vfs.FS) *state.Local {
	t.Helper()
	identity, err := Ensure(context.Background(), f.client, group, 2)
	if err != nil {
		t.Fatal(err)
	}
	local, err := state.OpenLocal(fs, "task", identity, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return local
}

// start begins a life of the task on the local store in fs.
func (f *fixture) start(t tester, fs vfs.FS) *run {
	t.Helper()
	r := &run{f: f, local: f.openLocal(t, fs)}
	cfg := f.config(r.local)
	cfg.Progress = func(read, _ int64) { r.read = read }
	var err error
	if r.Log, r.last, err = Open(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	r.table = state.NewTable(r.local.Operator("op"), "t", texts{})
	if err := r.table.Open(func(*state.Entry[string, string]) bool { return true }); err != nil {
		t.Fatal(err)
	}
	return r
}

// stop ends it, in whatever it was doing.
func (r *run) stop(t tester) {
	t.Helper()
	r.Close()
	if err := r.local.Close(); err != nil {
		t.Fatal(err)
	}
	r.f.cut.Store(false)
}

// put changes keys: an empty text in place of a value deletes.
func (r *run) put(kv ...string) *run {
	for i := 0; i < len(kv); i += 2 {
		if kv[i+1] == "" {
			r.table.Delete(kv[i])
		} else {
			r.table.Put(kv[i], kv[i+1])
		}
	}
	return r
}

func (r *run) commit(seq int64) error { return r.commitWith(seq, nil) }

func (r *run) commitWith(seq int64, hook Hook) error {
	return r.Commit(context.Background(), r.local.Changes(), marker(seq), hook)
}

func marker(seq int64) Marker {
	m := Marker{Seq: seq}
	return m
}

func (r *run) must(t tester, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// expect compares what the task has found with what it should, and returns it.
func (r *run) expect(t tester, seq int64, kv ...string) *run {
	t.Helper()
	want := map[string]string{}
	for i := 0; i < len(kv); i += 2 {
		want[kv[i]] = kv[i+1]
	}
	r.expectMap(t, seq, want)
	return r
}

func (r *run) expectMap(t tester, seq int64, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	if err := state.NewTable(r.local.Operator("op"), "t", texts{}).Open(func(e *state.Entry[string, string]) bool {
		got[e.Key] = e.Value
		return false
	}); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(got, want) {
		t.Fatalf("state %v, want %v", got, want)
	}
	if r.last == nil && seq != 0 || r.last != nil && r.last.Seq != seq {
		t.Fatalf("marker %+v, want seq %d", r.last, seq)
	}
}
