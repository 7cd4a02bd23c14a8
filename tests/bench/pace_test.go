package bench

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "github.com/redpanda-data/benthos/v4/public/components/pure"
	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kgo"

	_ "github.com/tidemark-streams/tidemark/plugins/olist_csv"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

const (
	paceFor    = time.Minute // on the wall, for each speed
	paceEvents = 3000
	paceTopic  = "olist.orders"
)

// BenchmarkPace replays events for a minute at several speeds, twice at a time: in this
// process, to measure when each event is handed to the output, and by the binary to a real
// Kafka, to measure when it is there for a consumer. Both are held against the moments that
// the event times say; the quickest event counts as in time.
func BenchmarkPace(b *testing.B) {
	for _, speed := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("%dx", speed), func(b *testing.B) {
			for range b.N {
				measurePace(b, speed)
			}
		})
	}
}

func measurePace(b *testing.B, speed int) {
	kafka := kit.Kafka(b)
	kafka.Reset(b, 0)
	env := []string{"KAFKA_BROKERS=" + kafka.Addr(), "TIDEMARK_STATE_DIR=" + b.TempDir()}
	kit.MustRun(b, kit.Command{Args: []string{"topics", "create", "--partitions", "1"}, Env: env}, time.Minute)
	client := kafka.Client(b, kgo.ConsumeTopics(paceTopic), kgo.FetchMaxWait(time.Second))
	dir := paceDataset(b, speed)
	run := kit.Start(b, kit.Command{Args: []string{"produce", "--dataset-dir", dir, "--speed", fmt.Sprint(speed)}, Env: env})

	sent, arrived := &arrivals{speed: speed}, &arrivals{speed: speed}
	ended := make(chan error, 1)
	go func() { ended <- sent.replay(b.Context(), dir) }()
	ctx, cancel := context.WithTimeout(b.Context(), paceFor+time.Minute)
	defer cancel()
	for len(arrived.late) < paceEvents {
		fetches := client.PollFetches(ctx)
		now := time.Now()
		if err := fetches.Err(); err != nil {
			b.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) { arrived.note(now, r.Timestamp) })
	}
	if err := <-ended; err != nil || len(sent.late) != paceEvents {
		b.Fatal(len(sent.late), err)
	}
	if r := run.Wait(b, time.Minute); r.Code != 0 {
		b.Fatal(r.Output())
	}
	b.ReportMetric(0, "ns/op")
	sent.report(b, "sent")
	arrived.report(b, "arrived")
}

// arrivals are by how much events were late, less a constant.
type arrivals struct {
	speed        int
	begun, first time.Time // of the clock and of event time
	late         []time.Duration
}

func (a *arrivals) note(now, at time.Time) {
	if a.begun.IsZero() {
		a.begun, a.first = now, at
	}
	a.late = append(a.late, now.Sub(a.begun)-at.Sub(a.first)/time.Duration(a.speed))
}

// report tells the error of all events, and whether it has grown.
func (a *arrivals) report(b *testing.B, what string) {
	quickest := slices.Min(a.late)
	for i := range a.late {
		a.late[i] -= quickest
	}
	tenth := len(a.late) / 10
	drift, average := mean(a.late[len(a.late)-tenth:])-mean(a.late[:tenth]), mean(a.late)
	slices.Sort(a.late)
	worst, p50, p99 := a.late[len(a.late)-1], a.late[len(a.late)/2], a.late[len(a.late)*99/100]
	b.Logf("%4dx: %d events in %v, %s: late by %.2f ms on average, p50 %.2f ms, p99 %.2f ms, at most %.2f ms; the last tenth later than the first by %.2f ms",
		a.speed, len(a.late), paceFor, what, milliseconds(average), milliseconds(p50), milliseconds(p99), milliseconds(worst), milliseconds(drift))
	for name, d := range map[string]time.Duration{"mean": average, "p50": p50, "p99": p99, "max": worst, "drift": drift} {
		b.ReportMetric(milliseconds(d), what+"-"+name+"-ms")
	}
}

// replay runs the input in this process, with an output that only notes the time.
func (a *arrivals) replay(ctx context.Context, dir string) error {
	env := service.GlobalEnvironment().Clone()
	err := env.RegisterBatchOutput("note", service.NewConfigSpec(), func(*service.ParsedConfig, *service.Resources) (service.BatchOutput, service.BatchPolicy, int, error) {
		return a, service.BatchPolicy{}, 1, nil
	})
	if err != nil {
		return err
	}
	builder := env.NewStreamBuilder()
	builder.SetLogger(slog.New(slog.DiscardHandler))
	if err := builder.SetYAML(fmt.Sprintf("input: { olist_csv: { dataset_dir: %q, speed: \"%d\" } }\noutput: { note: {} }", dir, a.speed)); err != nil {
		return err
	}
	stream, err := builder.Build()
	if err != nil {
		return err
	}
	return stream.Run(ctx)
}

// Connect, Close and WriteBatch implement service.BatchOutput.
func (a *arrivals) Connect(context.Context) error { return nil }

// Close does nothing.
func (a *arrivals) Close(context.Context) error { return nil }

// WriteBatch notes when it was called.
func (a *arrivals) WriteBatch(_ context.Context, batch service.MessageBatch) error {
	now := time.Now()
	for _, m := range batch {
		text, _ := m.MetaGet("kafka_timestamp_ms")
		at, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return err
		}
		a.note(now, time.UnixMilli(at))
	}
	return nil
}

func mean(all []time.Duration) (sum time.Duration) {
	for _, d := range all {
		sum += d
	}
	return sum / time.Duration(len(all))
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// paceDataset has orders at random moments that take paceFor at the given speed.
func paceDataset(b *testing.B, speed int) string {
	random := rand.New(rand.NewPCG(uint64(speed), 1))
	moments := make([]time.Duration, paceEvents)
	for i := range moments {
		moments[i] = time.Duration(random.Int64N(int64(paceFor) * int64(speed)))
	}
	var rows strings.Builder
	rows.WriteString("order_id,customer_id,order_status,order_purchase_timestamp,order_approved_at,order_delivered_carrier_date,order_delivered_customer_date,order_estimated_delivery_date\n")
	for i, moment := range moments {
		at := time.Date(2017, 7, 9, 0, 0, 0, 0, time.UTC).Add(moment)
		fmt.Fprintf(&rows, "%032x,%032x,created,%s,,,,\n", i, i, at.Format("2006-01-02 15:04:05.000"))
	}
	dir := b.TempDir()
	for name, text := range map[string]string{
		"olist_orders_dataset.csv":         rows.String(),
		"olist_order_items_dataset.csv":    "order_id,order_item_id,product_id,seller_id,shipping_limit_date,price,freight_value\n",
		"olist_order_payments_dataset.csv": "order_id,payment_sequential,payment_type,payment_installments,payment_value\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	return dir
}
