package statefulkafka

import (
	"context"
	"fmt"
	"log/slog"
	"math/big"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/linkedin/goavro/v2"
	"github.com/redpanda-data/benthos/v4/public/service"
	"gopkg.in/yaml.v3"

	"github.com/tidemark-streams/tidemark/plugins/internal/avro"
	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/host"
	"github.com/tidemark-streams/tidemark/plugins/internal/meter"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// benchTopics are the topics of the funnel, in the order of its config.
var benchTopics = []string{"olist.orders", "olist.order_items", "olist.payments"}

// shop encodes about n events of a shop like Olist's, by topic and in order of
// event time: an order every ten minutes, most with one item and one payment.
func shop(b *testing.B, n int) [3][]event.Row {
	b.Helper()
	var schemas [3]*avro.Schema
	for i, file := range []string{"order", "order_item", "payment"} {
		s, err := avro.Load("configs/avro/" + file + ".avsc")
		if err != nil {
			b.Fatal(err)
		}
		schemas[i] = s
	}
	single, err := avro.ParseFraming(avro.FramingSingleObject, 0)
	if err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	id := func() string { return fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64()) }
	var rows [3][]event.Row
	add := func(topic int, at time.Time, order string, native map[string]any) {
		native["event_id"] = fmt.Sprintf("%08x-%04x-5%03x-8%03x-%012x", r.Uint32(), r.Uint32()>>16, r.Uint32()>>20, r.Uint32()>>20, r.Uint64()>>16)
		native["event_time"], native["order_id"] = at, order
		value, err := schemas[topic].AppendNative(single, nil, native)
		if err != nil {
			b.Fatal(err)
		}
		rows[topic] = append(rows[topic], event.Row{Time: event.TimeOf(at), Source: &event.Source{
			Topic: benchTopics[topic], Offset: int64(len(rows[topic])), Key: []byte(order), Value: value,
		}})
	}
	at := time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC)
	for len(rows[0])+len(rows[1])+len(rows[2]) < n {
		at = at.Add(time.Duration(r.Int64N(1200)) * time.Second)
		order, status := id(), "delivered"
		if r.IntN(50) == 0 {
			status = "canceled"
		}
		add(0, at, order, map[string]any{"customer_id": id(), "customer_state": goavro.Union("string", "SP"), "order_status": status,
			"order_approved_at": goavro.Union("long.timestamp-millis", at.Add(time.Hour)), "estimated_delivery_date": goavro.Union("long.timestamp-millis", at.Add(240*time.Hour))})
		for k := range 1 + r.IntN(8)/7 {
			add(1, at, order, map[string]any{"order_item_id": k + 1, "product_id": goavro.Union("string", id()), "seller_id": goavro.Union("string", id()),
				"price": big.NewRat(r.Int64N(50_000), 100), "freight_value": big.NewRat(r.Int64N(5_000), 100)})
		}
		if r.IntN(100) > 0 {
			add(2, at.Add(time.Duration(r.Int64N(3600))*time.Second), order, map[string]any{"payment_sequential": 1, "payment_type": "credit_card",
				"payment_installments": 1 + r.IntN(10), "payment_value": big.NewRat(1+r.Int64N(50_000), 100), "payment_status": "approved"})
		}
	}
	slices.SortStableFunc(rows[2], func(a, c event.Row) int { return int(a.Time - c.Time) })
	return rows
}

// memoryFeed delivers rows to a runner in pieces, as fetches do, and never more
// than a few ahead.
type memoryFeed struct {
	rows [3][]event.Row
	sent [3]int64
	run  *host.Runner
}

const (
	fetchSize  = 1000
	fetchAhead = 8000
)

func (f *memoryFeed) Hungry()  {}
func (f *memoryFeed) Confirm() {}

func (f *memoryFeed) Drained(i int, merged int64) {
	for f.sent[i] < int64(len(f.rows[i])) && f.sent[i]-merged < fetchAhead {
		to := min(f.sent[i]+fetchSize, int64(len(f.rows[i])))
		f.run.Deliver(i, task.BatchOf(f.rows[i][f.sent[i]:to]...), to, false)
		if f.sent[i] = to; to == int64(len(f.rows[i])) {
			f.run.Finish(i, to)
		}
	}
}

// shippedFunnel makes the operators of the funnel that is shipped.
func shippedFunnel(b *testing.B) *input {
	b.Helper()
	text, err := os.ReadFile("../../streams/analytics/funnel.yaml")
	if err != nil {
		b.Fatal(err)
	}
	var stream struct {
		Input struct {
			Kafka map[string]any `yaml:"stateful_kafka"`
		}
	}
	if err := yaml.Unmarshal(text, &stream); err != nil {
		b.Fatal(err)
	}
	conf, err := yaml.Marshal(map[string]any{"in_memory": stream.Input.Kafka})
	if err != nil {
		b.Fatal(err)
	}
	var in *input
	env := service.GlobalEnvironment().Clone()
	if err := env.RegisterBatchInput("in_memory", spec(), func(conf *service.ParsedConfig, res *service.Resources) (service.BatchInput, error) {
		in, err = newInput(conf, res)
		return over{}, err
	}); err != nil {
		b.Fatal(err)
	}
	builder := env.NewStreamBuilder()
	builder.SetLogger(slog.New(slog.DiscardHandler))
	if err := builder.AddInputYAML(string(conf)); err != nil {
		b.Fatal(err)
	}
	if err := builder.AddBatchConsumerFunc(func(context.Context, service.MessageBatch) error { return nil }); err != nil {
		b.Fatal(err)
	}
	built, err := builder.Build()
	if err == nil {
		err = built.Run(b.Context())
	}
	if err != nil {
		b.Fatal(err)
	}
	return in
}

// over is an input that has nothing to read.
type over struct{}

func (over) Connect(context.Context) error { return service.ErrEndOfInput }
func (over) Close(context.Context) error   { return nil }
func (over) ReadBatch(context.Context) (service.MessageBatch, service.AckFunc, error) {
	return nil, nil, service.ErrEndOfInput
}

// keepsNothing is a keeper of a task that nobody resumes.
type keepsNothing struct{}

func (keepsNothing) Commit(context.Context, int64, []byte) error { return nil }
func (keepsNothing) Write() error                                { return nil }
func (keepsNothing) Ended(context.Context) error                 { return nil }

// BenchmarkTask is what a task of the shipped funnel costs without Kafka and
// Postgres: merge, decode, dedup, join, two windows, and the making of messages.
func BenchmarkTask(b *testing.B) {
	const events = 200_000
	rows := shop(b, events)
	total := len(rows[0]) + len(rows[1]) + len(rows[2])
	b.ReportAllocs()
	b.ResetTimer()
	emitted := 0
	for range b.N {
		b.StopTimer()
		in := shippedFunnel(b)
		var sources []*task.Source
		for _, t := range in.cfg.topics {
			sources = append(sources, &task.Source{Topic: t})
		}
		if !slices.Equal(in.cfg.topics, benchTopics) {
			b.Fatal(in.cfg.topics)
		}
		out := make(chan host.Batch)
		feed := &memoryFeed{rows: rows}
		feed.run = host.NewRunner(host.TaskRun{Stream: "bench", Generation: 1}, in.cfg.opts, in.hub, feed, task.New(in.sample.chain, sources, in.cfg.opts.MaxOutOfOrderness), keepsNothing{}, out)
		figures := meter.NewRegistry().Stream("bench")
		here := figures.Begin(0)
		here.Run(1, nil, meter.Live{})
		feed.run.Meter(figures, here, nil)
		taken := make(chan struct{})
		go func() {
			defer close(taken)
			for batch := range out {
				for _, m := range batch.Messages {
					emitted += host.RowCount(m)
				}
				batch.Done(nil)
			}
		}()
		b.StartTimer()
		for i := range rows {
			feed.Drained(i, 0)
		}
		finished, err := feed.run.Run(b.Context(), nil, nil)
		b.StopTimer()
		close(out)
		<-taken
		if !finished || err != nil {
			b.Fatal(finished, err)
		}
		for _, l := range feed.run.Accounts() {
			if !l.Counts.Balanced() || l.Operator == "input" && l.Topic == benchTopics[0] && l.Counts[task.In] != int64(len(rows[0])) {
				b.Fatal(l)
			}
		}
		b.StartTimer()
	}
	n := float64(b.N * total)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/n, "ns/event")
	b.ReportMetric(float64(emitted)/n, "rows/event")
}
