package statefulkafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/host"
)

// machine is where processes run: with a disk and a way to Kafka of its own.
type machine struct {
	w    *world
	name string // instance id of its process
	disk vfs.FS

	mu     sync.Mutex
	state  network
	healed chan struct{} // closed when the network is up again
	conns  map[*conn]struct{}

	loss atomic.Pointer[loss]
}

type network int

const (
	up      network = iota
	refused         // connections are reset, and no new ones made
	silent          // what is sent gets lost, and nobody says so
)

// machine returns one of the world's machines.
func (w *world) machine(n int) *machine {
	for len(w.machines) <= n {
		disk := vfs.FS(vfs.NewMem())
		if len(w.machines) == 0 {
			disk = w.disk
		}
		w.machines = append(w.machines, &machine{w: w, name: fmt.Sprintf("machine-%d", len(w.machines)), disk: disk, conns: map[*conn]struct{}{}})
	}
	return w.machines[n]
}

// set changes the network of the machine. A connection that was there while it was
// not up is of no use any more.
func (p *machine) set(state network) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = state
	if state == silent {
		p.healed = make(chan struct{})
		for c := range p.conns {
			c.lost = true
		}
		return
	}
	if p.healed != nil {
		close(p.healed)
		p.healed = nil
	}
	for c := range p.conns {
		if c.lost || state == refused {
			go c.Conn.Close()
		}
	}
}

var errUnreachable = errors.New("the network is unreachable")

func (p *machine) dial(ctx context.Context, network, address string) (net.Conn, error) {
	p.mu.Lock()
	state, healed := p.state, p.healed
	p.mu.Unlock()
	switch state {
	case refused:
		return nil, errUnreachable
	case silent:
		select {
		case <-healed:
			return nil, errUnreachable
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	raw, err := p.w.net.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: raw, machine: p}
	p.mu.Lock()
	p.conns[c] = struct{}{}
	p.mu.Unlock()
	return c, nil
}

// conn is a connection from a machine to a broker.
type conn struct {
	net.Conn
	machine *machine
	lost    bool        // guarded by the machine's mutex: nothing gets through
	deaf    atomic.Bool // the next answer gets lost, and the connection with it
}

func (c *conn) isLost() bool {
	c.machine.mu.Lock()
	defer c.machine.mu.Unlock()
	return c.lost
}

func (c *conn) Write(b []byte) (int, error) {
	if c.isLost() {
		return len(b), nil
	}
	if l := c.machine.loss.Load(); l.strikes(b) {
		if !l.answer {
			c.Close()
			return 0, errLost
		}
		c.deaf.Store(true)
	}
	return c.Conn.Write(b)
}

func (c *conn) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		if err == nil && c.deaf.Load() {
			c.Close()
			return 0, errLost
		}
		if err != nil || !c.isLost() {
			return n, err
		}
	}
}

func (c *conn) Close() error {
	c.machine.mu.Lock()
	delete(c.machine.conns, c)
	c.machine.mu.Unlock()
	return c.Conn.Close()
}

// database is what the outputs of all processes write to. It does what pg_upsert
// does: it takes rows from the newest generation of a task only, and withdraws what
// an earlier one had not committed.
type database struct {
	mu    sync.Mutex
	tasks map[string]host.TaskRun
	rows  map[string]row
	// letters are by text, which names the record.
	letters map[string]row
	fenced  int // how many writes were refused
	// withdrawn counts rows that were written by a run which never committed them.
	withdrawn int
}

func newDatabase() *database {
	return &database{tasks: map[string]host.TaskRun{}, rows: map[string]row{}, letters: map[string]row{}}
}

func taskID(stream string, task int64) string { return fmt.Sprintf("%s/%d", stream, task) }

func (d *database) Begin(_ context.Context, run host.TaskRun) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	id := taskID(run.Stream, int64(run.Task))
	if d.tasks[id].Generation > run.Generation {
		return host.ErrFenced
	}
	if d.tasks[id].CommittedSeq > run.CommittedSeq {
		return fmt.Errorf("%+v goes back behind %+v", run, d.tasks[id])
	}
	d.tasks[id] = run
	withdrawn := func(_ string, r row) bool {
		gone := r.task == int64(run.Task) && r.seq > run.CommittedSeq
		if gone {
			d.withdrawn++
		}
		return gone
	}
	maps.DeleteFunc(d.rows, withdrawn)
	maps.DeleteFunc(d.letters, withdrawn)
	return nil
}

func (d *database) Advance(_ context.Context, run host.TaskRun, seq int64, _ event.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	id := taskID(run.Stream, int64(run.Task))
	if d.tasks[id].Generation != run.Generation {
		return host.ErrFenced
	}
	run.CommittedSeq = seq
	d.tasks[id] = run
	return nil
}

// write is the outputs' part.
func (d *database) write(t testing.TB, b service.MessageBatch) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, m := range b {
		stream, _ := m.MetaGet(host.MetaStream)
		number, _ := m.MetaGetMut(host.MetaTask)
		generation, _ := m.MetaGetMut(host.MetaGeneration)
		if d.tasks[taskID(stream, number.(int64))].Generation != generation {
			d.fenced++
			return fmt.Errorf("a table: %w", host.ErrFenced)
		}
	}
	for _, m := range b {
		table := d.rows
		var id string
		var r row
		if kind, _ := m.MetaGet(host.MetaKind); kind == host.KindDeadLetter {
			table = d.letters
			id = letterOf(t, m)
			number, _ := m.MetaGetMut(host.MetaTask)
			seq, _ := m.MetaGetMut(host.MetaSeq)
			r = row{task: number.(int64), seq: seq.(int64), text: id}
		} else {
			id, r = rowOf(t, m)
		}
		if old, ok := table[id]; !ok || r.seq > old.seq {
			table[id] = r
		}
	}
	return nil
}

// texts are the rows of a table, in alphabetical order.
func (d *database) texts(table map[string]row) (list []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range table {
		list = append(list, r.text)
	}
	slices.Sort(list)
	return list
}

// generation is the newest one of a task that the database was told of.
func (d *database) generation(task int64) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.tasks[taskID("test", task)].Generation
}

// owns are the tasks that a stream has.
func (s *stream) owns() []int32 {
	in := s.in.Load()
	if in == nil {
		return nil
	}
	return in.owns()
}

// owns are the tasks of an input.
func (in *input) owns() []int32 {
	in.mu.Lock()
	ts := in.tasks
	in.mu.Unlock()
	if ts == nil {
		return nil
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return slices.Sorted(maps.Keys(ts.lives))
}
