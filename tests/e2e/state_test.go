package e2e

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	olistcsv "github.com/tidemark-streams/tidemark/plugins/olist_csv"
	"github.com/tidemark-streams/tidemark/tests/golden"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

// listed is what "state list --json" prints of a stream.
type listed struct {
	Stream string
	Exists bool
	Tasks  []listedTask
}

type listedTask struct {
	Task       int32
	Owner      *struct{ Member, Host string }
	Lag        int64
	Offsets    string
	Watermark  time.Time
	Generation int64
	Seq        int64
	Topics     []struct {
		Topic                      string
		Committed, State, End, Lag int64
	}
	Keys, Bytes int64
	Operators   []struct {
		Operator    string
		Keys, Bytes int64
	}
}

func (p *pipeline) list(args ...string) map[string]listed {
	p.Helper()
	var list []listed
	r := p.run(append([]string{"state", "list", "--json"}, args...)...)
	if err := json.Unmarshal([]byte(r.Stdout), &list); err != nil {
		p.Fatalf("%v: %s", err, r.Stdout)
	}
	streams := map[string]listed{}
	for _, s := range list {
		streams[s.Stream] = s
	}
	return streams
}

// inspect is what "state inspect" prints.
func (p *pipeline) inspect(code int, group, operator, key string) string {
	p.Helper()
	r := p.start("state", "inspect", "--consumer-group", group, "--operator", operator, "--key", key).Wait(p, patience)
	if r.Code != code {
		p.Fatalf("inspect %s %s %s: exit code %d, want %d: %s", group, operator, key, r.Code, code, r.Output())
	}
	return r.Output()
}

// TestState looks at what the streams remember of the Olist orders, with and without
// consumers that run, and drops what one operator remembers.
func TestState(t *testing.T) {
	const orders = 3000 // the last of them in a busy time
	dir := dataset(t)
	p := newPipeline(t, 3)
	for _, s := range p.list() {
		if s.Exists {
			t.Errorf("%s has state before its first run", s.Stream)
		}
	}
	p.inspect(2, "tidemark-funnel", "orders", "x")
	limit := []string{"--limit", strconv.Itoa(orders)}
	p.produce(dir, limit...)
	p.consume()
	events, _ := read(t, dir, orders)

	t.Run("list", func(t *testing.T) {
		p := p.of(t)
		p.expectStanding(p.list("--operators"), map[string]int64{"tidemark-funnel": 1, "tidemark-gmv": 1, "tidemark-payments": 1})
	})
	t.Run("inspect", func(t *testing.T) { p.of(t).expectRemembered(events) })
	t.Run("running", func(t *testing.T) { p.of(t).lookAtRunning(dir, limit...) })
	t.Run("reset of an operator", func(t *testing.T) {
		p := p.of(t)
		before := p.list("--operators")
		p.run("state", "reset", "--yes", "--consumer-group", "tidemark-gmv", "--operator", "gmv")
		p.expectDropped(before, p.list("--operators"), "tidemark-gmv", "gmv")
		if out := p.inspect(1, "tidemark-gmv", "gmv", lastItem(events).Format(time.RFC3339)); !strings.Contains(out, "Nothing is known") {
			t.Error(out)
		}
		accountAddsUp(t, p.consume().Stdout)
		p.expectStanding(p.list("--operators"), map[string]int64{"tidemark-funnel": 3, "tidemark-gmv": 4, "tidemark-payments": 3}) // the reset took one
		p.run("state", "reset", "--yes")
		p.consume()
		p.expect(wanted(t, dir, orders))
	})
}

// of is the pipeline within a part of the test.
func (p *pipeline) of(t testing.TB) *pipeline {
	part := *p
	part.TB = t
	return &part
}

// expectStanding holds positions and watermarks against what the topics hold.
func (p *pipeline) expectStanding(got map[string]listed, generations map[string]int64) {
	p.Helper()
	last := map[string]time.Time{} // largest event time by topic and partition
	for _, r := range p.kafka.Records(p, "olist.orders", "olist.order_items", "olist.payments") {
		at := fmt.Sprint(r.Topic, r.Partition)
		if last[at].Before(r.Timestamp) {
			last[at] = r.Timestamp
		}
	}
	ends, err := kadm.NewClient(p.kafka.Client(p)).ListEndOffsets(p.Context())
	if err != nil {
		p.Fatal(err)
	}
	for stream, topics := range map[string][]string{
		"tidemark-funnel":   {"olist.order_items", "olist.orders", "olist.payments"},
		"tidemark-gmv":      {"olist.order_items"},
		"tidemark-payments": {"olist.payments"},
	} {
		if len(got[stream].Tasks) != 3 {
			p.Fatalf("%s has %d tasks", stream, len(got[stream].Tasks))
		}
		for _, task := range got[stream].Tasks {
			if task.Owner != nil || task.Lag != 0 || task.Offsets != "ok" || task.Generation != generations[stream] || task.Seq == 0 {
				p.Errorf("%s: %+v", stream, task)
			}
			var first, latest time.Time
			for i, topic := range topics {
				end, _ := ends.Lookup(topic, task.Task)
				if at := task.Topics[i]; at.Topic != topic || at.Committed != end.Offset || at.State != end.Offset || at.End != end.Offset {
					p.Errorf("%s: %+v, want %s at %d", stream, at, topic, end.Offset)
				}
				seen := last[fmt.Sprint(topic, task.Task)]
				if first.IsZero() || seen.Before(first) {
					first = seen
				}
				if latest.Before(seen) {
					latest = seen
				}
			}
			// Of one topic it is the largest event time less max_out_of_orderness; of several
			// something between, as one that has ended holds up nobody.
			if w := task.Watermark.Add(2 * time.Minute); w.Before(first) || w.After(latest) {
				p.Errorf("%s, task %d: watermark %v of events up to %v..%v", stream, task.Task, task.Watermark, first, latest)
			}
			if task.Keys == 0 || task.Bytes < task.Keys {
				p.Errorf("%s, task %d: %d keys, %d bytes", stream, task.Task, task.Keys, task.Bytes)
			}
		}
	}
}

// expectRemembered holds what the operators say against the CSV files.
func (p *pipeline) expectRemembered(events []golden.Event) {
	p.Helper()
	type order struct {
		placed          time.Time
		status          string
		items, payments int
	}
	orders := map[string]*order{}
	var ids []string
	for _, e := range events {
		o := orders[e.OrderID]
		if o == nil {
			o = &order{}
			orders[e.OrderID] = o
			ids = append(ids, e.OrderID)
		}
		switch {
		case e.Kind == golden.Order:
			o.placed, o.status = e.Time, e.Status
		case e.Kind == golden.Item:
			o.items++
		case e.Approved:
			o.payments++
		}
	}
	tasks, watermarks := map[string]int32{}, map[int32]time.Time{}
	for _, r := range p.kafka.Records(p, "olist.orders") {
		tasks[string(r.Key)] = r.Partition
	}
	for _, task := range p.list()["tidemark-funnel"].Tasks {
		watermarks[task.Task] = task.Watermark
	}
	ids = slices.DeleteFunc(ids, func(id string) bool { return orders[id].placed.IsZero() })
	slices.SortFunc(ids, func(a, b string) int { return orders[b].placed.Compare(orders[a].placed) })
	remembered, forgotten := 0, 0
	for _, id := range ids {
		o := orders[id]
		until := o.placed.AddDate(0, 0, 7)
		if watermarks[tasks[id]].After(until) {
			if forgotten++; forgotten < 3 {
				p.inspect(1, "tidemark-funnel", "orders", id)
			}
			continue
		}
		if remembered++; remembered > 8 {
			continue
		}
		text := p.inspect(0, "tidemark-funnel", "orders", id)
		for _, want := range []string{
			fmt.Sprintf("tidemark-funnel, task %d, ", tasks[id]),
			"anchor at " + o.placed.Format(time.RFC3339) + ", olist.orders/",
			fmt.Sprintf("joined so far: items %d, payments %d\n", o.items, o.payments),
			"watermark is later than " + until.Format(time.RFC3339),
			fmt.Sprintf("order_status %q", o.status),
		} {
			if !strings.Contains(text, want) {
				p.Errorf("%q is not in\n%s", want, text)
			}
		}
		seen := p.inspect(0, "tidemark-funnel", "dedup", olistcsv.EventID("olist.orders", id, 0))
		if want := "seen at " + o.placed.Format(time.RFC3339) + ", forgotten when the watermark is later than " + until.Format(time.RFC3339); !strings.Contains(seen, want) {
			p.Errorf("%q is not in\n%s", want, seen)
		}
	}
	if remembered == 0 || forgotten == 0 {
		p.Errorf("%d orders are remembered, %d forgotten", remembered, forgotten)
	}
	p.inspect(1, "tidemark-funnel", "orders", "nonesuch")

	at := lastItem(events)
	want, cents := 0, int64(0)
	for _, e := range events {
		if e.Kind == golden.Item && e.Time.Truncate(time.Minute).Equal(at.Truncate(time.Minute)) {
			want++
			cents += e.Price
		}
	}
	text := p.inspect(0, "tidemark-gmv", "gmv", at.Format(time.DateTime))
	count, revenue := 0.0, 0.0
	for _, m := range regexp.MustCompile(`item_count (\d+), item_revenue ([\d.]+),`).FindAllStringSubmatch(text, -1) {
		n, err1 := strconv.ParseFloat(m[1], 64)
		sum, err2 := strconv.ParseFloat(m[2], 64)
		if err1 != nil || err2 != nil {
			p.Fatal(err1, err2)
		}
		count, revenue = count+n, revenue+sum
	}
	if int(count) != want || fmt.Sprintf("%.2f", revenue) != fmt.Sprintf("%.2f", float64(cents)/100) {
		p.Errorf("the minute of %v has %d items for %d cents:\n%s", at, want, cents, text)
	}
}

// lastItem is the time of the last item: its window is open.
func lastItem(events []golden.Event) (last time.Time) {
	for _, e := range events {
		if e.Kind == golden.Item && e.Time.After(last) {
			last = e.Time
		}
	}
	return last
}

// lookAtRunning looks again and again at streams that read the dataset once more, all of
// it duplicates: their tasks go on in the same generation.
func (p *pipeline) lookAtRunning(dir string, args ...string) {
	p.Helper()
	consumer := p.start("consume")
	owned := func(want func(listedTask) bool) map[string]listed {
		p.Helper()
		var got map[string]listed
		kit.Eventually(p, patience, func() (bool, string) {
			got = p.list("--size")
			for name := range got {
				for _, task := range got[name].Tasks {
					if task.Owner == nil || task.Owner.Host != "127.0.0.1" || !want(task) {
						return false, fmt.Sprintf("%s: %+v", name, task)
					}
				}
			}
			return true, ""
		})
		return got
	}
	begun := owned(func(t listedTask) bool { return t.Generation == 2 && t.Lag == 0 })
	r := p.start("state", "reset", "--yes", "--consumer-group", "tidemark-gmv", "--operator", "gmv").Wait(p, patience)
	if r.Code != 1 || !strings.Contains(r.Output(), "consumers run in tidemark-gmv (") {
		p.Errorf("exit code %d: %s", r.Code, r.Output())
	}
	producer := p.start(produceArgs(dir, args...)...)
	for producer.Running() {
		p.list("--operators")
	}
	p.succeeds(producer)
	done := owned(func(t listedTask) bool { return t.Lag == 0 })
	for name, s := range begun {
		for i, task := range s.Tasks {
			if now := done[name].Tasks[i]; now.Generation != task.Generation || *now.Owner != *task.Owner {
				p.Errorf("%s: %+v was %+v", name, now, task)
			}
		}
	}
	p.interrupt(consumer)
}

// expectDropped holds the state after an operator was dropped against that before.
func (p *pipeline) expectDropped(before, after map[string]listed, stream, operator string) {
	p.Helper()
	dropped := 0
	for name, s := range before {
		for i, task := range s.Tasks {
			now := after[name].Tasks[i]
			kept := slices.Clone(task.Operators)
			if name == stream {
				kept = slices.DeleteFunc(kept, func(o struct {
					Operator    string
					Keys, Bytes int64
				}) bool {
					return o.Operator == operator
				})
				dropped += len(task.Operators) - len(kept)
			}
			if !slices.Equal(now.Operators, kept) || !now.Watermark.Equal(task.Watermark) || now.Seq != task.Seq || now.Lag != 0 || now.Offsets != "ok" {
				p.Errorf("%s: %+v was %+v", name, now, task)
			}
		}
	}
	if dropped == 0 {
		p.Errorf("%s had nothing to drop", operator)
	}
}
