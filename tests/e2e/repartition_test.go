package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/tidemark-streams/tidemark/tests/golden"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

// eventTopics are those that repartition copies by default.
var eventTopics = []string{"olist.orders", "olist.order_items", "olist.payments"}

// From three partitions and one consumer to six and six, as the guide tells it, while
// a producer writes. The first attempt is killed, and what it leaves is refused by
// streams and producers; in the second, Kafka goes away for a while.
func TestMorePartitions(t *testing.T) {
	dir := dataset(t)
	p := newPipeline(t, 3)
	events, _ := read(t, dir, 0)
	want := wanted(t, dir, 0)

	consumer := p.start("consume")
	producer := p.start(produceArgs(dir, "--speed", "100000", "--max-gap", "1ms")...)
	p.await(int64(len(events)/20), counted)

	repartition := []string{"topics", "repartition", "--partitions", "6"}
	first := p.start(repartition...)
	p.says(first, "has grown since the copy began")
	first.Signal(t, syscall.SIGKILL)
	first.Wait(t, patience)
	p.unfinished(dir)

	second := p.start(repartition...)
	p.says(second, "has grown since the copy began")
	if !producer.Running() {
		t.Error("the producer has ended before it was to be stopped")
	}
	p.kafka.Outage(t, outage(t))
	p.interrupt(producer)
	r := p.succeeds(second)
	for _, text := range []string{
		"deleted olist.orders.p6, which an interrupted run has left unfinished",
		"counts and checksums agree", "export TIDEMARK_TOPIC_SUFFIX=.p6", "tidemark replay --yes",
	} {
		if !strings.Contains(r.Output(), text) {
			t.Errorf("repartition does not say %q", text)
		}
	}
	records := p.sameRecords()
	p.interrupt(consumer)

	// The same rows from both, and how long they take.
	before := p.compute(1, records)
	p.env = append(p.env, "TIDEMARK_TOPIC_SUFFIX=.p6")
	if out := p.run("topics", "describe").Output(); !strings.Contains(out, "partitions fit: olist.orders.p6 has 6") || strings.Contains(out, "UNFINISHED") {
		t.Error(out)
	}
	after := p.compute(6, records)
	p.same(golden.Diff(before, after))
	if t.Failed() {
		t.FailNow()
	}

	// The six go on while the rest is produced. What is produced a second time is known
	// to the tasks only if it comes to the partition that has the first.
	consumers := make([]*kit.Process, 6)
	for i := range consumers {
		consumers[i] = p.member(i, "consume")
	}
	p.members("tidemark-funnel", len(consumers))
	p.produce(dir)
	p.expectLive(want)
	for _, c := range consumers {
		c.Signal(t, syscall.SIGTERM)
	}
	for _, c := range consumers {
		p.succeeds(c)
	}
	p.consume()
	p.expect(want)
}

// says waits until a process has written a text.
func (p *pipeline) says(process *kit.Process, text string) {
	p.Helper()
	kit.Eventually(p, patience, func() (bool, string) {
		if strings.Contains(process.Output(), text) {
			return true, ""
		}
		if !process.Running() {
			p.Fatalf("it has ended before it said %q:\n%s", text, process.Output())
		}
		return false, fmt.Sprintf("it does not say %q", text)
	})
}

// unfinished makes sure that nothing takes half a copy for the whole.
func (p *pipeline) unfinished(dir string) {
	p.Helper()
	env := append(p.env[:len(p.env):len(p.env)], "TIDEMARK_TOPIC_SUFFIX=.p6")
	for _, args := range [][]string{{"consume"}, produceArgs(dir)} {
		r := kit.Run(p, kit.Command{Args: args, Env: env}, patience)
		if r.Code != 1 || !strings.Contains(r.Output(), "is an unfinished copy") {
			p.Errorf("%s on half a copy: exit code %d\n%s", args[0], r.Code, r.Output())
		}
	}
	if r := kit.Run(p, kit.Command{Args: []string{"topics", "describe"}, Env: env}, patience); !strings.Contains(r.Output(), "olist.orders.p6: UNFINISHED COPY") {
		p.Error(r.Output())
	}
}

// sameRecords compares the copies with the topics and returns how many records each
// side holds. Of one key and topic they have to be in the same order.
func (p *pipeline) sameRecords() (records int) {
	p.Helper()
	for _, topic := range eventTopics {
		byKey := func(topic string) (map[string][]string, int) {
			all := p.kafka.Records(p, topic)
			m := map[string][]string{}
			for _, r := range all {
				m[string(r.Key)] = append(m[string(r.Key)], fmt.Sprint(r.Timestamp.UnixMilli(), r.Headers, string(r.Value)))
			}
			return m, len(all)
		}
		old, n := byKey(topic)
		made, m := byKey(topic + ".p6")
		if n != m || len(old) != len(made) {
			p.Errorf("%s: %d records of %d keys, its copy %d of %d", topic, n, len(old), m, len(made))
		}
		for key, texts := range old {
			if strings.Join(texts, "\n") != strings.Join(made[key], "\n") {
				p.Fatalf("%s: the records of %s differ in the copy", topic, key)
			}
		}
		records += n
	}
	return records
}

// compute has so many processes compute everything anew, and returns the rows.
func (p *pipeline) compute(processes, records int) golden.Tables {
	p.Helper()
	p.run("replay", "--yes")
	begun := time.Now()
	running := make([]*kit.Process, processes)
	for i := range running {
		running[i] = p.member(i, "consume", "--stop-at-end")
	}
	for _, process := range running {
		p.succeeds(process)
	}
	took := time.Since(begun)
	p.Logf("%d processes: %d records in %v with start and end, %.0f records/s", processes, records, took.Round(time.Millisecond), float64(records)/took.Seconds())
	return p.rows()
}

// member starts one of several processes, as on a machine of its own.
func (p *pipeline) member(i int, args ...string) *kit.Process {
	p.Helper()
	c := p.command(args...)
	c.Env = append(c.Env[:len(c.Env):len(c.Env)], fmt.Sprintf("TIDEMARK_STATE_DIR=%s/member-%d", p.stateDir, i))
	return kit.Start(p, c)
}

// members waits until so many processes share the tasks of a group.
func (p *pipeline) members(group string, n int) {
	p.Helper()
	admin := kadm.NewClient(p.kafka.Client(p))
	kit.Eventually(p, patience, func() (bool, string) {
		described, err := admin.DescribeGroups(p.Context(), group)
		if err != nil {
			return false, err.Error()
		}
		busy := 0
		for _, m := range described[group].Members {
			if assigned, ok := m.Assigned.AsConsumer(); ok && len(assigned.Topics) > 0 {
				busy++
			}
		}
		return busy == n, fmt.Sprintf("%d of %d members have tasks", busy, n)
	})
}
