package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/internal/page/streams"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

// asOne reads a database as of one moment.
type asOne struct{ db *sql.DB }

func (a asOne) Read(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := a.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	return do(tx)
}

// operatorsPage is the operator's view of a pipeline's streams.
type operatorsPage struct {
	*pipeline
	source *streams.Streams
	admin  *kadm.Client
}

func newOperatorsPage(p *pipeline) *operatorsPage {
	p.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(p.kafka.Addr()))
	if err != nil {
		p.Fatal(err)
	}
	p.Cleanup(client.Close)
	return &operatorsPage{p, streams.New(asOne{p.pg.DB}, client, []string{"tidemark-funnel", "not-yet"}), kadm.NewClient(p.kafka.Client(p))}
}

func (o *operatorsPage) look() *streams.Snapshot {
	o.Helper()
	v, err := o.source.Snapshot(o.Context(), nil)
	if err != nil {
		o.Fatal(err)
	}
	return v.(*streams.Snapshot)
}

// until looks until what is seen is as it should be: an empty text.
func (o *operatorsPage) until(wrong func(*streams.Snapshot) string) (v *streams.Snapshot) {
	o.Helper()
	kit.Eventually(o, patience, func() (bool, string) {
		v = o.look()
		why := wrong(v)
		return why == "", why
	})
	return v
}

func streamOf(v *streams.Snapshot, name string) *streams.Stream {
	for i := range v.Streams {
		if v.Streams[i].Stream == name {
			return &v.Streams[i]
		}
	}
	return &streams.Stream{}
}

// caughtUp tells what is missing until the streams have committed these events, by stream and
// topic, and nothing lags.
func caughtUp(v *streams.Snapshot, want map[string]int64) string {
	for at, n := range want {
		name, topic, _ := strings.Cut(at, " ")
		s := streamOf(v, name)
		if s.Lag == nil || *s.Lag != 0 {
			return name + " lags, or it is not known"
		}
		for _, l := range s.Account {
			if l.Operator == "input" && l.Topic == topic && l.In != n {
				return fmt.Sprintf("%s has read %d of %s, want %d", name, l.In, topic, n)
			}
		}
	}
	return ""
}

// owners are the processes that have tasks, by stream and task.
func owners(v *streams.Snapshot) map[string]string {
	all := map[string]string{}
	for _, s := range v.Streams {
		for _, t := range s.Tasks {
			if t.State == streams.Running {
				all[fmt.Sprintf("%s/%d", s.Stream, t.Task)] = t.Owner.Member
			}
		}
	}
	return all
}

// sharedBy tells which stream has tasks without an owner, or another number of owners.
func sharedBy(processes int, v *streams.Snapshot) string {
	has := owners(v)
	for _, name := range statefulStreams {
		members, tasks := map[string]bool{}, 0
		for task, member := range has {
			if strings.HasPrefix(task, name+"/") {
				members[member] = true
				tasks++
			}
		}
		if tasks != 3 || len(members) != processes {
			return fmt.Sprintf("%s: %d tasks of %d processes", name, tasks, len(members))
		}
	}
	return ""
}

// TestPageStreams holds what an operator sees against what Kafka, Postgres and the events
// themselves say, while two processes share the streams, when one is killed, and at the end.
func TestPageStreams(t *testing.T) {
	dir := dataset(t)
	p := newPipeline(t, 3)
	events, _ := read(t, dir, 0)
	want := eventsBy(events, 1)
	o := newOperatorsPage(p)

	if v := o.look(); !v.Kafka.Reachable || len(v.Streams) != 2 || len(v.Streams[0].Tasks) != 0 || v.Streams[0].Lag != nil {
		t.Errorf("before the first run: %+v", v)
	}
	a, b := meteredConsumer(p), meteredConsumer(p)
	producer := p.start(produceArgs(dir)...)
	fastest := 0.0
	for producer.Running() {
		fastest = max(fastest, streamOf(o.look(), "tidemark-funnel").Throughput)
		time.Sleep(200 * time.Millisecond)
	}
	p.succeeds(producer)
	v := o.until(func(v *streams.Snapshot) string {
		fastest = max(fastest, streamOf(v, "tidemark-funnel").Throughput)
		if why := caughtUp(v, want); why != "" {
			return why
		}
		return sharedBy(2, v)
	})
	if fastest <= 0 {
		t.Error("no throughput was seen")
	}
	for _, name := range statefulStreams {
		o.live(streamOf(v, name))
	}
	o.asKafka(v)
	o.asTheLedger(v)
	if s := streamOf(v, "not-yet"); s.Stream == "" || len(s.Tasks) != 0 {
		t.Errorf("a stream that has not run: %+v", s)
	}

	// Bad records: the letters, with examples of each reason, the newest first.
	o.send(badRecords(t, events[len(events)-1].Time.Add(time.Second)))
	o.until(func(v *streams.Snapshot) string { return o.wrongLetters(v) })

	// One is killed: its tasks have another owner, and their figures go on.
	before := o.look()
	b.process.Signal(t, syscall.SIGKILL)
	o.until(func(v *streams.Snapshot) string { return sharedBy(1, v) })
	moved := 0
	for task, was := range owners(before) {
		if is := owners(o.look())[task]; is != was {
			moved++
		}
	}
	if moved < len(statefulStreams) {
		t.Errorf("%d tasks have moved", moved)
	}
	v = o.until(func(v *streams.Snapshot) string {
		for _, name := range statefulStreams {
			for _, task := range streamOf(v, name).Tasks {
				if task.Holder == nil { // until the new owner has told its figures
					return fmt.Sprintf("nobody holds the watermark of task %d of %s", task.Task, name)
				}
			}
		}
		return ""
	})
	o.asKafka(v)
	o.asTheLedger(v)

	// The processes end; then a bounded run comes to the end of all topics.
	p.interrupt(a.process)
	v = o.until(func(v *streams.Snapshot) string {
		if n := len(owners(v)); n > 0 {
			return fmt.Sprintf("%d tasks have owners", n)
		}
		return ""
	})
	for _, task := range streamOf(v, "tidemark-funnel").Tasks {
		if task.State != streams.Unowned || task.Holder != nil || task.Store == nil || task.Commit == nil {
			t.Errorf("a task without an owner: %+v", task)
		}
	}
	printed := p.consume().Output()
	v = o.until(func(v *streams.Snapshot) string {
		if s := streamOf(v, "tidemark-funnel"); !s.Ended {
			return "not ended"
		}
		return ""
	})
	o.asPrinted(v, printed)

	// Kafka goes: the figures of Postgres are left.
	p.kafka.Pause(t)
	gone := o.until(func(v *streams.Snapshot) string {
		if v.Kafka.Reachable {
			return "Kafka is reachable"
		}
		return ""
	})
	p.kafka.Resume(t)
	if gone.Kafka.Error == "" || strings.Contains(gone.Kafka.Error, "\n") {
		t.Errorf("error %q", gone.Kafka.Error)
	}
	for _, name := range statefulStreams {
		s, was := streamOf(gone, name), streamOf(v, name)
		if !slices.Equal(s.Account, was.Account) || s.Rows != was.Rows || s.Lag == nil || *s.Lag != 0 || s.Tasks[0].State != streams.Unknown || len(s.Tasks[0].Offsets) != len(was.Tasks[0].Offsets) {
			t.Errorf("without Kafka: %+v, with it %+v", s, was)
		}
	}

	// A stream that is dropped leaves no figures.
	p.run("state", "reset", "--yes", "--consumer-group", "tidemark-gmv")
	o.until(func(v *streams.Snapshot) string {
		if s := streamOf(v, "tidemark-gmv"); s.Stream != "" {
			return fmt.Sprintf("%+v", s)
		}
		return ""
	})
	p.await(9, "select count(*) from tidemark_task_figures where stream <> 'tidemark-gmv'")
	p.await(1, "select 1 - count(*) from tidemark_task_figures where stream = 'tidemark-gmv'")
}

// live checks what a stream tells whose tasks are at work and have read everything.
func (o *operatorsPage) live(s *streams.Stream) {
	o.Helper()
	if len(s.Tasks) != 3 || s.Watermark == nil || s.Ended || s.Rows == 0 {
		o.Errorf("%+v", s)
	}
	for _, t := range s.Tasks {
		if t.State != streams.Running || t.Holder == nil || t.Holder.Partition != t.Task || t.Watermark == nil || t.Generation < 1 || t.Seq < 1 {
			o.Errorf("%s: %+v", s.Stream, t)
		}
		if t.Commit == nil || t.Commit.Seconds <= 0 || len(t.Commit.Phases) != 3 || time.Since(t.Commit.At) > patience {
			o.Errorf("%s/%d: commit %+v", s.Stream, t.Task, t.Commit)
		}
		if t.Store == nil || t.Store.Keys < 1 || t.Store.Memory < 1 || t.Store.Disk < 1 || len(t.Operators) < 2 {
			o.Errorf("%s/%d: store %+v, operators %+v", s.Stream, t.Task, t.Store, t.Operators)
		}
		held := false
		for _, at := range t.Offsets {
			held = held || t.Holder != nil && at.Topic == t.Holder.Topic && at.Newest != nil && at.Newest.Add(-2*time.Minute).Equal(*t.Watermark)
		}
		if !held {
			o.Errorf("%s/%d: the watermark %v is not that of the holder %+v: %+v", s.Stream, t.Task, t.Watermark, t.Holder, t.Offsets)
		}
	}
	for _, l := range s.Account {
		if !l.Balanced {
			o.Errorf("%s: %+v", s.Stream, l)
		}
	}
}

// asKafka holds owners and offsets against what the brokers say.
func (o *operatorsPage) asKafka(v *streams.Snapshot) {
	o.Helper()
	compared := 0
	for _, name := range statefulStreams {
		group, err := o.admin.DescribeGroups(o.Context(), name)
		if err != nil {
			o.Fatal(err)
		}
		committed, err := o.admin.FetchOffsets(o.Context(), name)
		if err != nil {
			o.Fatal(err)
		}
		for _, t := range streamOf(v, name).Tasks {
			for _, at := range t.Offsets {
				ends, err := o.admin.ListEndOffsets(o.Context(), at.Topic)
				if err != nil {
					o.Fatal(err)
				}
				end, _ := ends.Lookup(at.Topic, t.Task)
				c, ok := committed.Lookup(at.Topic, t.Task)
				if !ok || at.Committed == nil || at.End == nil || at.Lag == nil ||
					*at.Committed != c.At || *at.End != end.Offset || *at.Lag != end.Offset-c.At || at.Partition != t.Task {
					o.Errorf("%s/%d: %+v, Kafka says %d of %d", name, t.Task, at, c.At, end.Offset)
				}
				for _, m := range group[name].Members {
					if assigned, _ := m.Assigned.AsConsumer(); assigned != nil {
						for _, topic := range assigned.Topics {
							if topic.Topic == at.Topic && slices.Contains(topic.Partitions, t.Task) {
								compared++
								if t.Owner == nil || t.Owner.Member != *m.InstanceID || "/"+t.Owner.Host != m.ClientHost {
									o.Errorf("%s/%d: owner %+v, Kafka says %s", name, t.Task, t.Owner, *m.InstanceID)
								}
							}
						}
					}
				}
			}
		}
	}
	if want := 3 * 7; compared != want { // partitions of the topics that the streams read
		o.Errorf("%d owners were compared, want %d", compared, want)
	}
}

// asTheLedger holds watermarks, generations and rows against the ledger.
func (o *operatorsPage) asTheLedger(v *streams.Snapshot) {
	o.Helper()
	told := o.watermarks()
	for _, name := range statefulStreams {
		s := streamOf(v, name)
		rows, least := int64(0), 0.0
		for _, t := range s.Tasks {
			w := told[fmt.Sprintf("%s/%d", name, t.Task)]
			if t.Watermark == nil || float64(t.Watermark.UnixMilli()) != 1000*w {
				o.Errorf("%s/%d: watermark %v, the ledger says %f", name, t.Task, t.Watermark, w)
			}
			if rows += t.Seq; least == 0 || w < least {
				least = w
			}
		}
		if s.Rows != rows || s.Watermark == nil || float64(s.Watermark.UnixMilli()) != 1000*least {
			o.Errorf("%s: %d rows, want %d; watermark %v, want %f", name, s.Rows, rows, s.Watermark, least)
		}
	}
}

// wrongLetters holds the dead letters that are shown against the table.
func (o *operatorsPage) wrongLetters(v *streams.Snapshot) string {
	o.Helper()
	stored := map[string][]place{}
	all := o.deadLetters()
	for at, l := range all {
		stored[at.stream+"/"+l.reason] = append(stored[at.stream+"/"+l.reason], at)
	}
	if len(all) < 20 || v.DeadLetters.Total != int64(len(all)) || len(v.DeadLetters.Groups) != len(stored) {
		return fmt.Sprintf("%d letters in %d groups, stored are %d in %d", v.DeadLetters.Total, len(v.DeadLetters.Groups), len(all), len(stored))
	}
	for _, g := range v.DeadLetters.Groups {
		places := stored[g.Stream+"/"+g.Reason]
		if int(g.Count) != len(places) || len(g.Examples) != min(3, len(places)) || !g.Newest.Equal(g.Examples[0].SeenAt) {
			return fmt.Sprintf("%+v, stored are %v", g, places)
		}
		for i, x := range g.Examples {
			at := place{g.Stream, x.Topic, x.Partition, x.Offset}
			if l := all[at]; l.reason != g.Reason || l.detail != x.Detail || i > 0 && x.SeenAt.After(g.Examples[i-1].SeenAt) {
				return fmt.Sprintf("example %+v, stored is %+v", x, l)
			}
		}
	}
	return ""
}

// asPrinted holds the accounts against those that a bounded run has printed.
func (o *operatorsPage) asPrinted(v *streams.Snapshot, output string) {
	o.Helper()
	var header []string
	compared := 0
	for line := range strings.Lines(output) {
		cells := strings.Fields(line)
		if len(cells) > 4 && cells[0] == "stream" && cells[1] == "operator" {
			header = cells
			continue
		}
		if header == nil || len(cells) != len(header) || !strings.HasPrefix(cells[0], "tidemark-") {
			continue
		}
		s := streamOf(v, cells[0])
		i := slices.IndexFunc(s.Account, func(l streams.Line) bool { return l.Operator == cells[1] && l.Topic == cells[2] })
		if i < 0 {
			o.Errorf("no account for %v", cells)
			continue
		}
		l := s.Account[i]
		for k, n := range map[string]int64{
			"in": l.In, "passed": l.Passed, "held": l.Held, "duplicate": l.Duplicate, "late": l.Late, "orphan": l.Orphan, "invalid": l.Invalid, "future": l.Future,
		} {
			if c := slices.Index(header, k); c >= 0 && number(o, cells[c]) != n {
				o.Errorf("%v: %s is shown as %d", cells, k, n)
			}
		}
		compared++
	}
	if compared < 20 {
		o.Errorf("only %d lines were compared:\n%s", compared, output)
	}
}
