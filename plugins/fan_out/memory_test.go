//go:build !race && linux

package fanout_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidemark-streams/tidemark/plugins/dedup"
	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
	"github.com/tidemark-streams/tidemark/plugins/join"
)

// What the memory test drives through three tasks of one process: a million orders
// that stay open, each with four children, so five million ids within the TTL.
const (
	memoryTasks  = 3
	memoryOrders = 1_000_000
	memoryCommit = 20_000 // events of a task between two commits
	memoryCache  = 64 << 20
	memoryLimit  = 512 << 20
)

// TestMemoryStaysBounded runs a process that fills the state and one that restores
// it, and looks at the most memory that each has had. The race detector takes memory
// of its own, so it does not run with that.
func TestMemoryStaysBounded(t *testing.T) {
	if dir := os.Getenv("TIDEMARK_MEMORY_DIR"); dir != "" {
		fillState(t, dir, os.Getenv("TIDEMARK_MEMORY_STEP") == "fill")
		return
	}
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	dir := t.TempDir()
	for _, step := range []string{"fill", "restore"} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestMemoryStaysBounded$", "-test.v")
		cmd.Env = append(os.Environ(), "TIDEMARK_MEMORY_DIR="+dir, "TIDEMARK_MEMORY_STEP="+step)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); err != nil {
			t.Fatalf("%s: %v\n%s", step, err, out.String())
		}
		_, rest, _ := strings.Cut(out.String(), "peak ")
		field, _, _ := strings.Cut(rest, " ")
		peak, err := strconv.Atoi(field)
		if err != nil {
			t.Fatalf("%s: %v\n%s", step, err, out.String())
		}
		t.Logf("%s: %d MB, %d bytes an id: peak %s", step, peak>>20, peak/(5*memoryOrders), strings.TrimSuffix(strings.SplitN(rest, "\n", 2)[0], "\n"))
		if peak >= memoryLimit {
			t.Errorf("%s: the process had %d MB of memory, want less than %d", step, peak>>20, memoryLimit>>20)
		}
	}
}

// fillState is what the processes do: in the first one all events come, in the second
// some of them once more.
func fillState(t *testing.T, dir string, fill bool) {
	debug.SetGCPercent(50) // as `tidemark consume` does with so much alive
	began := time.Now()    // for the reader of the log
	var tasks []*memoryTask
	cache := state.NewCache(memoryCache)
	for i := range memoryTasks {
		tasks = append(tasks, newMemoryTask(t, cache, filepath.Join(dir, strconv.Itoa(i))))
	}
	opened := time.Since(began)
	orders := memoryOrders
	if !fill {
		orders = 50_000
	}
	for n := range orders {
		tasks[n%memoryTasks].order(n, fill)
	}
	for _, k := range tasks {
		k.commit()
	}
	passed := map[string]int64{}
	for _, k := range tasks {
		for _, l := range k.chain.Accounts() {
			passed[l.Operator+" in"] += l.Counts[task.In]
			passed[l.Operator+" passed"] += l.Counts[task.Passed]
		}
		if err := k.local.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fmt.Printf("peak %d bytes in %v, of which restoring %v; heap %d MB, of the system %d MB, %d collections; %v\n",
		peakMemory(t), time.Since(began).Round(time.Millisecond), opened.Round(time.Millisecond), m.HeapAlloc>>20, m.Sys>>20, m.NumGC, passed)
	want := int64(5 * memoryOrders)
	if !fill {
		want = 0
	}
	if passed["dedup passed"] != want || passed["join passed"] != want {
		t.Errorf("passed %v, want %d", passed, want)
	}
}

// peakMemory is the most memory that the process has had at a time.
func peakMemory(t *testing.T) int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kb, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}

// memoryTask is a task that commits as a host does.
type memoryTask struct {
	t                       *testing.T
	cache                   *state.Cache
	local                   *state.Local
	chain                   *task.Chain
	orders, items, payments *event.Schema
	sink                    task.Sink
	offset                  int
}

func newMemoryTask(t *testing.T, cache *state.Cache, dir string) *memoryTask {
	local, err := cache.Open(vfs.Default, dir, "it")
	if err != nil {
		t.Fatal(err)
	}
	k := &memoryTask{
		t: t, cache: cache, local: local,
		orders:   event.NewSchema("olist.OrderCreated", "event_id", "event_time", "order_id", "customer_id", "customer_state", "order_status", "order_approved_at", "estimated_delivery_date"),
		items:    event.NewSchema("olist.OrderItemAdded", "event_id", "event_time", "order_id", "order_item_id", "product_id", "seller_id", "price", "freight_value"),
		payments: event.NewSchema("olist.PaymentReceived", "event_id", "event_time", "order_id", "payment_sequential", "payment_type", "payment_installments", "payment_value", "payment_status"),
	}
	k.chain, _, err = task.NewChain([]task.Stage{
		{Label: "dedup", Op: dedup.New(dedup.Config{Key: "event_id", TTL: 7 * event.Day}, local.Operator("dedup"))},
		{Label: "join", Op: join.New(join.Config{Key: "order_id", Anchor: "olist.orders", Before: event.Hour, Within: 7 * event.Day, Streams: []join.Stream{
			{Name: "items", Topic: "olist.order_items"}, {Name: "payments", Topic: "olist.payments"},
		}}, local.Operator("join"))},
	}, task.Shape{Schemas: []task.Known{
		{Topic: "olist.orders", Schema: k.orders}, {Topic: "olist.order_items", Schema: k.items}, {Topic: "olist.payments", Schema: k.payments},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := k.chain.Restore(); err != nil {
		t.Fatal(err)
	}
	return k
}

// order processes the events of an order: the order and two items, a payment of
// an order that came lately and one of any order before.
func (k *memoryTask) order(n int, fill bool) {
	at := event.Time(1_500_000_000_000).Add(event.Duration(n) * 6 * event.Day / memoryOrders)
	id := hexOf(n, 0)
	k.process(k.orders, "olist.orders", at, eventID(n, 0), id, event.StringOf(hexOf(n, 1)), event.StringOf("SP"), event.StringOf("delivered"), event.TimestampOf(at), event.TimestampOf(at))
	for i := range 2 {
		k.process(k.items, "olist.order_items", at, eventID(n, 1+i), id, event.IntOf(int64(i)), event.StringOf(hexOf(n%5000, 2)), event.StringOf(hexOf(n%500, 3)), event.DecimalOf(int64(n%99999), 2), event.DecimalOf(1500, 2))
	}
	for i := range 2 {
		of := max(n-999*memoryTasks, n%memoryTasks)
		if i == 1 && n%20 < memoryTasks {
			of = n%memoryTasks + n/2/memoryTasks*memoryTasks
		}
		k.process(k.payments, "olist.payments", at, eventID(n, 3+i), hexOf(of, 0), event.IntOf(int64(i)), event.StringOf("credit_card"), event.IntOf(3), event.DecimalOf(int64(n%99999), 2), event.StringOf("approved"))
	}
}

func (k *memoryTask) process(s *event.Schema, topic string, at event.Time, id, order string, rest ...event.Value) {
	mark := at.Add(-event.Minute)
	k.chain.Process([]event.Row{{
		Time: at, Watermark: mark, Schema: s, Source: &event.Source{Topic: topic, Offset: int64(k.offset)},
		Values: append([]event.Value{event.StringOf(id), event.TimestampOf(at), event.StringOf(order)}, rest...),
	}}, &k.sink)
	k.offset++
	k.sink.Reset()
	k.chain.Release()
	if k.offset%memoryCommit == 0 {
		k.commit()
	}
}

func (k *memoryTask) commit() {
	for k.chain.Flush(event.MinTime, &k.sink) {
	}
	for range k.local.Changes() {
	}
	if err := k.local.Apply([]byte("marker")); err != nil {
		k.t.Fatal(err)
	}
	k.local.Shrink(k.cache.Share())
	if err := k.local.Err(); err != nil {
		k.t.Fatal(err)
	}
}

// hexOf is a text of 32 hexadecimal digits, another for each n and kind below 8.
func hexOf(n, kind int) string {
	h := uint64(n*8+kind) * 0x9E3779B97F4A7C15
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], h)
	binary.BigEndian.PutUint64(b[8:], h*0xD6E8FEB86659FD93)
	return hex.EncodeToString(b[:])
}

// eventID is a UUID, another for each n and i below 10.
func eventID(n, i int) string {
	h := hexOf(n, 7)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:31] + strconv.Itoa(i)
}
