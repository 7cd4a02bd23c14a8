package host

import (
	"context"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/meter"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
	"github.com/tidemark-streams/tidemark/plugins/internal/task/tasktest"
)

// pieces feeds a runner as fetches do: a thousand records at a time, few ahead.
type pieces struct {
	rows [][]event.Row
	sent []int64
	run  *Runner
}

func (f *pieces) Hungry()  {}
func (f *pieces) Confirm() {}

func (f *pieces) Drained(i int, merged int64) {
	const size, ahead = 1000, 8000
	for end := int64(len(f.rows[i])); f.sent[i] < end && f.sent[i]-merged < ahead; {
		to := min(f.sent[i]+size, end)
		f.run.Deliver(i, task.BatchOf(f.rows[i][f.sent[i]:to]...), to, false)
		if f.sent[i] = to; to == end {
			f.run.Finish(i, to)
		}
	}
}

// nowhere keeps nothing.
type nowhere struct{}

func (nowhere) Commit(context.Context, int64, []byte) error { return nil }
func (nowhere) Write() error                                { return nil }

func (nowhere) Ended(context.Context) error { return nil }

// BenchmarkRunner is what the host's loop costs: it merges three partitions and drives
// an operator that emits next to nothing; or, with every event passed on, what it costs
// besides to make a message of each and hand it to an output.
func BenchmarkRunner(b *testing.B) {
	for name, echo := range map[string]bool{"merge": false, "messages": true} {
		b.Run(name, func(b *testing.B) { benchRunner(b, echo) })
	}
}

func benchRunner(b *testing.B, echo bool) {
	const events = 50_000
	topics := []string{tasktest.ShopOrders, tasktest.ShopItems, tasktest.ShopPayments}
	rows := make([][]event.Row, len(topics))
	total := 0
	for _, r := range tasktest.Shop(events) {
		for i, topic := range topics {
			if r.Source.Topic == topic {
				rows[i], total = append(rows[i], r), total+1
			}
		}
	}
	opts := Options{
		BatchSize: 1024, EmitInterval: time.Second, CommitInterval: time.Second,
		IdleTimeout: time.Minute, MaxFuture: 10 * time.Minute, MaxOutOfOrderness: 2 * event.Minute,
	}
	b.ReportAllocs()
	for b.Loop() {
		var sources []*task.Source
		for _, topic := range topics {
			sources = append(sources, &task.Source{Topic: topic})
		}
		op := &counter{schema: event.NewSchema("count", "n"), echo: echo}
		chain, _, err := task.NewChain([]task.Stage{{Label: "op", Op: op}}, tasktest.ShopShape)
		if err != nil {
			b.Fatal(err)
		}
		out := make(chan Batch)
		feed := &pieces{rows: rows, sent: make([]int64, len(rows))}
		feed.run = NewRunner(TaskRun{Stream: "bench", Generation: 1}, opts, newHub(service.MockResources()), feed,
			task.New(chain, sources, opts.MaxOutOfOrderness), nowhere{}, out)
		go func() {
			for batch := range out {
				batch.Done(nil)
			}
		}()
		for i := range rows {
			feed.Drained(i, 0)
		}
		finished, err := feed.run.Run(b.Context(), nil, nil)
		close(out)
		if !finished || err != nil || op.n != int64(total) {
			b.Fatal(finished, err, op.n)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*total), "ns/event")
}

// BenchmarkReport is what it costs a task to tell its figures, at most once a commit.
func BenchmarkReport(b *testing.B) {
	topics := []string{tasktest.ShopOrders, tasktest.ShopItems, tasktest.ShopPayments}
	var sources []*task.Source
	for _, topic := range topics {
		sources = append(sources, &task.Source{Topic: topic})
	}
	var stages []task.Stage
	for _, label := range []string{"decode", "dedup", "join", "funnel", "drop_off"} {
		stages = append(stages, task.Stage{Label: label, Op: &counter{schema: event.NewSchema(label, "n"), echo: true}})
	}
	chain, _, err := task.NewChain(stages, tasktest.ShopShape)
	if err != nil {
		b.Fatal(err)
	}
	hub, run := newHub(service.MockResources()), TaskRun{Stream: "s", Generation: 1}
	r := NewRunner(run, Options{BatchSize: 1024}, hub, &pieces{}, task.New(chain, sources, 0), nowhere{}, make(chan Batch))
	for i, s := range sources {
		r.Deliver(i, task.BatchOf(event.Row{Time: 1, Source: &event.Source{Topic: s.Topic}}), 1, false)
	}
	stream := meter.NewRegistry().Stream("s")
	here := stream.Begin(0)
	r.Meter(stream, here, nil)
	r.receive()
	r.step()
	r.reports = startReports(b.Context(), hub, run, here.Disk)
	defer r.reports.end(true)
	b.ReportAllocs()
	for b.Loop() {
		r.report()
	}
}
