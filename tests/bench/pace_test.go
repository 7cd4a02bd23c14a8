package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

const (
	paceFor    = time.Minute // on the wall, for each speed
	paceEvents = 3000
	paceTopic  = "olist.orders"
)

// BenchmarkPace replays events for a minute at several speeds and measures when each of
// them is there for a consumer, against when its event time says that it is due. Nobody
// knows the moment of the producer's own schedule, so the quickest event counts as in time.
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
	run := kit.Start(b, kit.Command{Args: []string{"produce", "--dataset-dir", paceDataset(b, speed), "--speed", fmt.Sprint(speed)}, Env: env})

	ctx, cancel := context.WithTimeout(b.Context(), paceFor+time.Minute)
	defer cancel()
	begun, first := time.Now(), time.Time{}
	late := make([]time.Duration, 0, paceEvents) // less a constant
	for len(late) < paceEvents {
		fetches := client.PollFetches(ctx)
		now := time.Now()
		if err := fetches.Err(); err != nil {
			b.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if first.IsZero() {
				first = r.Timestamp
			}
			late = append(late, now.Sub(begun)-r.Timestamp.Sub(first)/time.Duration(speed))
		})
	}
	if r := run.Wait(b, time.Minute); r.Code != 0 {
		b.Fatal(r.Output())
	}
	quickest := slices.Min(late)
	for i := range late {
		late[i] -= quickest
	}
	tenth := len(late) / 10
	drift := mean(late[len(late)-tenth:]) - mean(late[:tenth])
	average := mean(late)
	slices.Sort(late)
	worst, p99 := late[len(late)-1], late[len(late)*99/100]
	b.Logf("%4dx: %d events in %v: late by %.2f ms on average, p99 %.2f ms, at most %.2f ms; the last tenth later than the first by %.2f ms",
		speed, len(late), paceFor, milliseconds(average), milliseconds(p99), milliseconds(worst), milliseconds(drift))
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(milliseconds(average), "mean-ms")
	b.ReportMetric(milliseconds(p99), "p99-ms")
	b.ReportMetric(milliseconds(worst), "max-ms")
	b.ReportMetric(milliseconds(drift), "drift-ms")
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
