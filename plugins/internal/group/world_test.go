package group

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	tasks   = 6
	session = 10 * time.Second
)

// world is a Kafka cluster on a network in memory and the processes of a group, in a
// bubble of faked time.
type world struct {
	*testing.T
	net     kfake.VirtualNetwork
	cluster *kfake.Cluster
	client  *kgo.Client

	mu    sync.Mutex
	holds map[int32]*process // who works on which task
	all   []*process
}

func inWorld(t *testing.T, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, holds: make(map[int32]*process)}
		c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(9092), kfake.ListenFn(w.net.Listen), kfake.SeedTopics(tasks, "a", "b"), kfake.SeedTopics(1, "log"))
		if err != nil {
			t.Fatal(err)
		}
		w.cluster = c
		defer c.Close()
		if w.client, err = kgo.NewClient(kgo.SeedBrokers("localhost:9092"), kgo.Dialer(w.net.DialContext)); err != nil {
			t.Fatal(err)
		}
		defer w.client.Close()
		defer func() {
			for _, p := range w.all {
				p.kill()
			}
		}()
		test(w)
	})
}

// process is a member of the group, and the tasks that it works on.
type process struct {
	*Member
	w    *world
	name string
	slow time.Duration // how long it takes to hand tasks over

	mu    sync.Mutex
	owned map[int32]bool
	calls []string // what it was told
	logs  []string
	cut   bool // its network is gone
	conns []net.Conn
}

// join starts a process; with a static id unless instance is empty.
func (w *world) join(name, instance string) *process { return w.joinSlow(name, instance, 0) }

func (w *world) joinSlow(name, instance string, slow time.Duration) *process {
	w.Helper()
	p := &process{w: w, name: name, slow: slow, owned: make(map[int32]bool)}
	w.all = append(w.all, p)
	var err error
	p.Member, err = Join(Config{
		Brokers: []string{"localhost:9092"}, Group: "g", Topics: []string{"a", "b"}, InstanceID: instance, SessionTimeout: session,
		ClientOpts: w.opts(p),
		Assigned:   p.assigned, Revoked: p.revoked, Lost: p.lostTasks,
		Log: func(message string, fields ...any) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.logs = append(p.logs, fmt.Sprint(message, fields))
		},
	})
	if err != nil {
		w.Fatal(err)
	}
	return p
}

func (w *world) opts(p *process) []kgo.Opt { return []kgo.Opt{kgo.Dialer(p.dial)} }

func (p *process) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	p.mu.Lock()
	cut := p.cut
	p.mu.Unlock()
	if cut {
		return nil, errors.New("the network is gone")
	}
	c, err := p.w.net.DialContext(ctx, network, addr)
	if err == nil {
		p.mu.Lock()
		p.conns = append(p.conns, c)
		p.mu.Unlock()
	}
	return c, err
}

// unplug takes the network away, or gives it back.
func (p *process) unplug(cut bool) {
	p.mu.Lock()
	p.cut = cut
	conns := p.conns
	p.conns = nil
	p.mu.Unlock()
	for _, c := range conns {
		c.Close()
	}
}

// kill ends the process without a word to anybody.
func (p *process) kill() {
	p.unplug(true)
	p.drop()
	p.Close()
}

// drop forgets the tasks, as the end of a process does.
func (p *process) drop() {
	p.release(slices.Sorted(maps.Keys(p.tasks())))
}

func (p *process) note(what string, tasks []int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, fmt.Sprint(what, tasks))
}

func (p *process) assigned(tasks []int32) {
	p.note("assigned", tasks)
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	for _, t := range tasks {
		if other := p.w.holds[t]; other != nil {
			p.w.Errorf("task %d is given to %s while %s works on it", t, p.name, other.name)
		}
		p.w.holds[t] = p
		p.mu.Lock()
		p.owned[t] = true
		p.mu.Unlock()
	}
}

func (p *process) revoked(tasks []int32) {
	p.note("revoked", tasks)
	time.Sleep(p.slow)
	p.release(tasks)
}

func (p *process) lostTasks(tasks []int32) {
	p.note("lost", tasks)
	p.release(tasks)
}

func (p *process) release(tasks []int32) {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range tasks {
		if p.w.holds[t] == p {
			delete(p.w.holds, t)
		}
		delete(p.owned, t)
	}
}

func (p *process) tasks() map[int32]bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.owned)
}

// told returns what the process was told since it was last asked.
func (p *process) told() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	calls := p.calls
	p.calls = nil
	return calls
}

func (p *process) logged() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.logs, "\n")
}

// unjoinable keeps everybody from joining the group until the result is called.
func (w *world) unjoinable() func() {
	return w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Err: kerr.CoordinatorLoadInProgress, Count: -1}).Remove
}

// after lets time go by.
func (w *world) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// shared fails unless the tasks are all with the given processes, evenly, and the
// coordinator sees the same, for all topics.
func (w *world) shared(processes ...*process) {
	w.Helper()
	ids := make(map[string]*process)
	n := 0
	for _, p := range processes {
		c := len(p.tasks())
		if c < tasks/len(processes) || c > (tasks+len(processes)-1)/len(processes) {
			w.Errorf("%s has %d of %d tasks among %d", p.name, c, tasks, len(processes))
		}
		n += c
		id, _, _ := p.Generation()
		ids[id] = p
	}
	if n != tasks {
		w.Errorf("%d of %d tasks are worked on", n, tasks)
	}
	groups, err := kadm.NewClient(w.client).DescribeGroups(w.Context(), "g")
	if err != nil {
		w.Fatal(err)
	}
	g := groups["g"]
	if g.State != "Stable" || len(g.Members) != len(processes) {
		w.Errorf("the group is %s with %d members, want %d", g.State, len(g.Members), len(processes))
	}
	for _, m := range g.Members {
		p := ids[m.MemberID]
		if p == nil {
			w.Errorf("%s is a member", m.MemberID)
			continue
		}
		assigned, _ := m.Assigned.AsConsumer()
		got := make(map[string][]int32)
		for _, t := range assigned.Topics {
			got[t.Topic] = t.Partitions
		}
		want := slices.Sorted(maps.Keys(p.tasks()))
		if !slices.Equal(got["a"], want) || !slices.Equal(got["b"], want) {
			w.Errorf("%s works on %v and is assigned %v", p.name, want, got)
		}
	}
	if w.Failed() {
		w.FailNow()
	}
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// within gives a context with a time limit.
func (w *world) within(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(w.Context(), d)
	w.Cleanup(cancel)
	return ctx
}
