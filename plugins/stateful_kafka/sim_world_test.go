package statefulkafka

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/tidemark-streams/tidemark/plugins/internal/host"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// simPromise is a promise that a simulation breaks, to show that it would notice.
type simPromise string

const (
	simAllKept    simPromise = ""
	simNoLedger   simPromise = "every generation writes, and nothing is withdrawn"
	simNoDedup    simPromise = "dedup lets everything pass"
	simStateFirst simPromise = "state is committed before its output is written"
)

// simWorld is a Kafka cluster, a database, and machines on which processes of one
// stream run.
type simWorld struct {
	plan     *simPlan
	broken   simPromise
	net      kfake.VirtualNetwork
	cluster  *kfake.Cluster
	database *simDatabase
	begun    time.Time
	calm     chan struct{} // closed when the time of faults is over
	counts   simCounts

	dir     string // of the instance ids, on a real disk
	reapers sync.WaitGroup

	mu         sync.Mutex
	complaints []string
	processes  []*simProcess
	disks      []*vfs.MemFS
	records    []simStored
}

// simStored is a record and where it lies.
type simStored struct {
	simRecord
	offset int64
}

// simResult is what a simulation has come to.
type simResult struct {
	plan        *simPlan
	differences []string // of rows, dead letters and accounts
	complaints  []string // whatever else is wrong
	counts      *simCounts
	took        time.Duration // on the clock of the simulation
	logs        string
}

func (r *simResult) ok() bool { return len(r.differences)+len(r.complaints) == 0 }

func (r *simResult) String() string {
	return fmt.Sprintf("seed %d, after %v:\n  %s\nplan %v", r.plan.seed, r.took, strings.Join(append(r.complaints, r.differences...), "\n  "), r.plan)
}

// simulate runs a plan in a bubble of its own.
func simulate(t *testing.T, plan *simPlan, broken simPromise) (result *simResult) {
	synctest.Test(t, func(t *testing.T) {
		w := &simWorld{plan: plan, broken: broken, begun: time.Now(), calm: make(chan struct{}), database: newSimDatabase(broken), dir: t.TempDir()}
		if err := w.up(); err != nil {
			t.Fatal(err)
		}
		w.storm()
		lines := w.finish()
		result = &simResult{plan: plan, complaints: w.complaints, counts: &w.counts, took: time.Since(w.begun)}
		if len(w.complaints) == 0 {
			result.differences = w.compare(lines)
		}
		if !result.ok() {
			for _, p := range w.processes {
				result.logs += fmt.Sprintf("--- %s as %s\n%s", p.name, p.instance, p.log)
			}
		}
		w.cluster.Close()
	})
	return result
}

func (w *simWorld) complain(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.complaints = append(w.complaints, fmt.Sprintf("at %v ", time.Since(w.begun))+fmt.Sprintf(format, args...))
}

func (w *simWorld) topics() []string {
	if w.plan.joined {
		return []string{simOrders, simItems}
	}
	return []string{simTopic}
}

func (w *simWorld) up() (err error) {
	ports := []int{9092, 9093, 9094}[:w.plan.brokers]
	opts := []kfake.Opt{kfake.Ports(ports...), kfake.ListenFn(w.net.Listen), kfake.SeedTopics(w.plan.partitions, w.topics()...),
		kfake.BrokerConfigs(map[string]string{"log.retention.ms": "-1"})} // event times lie in the past
	if w.plan.old {
		opts = append(opts, kfake.MaxVersions(kversion.V3_7_0()))
	}
	w.cluster, err = kfake.NewCluster(opts...)
	return err
}

// config is that of the input.
func (w *simWorld) config(bounded bool) string {
	p := w.plan
	dir, emit, dedup := w.dir, "on_close", "  - label: once\n    dedup: { key: id, ttl: "+ms(simTTL)+" }\n"
	if p.noDisk {
		dir = ""
	}
	if p.onUpdate {
		emit = "on_update"
	}
	if w.broken == simNoDedup {
		dedup = ""
	}
	operators := fmt.Sprintf("  - label: minutes\n    window: { size: %s, emit: %s, aggregates: { n: { count: {} }, total: { sum: { field: v } } } }\n", ms(simWindow), emit)
	if p.joined {
		operators = fmt.Sprintf(`  - label: joined
    join: { key: order, anchor: orders, streams: { items: { topic: items } }, before: %s, within: %s }
  - label: minutes
    window:
      size: %s
      emit: %s
      aggregates:
        n: { count: { where: 'this.change == "anchor"' } }
        items: { count: { where: 'this.change == "items"' } }
        with_items: { count: { where: 'this.change == "items" && this.items_count == 1' } }
        total: { sum: { field: items.price } }
`, ms(simBefore), ms(simWithin), ms(simWindow), emit)
	}
	return fmt.Sprintf(`
seed_brokers: [ localhost:9092 ]
topics: [ %s ]
consumer_group: %s
stop_at_end: %v
batch_size: %d
rows_per_message: %d
commit_interval: %v
emit_interval: %v
session_timeout: %v
state_dir: %q
watermark: { max_out_of_orderness: %s, idle_timeout: 24h }
processors:
%s%s`, strings.Join(w.topics(), ", "), simGroup, bounded, p.batch, p.perMessage, p.commit, p.emit, p.session, dir, ms(simDisorder), dedup, operators)
}

func ms(n int64) string { return (time.Duration(n) * time.Millisecond).String() }

// storm lets everything happen that the plan says, and returns when it is over.
func (w *simWorld) storm() {
	var all sync.WaitGroup
	all.Go(w.produce)
	w.disks = make([]*vfs.MemFS, len(w.plan.slots))
	for i := range w.plan.slots {
		all.Go(func() { w.machine(i) })
	}
	for _, t := range w.plan.troubles {
		all.Go(func() {
			time.Sleep(t.at)
			end := t.strike(w.cluster)
			<-w.calm
			w.counts.add(t.what(), end())
		})
	}
	for _, a := range w.plan.away {
		all.Go(func() {
			time.Sleep(a.at)
			w.database.absent(a.length, w.calm)
		})
	}
	time.Sleep(simChaos)
	close(w.calm)
	all.Wait()
}

// produce writes the records at their times, through a network without faults.
func (w *simWorld) produce() {
	opts := []kgo.Opt{
		kgo.SeedBrokers("localhost:9092"), kgo.Dialer(w.net.DialContext), kgo.DisableClientMetrics(), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytes(600), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerLinger(0), // a fetch takes a batch at least
	}
	if w.plan.sourceTxn {
		opts = append(opts, kgo.TransactionalID(simProducer))
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		w.complain("%v", err)
		return
	}
	defer client.Close()
	for i := 0; i < len(w.plan.records); {
		first := i
		for ; i < len(w.plan.records) && w.plan.records[i].at == w.plan.records[first].at; i++ {
		}
		chunk := w.plan.records[first:i]
		time.Sleep(chunk[0].at - time.Since(w.begun))
		if w.plan.sourceTxn && first%3 == 0 {
			if _, err := w.send(client, chunk, kgo.TryAbort); err != nil {
				w.complain("produce in vain: %v", err)
			}
		}
		stored, err := w.send(client, chunk, kgo.TryCommit)
		if err != nil {
			w.complain("produce: %v", err)
			return
		}
		w.records = append(w.records, stored...)
	}
}

// send writes a chunk of records, in a transaction if the plan says so.
func (w *simWorld) send(client *kgo.Client, chunk []simRecord, end kgo.TransactionEndTry) (stored []simStored, err error) {
	var list []*kgo.Record
	for _, r := range chunk {
		list = append(list, rec(r.topic, r.partition, r.ms, r.value))
	}
	if w.plan.sourceTxn {
		if err := client.BeginTransaction(); err != nil {
			return nil, err
		}
	}
	if err := client.ProduceSync(context.Background(), list...).FirstErr(); err != nil {
		return nil, err
	}
	if w.plan.sourceTxn {
		time.Sleep(30 * time.Millisecond) // an open transaction hides what follows it
		if err := client.EndTransaction(context.Background(), end); err != nil {
			return nil, err
		}
	}
	for k, r := range list {
		stored = append(stored, simStored{chunk[k], r.Offset})
	}
	return stored, nil
}

// expire ends the membership of a process that is gone when its session is over.
// The coordinator does so itself but for one case: kfake starts no timer for a member
// whose connection was gone when it was to be told of a round, and keeps it for ever.
func (w *simWorld) expire(p *simProcess) {
	time.Sleep(w.plan.session + time.Second)
	info := w.cluster.GroupInfo(simGroup)
	if info == nil {
		return
	}
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group = simGroup
	for _, m := range info.Members {
		if m.ClientID == p.name {
			gone := kmsg.NewLeaveGroupRequestMember()
			gone.MemberID, gone.InstanceID = m.MemberID, m.InstanceID
			req.Members = append(req.Members, gone)
		}
	}
	if len(req.Members) == 0 {
		return
	}
	w.counts.add("expired by hand", 1)
	client, err := kgo.NewClient(kgo.SeedBrokers("localhost:9092"), kgo.Dialer(w.net.DialContext))
	if err == nil {
		_, err = req.RequestWith(context.Background(), client)
		client.Close()
	}
	if err != nil {
		w.complain("expire %s: %v", p.name, err)
	}
}

// machine runs the processes of a machine, one after the other.
func (w *simWorld) machine(i int) {
	disk := vfs.NewCrashableMem()
	var old []*vfs.MemFS
	machine := 0
	for k, life := range w.plan.slots[i] {
		if !simPause(life.pause, w.calm) {
			break
		}
		p := w.launch(fmt.Sprintf("%d.%d", i, k), w.instance(i, machine), life, disk, life.bounded)
		w.mu.Lock()
		w.processes = append(w.processes, p)
		w.mu.Unlock()
		w.endOf(p)
		disk = p.left()
		switch life.disk {
		case simDiskLost:
			disk = vfs.NewCrashableMem()
		case simDiskOld:
			if len(old) > 0 {
				disk = old[0].CrashClone(vfs.CrashCloneCfg{})
			}
		}
		old = append(old, disk.CrashClone(vfs.CrashCloneCfg{}))
		if life.stranger {
			machine++
		}
	}
	w.disks[i] = disk
}

// instance is the instance id of a member, empty for one that takes it from its
// state folder.
func (w *simWorld) instance(i, machine int) string {
	if !w.plan.static {
		return ""
	}
	return fmt.Sprintf("machine-%d-%d", i, machine)
}

// endOf lets a process run for as long as it is meant to, and ends it. One that lingers
// is paused instead, and dies much later.
func (w *simWorld) endOf(p *simProcess) {
	timer := time.NewTimer(p.life.length)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.calm:
	case <-p.dead:
		return
	case <-p.paused:
		return
	case <-p.over:
		return
	}
	switch {
	case p.life.lingers > 0:
		p.pause(p.life.lingers, "paused")
		return
	case !p.life.graceful:
		if p.kill() {
			w.counts.add("killed", 1)
		}
		return
	}
	w.counts.add("stopped", 1)
	p.end(p.life.hasty)
	select {
	case <-p.over:
	case <-p.dead:
	}
}

// finish runs the stream to its end, without faults, and returns its account.
func (w *simWorld) finish() (lines []task.Line) {
	var last []*simProcess
	for i := range w.plan.last {
		var disk *vfs.MemFS
		if i < len(w.disks) {
			disk = w.disks[i]
		} else {
			disk = vfs.NewCrashableMem()
		}
		last = append(last, w.launch(fmt.Sprintf("last.%d", i), w.instance(i, 9), simLife{}, disk, true))
	}
	limit := time.NewTimer(10 * time.Minute)
	defer limit.Stop()
	for _, p := range last {
		select {
		case <-p.over:
		case <-limit.C:
			w.complain("the last run does not end: %+v", w.cluster.GroupInfo(simGroup))
			for _, p := range last {
				p.kill()
			}
		}
	}
	w.processes = append(w.processes, last...)
	for _, p := range w.processes {
		<-p.over
	}
	w.reapers.Wait()
	for _, p := range last {
		_, finished := host.MonitorOf(p.in.conf.Resources()).State()
		summary, ok := finished[""]
		if !ok {
			w.complain("%s has no summary", p.name)
		}
		lines = task.MergeLines(lines, summary.Lines)
	}
	return lines
}
