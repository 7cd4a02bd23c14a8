package e2e

import (
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gofrs/uuid/v5"
	"github.com/linkedin/goavro/v2"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemark-streams/tidemark/tests/golden"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

// newProducer sets up a broker with the topics of the producer, and no more.
func newProducer(t testing.TB) *pipeline {
	t.Helper()
	p := &pipeline{TB: t, kafka: kit.Kafka(t), stateDir: t.TempDir()}
	p.env = []string{"KAFKA_BROKERS=" + p.kafka.Addr(), "TIDEMARK_STATE_DIR=" + p.stateDir}
	p.freshTopics()
	return p
}

// freshTopics makes the topics anew, empty and with other ids.
func (p *pipeline) freshTopics() {
	p.Helper()
	p.kafka.Reset(p, 0)
	p.run("topics", "create", "--partitions", "3")
}

var produced = []string{orders, items, payments, letters}

// records is how many records the topics hold.
func (p *pipeline) records() (n int) {
	p.Helper()
	ends, err := kadm.NewClient(p.kafka.Client(p)).ListEndOffsets(p.Context(), produced...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		p.Fatal(err)
	}
	ends.Each(func(o kadm.ListedOffset) { n += int(o.Offset) })
	return n
}

// kept is the number of records in the position file, 0 where there is none.
func (p *pipeline) kept() int {
	p.Helper()
	text, err := os.ReadFile(filepath.Join(p.stateDir, "produce.json"))
	if os.IsNotExist(err) {
		return 0
	}
	var position struct{ Done int }
	if err == nil {
		err = json.Unmarshal(text, &position)
	}
	if err != nil {
		p.Fatal(err)
	}
	return position.Done
}

// dirty is a dataset with rows that break the rules, and what is said of them.
func dirty(t testing.TB) (dir string, rejected []string) {
	t.Helper()
	dir = withBrokenRows(t, dataset(t), map[string]string{
		golden.OrdersFile:   "b1,c,created,soon,,,,\nb2,,created,2017-07-09 21:57:05,,,,\nb3,c\n",
		golden.ItemsFile:    "b1,1,p,s,,1,1\nnone,1,p,s,,1,1\n",
		golden.PaymentsFile: "b1,1,boleto,1,5\nb2,1,boleto,1,5\nb3,1,boleto,1,5\n",
	})
	return dir, []string{
		"olist_order_items_dataset.csv: unknown order: 2", "olist_order_payments_dataset.csv: unknown order: 3",
		"olist_orders_dataset.csv: missing value: 1", "olist_orders_dataset.csv: unparsable time: 1", "olist_orders_dataset.csv: unreadable row: 1",
	}
}

// eventNamespace is the one that docs/events.md names.
var eventNamespace = uuid.Must(uuid.FromString("d6ce70d5-c477-5493-a4f9-fccef14f3db9"))

// line is all that the oracle knows of an event, its id first.
func line(e golden.Event) string {
	s := fmt.Sprintf("%v %v %d %s %d", uuid.NewV5(eventNamespace, fmt.Sprintf("%v/%s/%d", e.Kind, e.OrderID, e.N)), e.Kind, e.Time.UnixMilli(), e.OrderID, e.N)
	switch e.Kind {
	case golden.Order:
		return s + fmt.Sprintf(" %s %s", e.Customer, e.Status)
	case golden.Item:
		return s + fmt.Sprintf(" %d %d", e.Price, e.Freight)
	case golden.Payment:
		return s + fmt.Sprintf(" %s %d %d %v", e.Type, e.Installments, e.Value, e.Approved)
	}
	return s
}

// lineOf is the same of a record.
func lineOf(t testing.TB, codecs map[string]*goavro.Codec, r *kgo.Record) string {
	t.Helper()
	if len(r.Value) < 10 {
		t.Fatalf("%s has %x", r.Topic, r.Value)
	}
	native, rest, err := codecs[r.Topic].NativeFromBinary(r.Value[10:]) // behind the schema's fingerprint
	if err != nil || len(rest) > 0 {
		t.Fatal(r.Topic, err, rest)
	}
	f := native.(map[string]any)
	if at := f["event_time"].(time.Time); !at.Equal(r.Timestamp) || string(r.Key) != f["order_id"] {
		t.Fatalf("%v has the timestamp %v and the key %q", f, r.Timestamp, r.Key)
	}
	cents := func(name string) string {
		return new(big.Rat).Mul(f[name].(*big.Rat), big.NewRat(100, 1)).RatString()
	}
	s := fmt.Sprintf("%v %s %d %s", f["event_id"], r.Topic, r.Timestamp.UnixMilli(), r.Key)
	switch r.Topic {
	case orders:
		return s + fmt.Sprintf(" 0 %v %v", f["customer_id"], f["order_status"])
	case items:
		return s + fmt.Sprintf(" %v %s %s", f["order_item_id"], cents("price"), cents("freight_value"))
	}
	return s + fmt.Sprintf(" %v %v %v %s %v", f["payment_sequential"], f["payment_type"], f["payment_installments"], cents("payment_value"), f["payment_status"] == "approved")
}

// contents are how often the topics have each event and each rejected row. Of each
// partition the events must be in order of event time, copies aside, unless disturbed.
func (p *pipeline) contents(disturbed bool) map[string]int {
	p.Helper()
	codecs := map[string]*goavro.Codec{}
	for topic, file := range map[string]string{orders: "order.avsc", items: "order_item.avsc", payments: "payment.avsc"} {
		schema, err := os.ReadFile(filepath.Join(kit.Root(p), "configs", "avro", file))
		if err != nil {
			p.Fatal(err)
		}
		if codecs[topic], err = goavro.NewCodec(string(schema)); err != nil {
			p.Fatal(err)
		}
	}
	found, newest := map[string]int{}, map[string]time.Time{}
	for _, r := range p.kafka.Records(p, produced...) {
		if r.Topic == letters {
			var row struct {
				File string
				Line int
			}
			if err := json.Unmarshal(r.Value, &row); err != nil {
				p.Fatal(err)
			}
			found[fmt.Sprintf("%s:%d", row.File, row.Line)]++
			continue
		}
		event := lineOf(p, codecs, r)
		found[event]++
		if found[event] > 1 || disturbed {
			continue
		}
		partition := fmt.Sprint(r.Topic, r.Partition)
		if r.Timestamp.Before(newest[partition]) {
			p.Errorf("%s comes after an event of %v", event, newest[partition])
		}
		newest[partition] = r.Timestamp
	}
	return found
}

// expectContents holds the topics against the oracle's events and rejects, each at least once.
func (p *pipeline) expectContents(found map[string]int, events []golden.Event, rejects []golden.Reject) {
	p.Helper()
	var diff []string
	want := map[string]bool{}
	for _, e := range events {
		want[line(e)] = true
	}
	for _, r := range rejects {
		want[fmt.Sprintf("%s:%d", r.File, r.Line)] = true
	}
	for w := range want {
		if found[w] == 0 {
			diff = append(diff, "missing: "+w)
		}
	}
	for f := range found {
		if !want[f] {
			diff = append(diff, "not in the files: "+f)
		}
	}
	p.same(diff)
}

// expectSummary holds the closing account of the last run against the oracle.
func (p *pipeline) expectSummary(text string, events []golden.Event, rejects []golden.Reject, rejected []string) {
	p.Helper()
	count := map[string]int{letters: len(rejects)}
	for _, e := range events {
		count[e.Kind.String()]++
	}
	for _, topic := range produced {
		m := regexp.MustCompile(`(?m)^  ` + regexp.QuoteMeta(topic) + ` +[\d,]+ +([\d,]+) in all$`).FindStringSubmatch(text)
		if m == nil || integer(p, m[1]) != count[topic] {
			p.Errorf("%s has %d records, said is %v", topic, count[topic], m)
		}
	}
	want := fmt.Sprintf("rejected %d rows\n  %s\n", len(rejects), strings.Join(rejected, "\n  "))
	if !strings.HasSuffix(text, want) {
		p.Errorf("%q is not the end of\n%s", want, text)
	}
	if want := fmt.Sprintf("selected events from %s to %s\n", stamp(events[0]), stamp(events[len(events)-1])); !strings.Contains(text, want) {
		p.Errorf("%q is not in\n%s", want, text)
	}
}

func stamp(e golden.Event) string { return e.Time.UTC().Format(time.RFC3339Nano) }

func integer(t testing.TB, s string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.ReplaceAll(s, ",", ""))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A replay is stopped several times at random moments, politely or by force, and goes on.
// Its topics then hold the oracle's events: once where it was always stopped politely; after
// a kill only those twice that were sent since the position was last written.
func TestProducerGoesOn(t *testing.T) {
	const limit, stops = 700, 5
	dir, rejected := dirty(t)
	events, rejects := read(t, dir, limit)
	for name, signals := range map[string][]os.Signal{
		"stopped": {syscall.SIGTERM, syscall.SIGINT},
		"killed":  {syscall.SIGKILL, syscall.SIGTERM, syscall.SIGKILL},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProducer(t)
			random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
			args := produceArgs(dir, "--limit", fmt.Sprint(limit), "--speed", "100000", "--max-gap", "10ms", "--resume")
			again := 0 // records sent a second time
			for i := range stops {
				signal := signals[i%len(signals)]
				before := p.kept()
				run := p.start(args...)
				kit.Eventually(t, patience, func() (bool, string) { return p.kept() > before || !run.Running(), "it sends nothing" })
				time.Sleep(time.Duration(random.Int64N(int64(1500 * time.Millisecond))))
				run.Signal(t, signal)
				result := run.Wait(t, patience)
				time.Sleep(300 * time.Millisecond) // what it has handed to Kafka arrives
				repeats := p.records() - again - p.kept()
				if repeats < 0 {
					t.Fatalf("the position is %d, and only %d of %d records are no repeats", p.kept(), p.records()-again, p.records())
				}
				if signal != syscall.SIGKILL {
					if repeats != 0 || result.Code != 0 {
						t.Errorf("exit code %d, %d records after the position", result.Code, repeats)
					}
					if p.kept() < len(events)+len(rejects) && !strings.Contains(result.Stdout, "--resume goes on there") {
						t.Errorf("no hint in\n%s", result.Stdout)
					}
				}
				t.Logf("%v at %d of %d, %d to come again", signal, p.kept(), len(events)+len(rejects), repeats)
				again += repeats
			}
			last := p.run(args...)
			if got, want := p.records(), len(events)+len(rejects)+again; got != want {
				t.Errorf("%d records, want %d with %d that were sent again", got, want, again)
			}
			p.expectContents(p.contents(false), events, rejects)
			p.expectSummary(last.Stdout, events, rejects, rejected)

			// All is sent: nothing comes again.
			n := p.records()
			p.run(args...)
			if got := p.records(); got != n {
				t.Errorf("%d records were sent once more", got-n)
			}
			// Another selection is refused in one line.
			r := kit.Run(t, p.command(append(args, "--limit", "5")...), patience)
			if r.Code != 1 || strings.Count(strings.TrimSpace(r.Stderr), "\n") > 0 || !strings.Contains(r.Stderr, "is of another replay (limit was 700 and is 5)") {
				t.Errorf("exit code %d, %s", r.Code, r.Stderr)
			}
			// Topics that were made anew get everything.
			p.freshTopics()
			p.run(append(args, "--speed", "max")...)
			p.expectContents(p.contents(false), events, rejects)
			if got, want := p.records(), len(events)+len(rejects); got != want {
				t.Errorf("%d records in new topics, want %d", got, want)
			}
		})
	}
}

// What is injected is in the topics and in the account, over a stop too.
func TestProducerInjects(t *testing.T) {
	const limit = 700
	dir := dataset(t)
	events, rejects := read(t, dir, limit)
	p := newProducer(t)
	args := produceArgs(dir, "--limit", fmt.Sprint(limit), "--speed", "100000", "--max-gap", "5ms", "--resume",
		"--duplicates", "0.1", "--disorder", "30m", "--late", "0.01")
	run := p.start(args...)
	kit.Eventually(t, patience, func() (bool, string) { return p.kept() > 100 || !run.Running(), "it sends nothing" })
	p.interrupt(run)
	last := p.run(args...)
	found := p.contents(true)
	p.expectContents(found, events, rejects)
	copies := 0
	for event, n := range found {
		if n > 2 {
			t.Errorf("%d times: %s", n, event)
		}
		copies += n - 1
	}
	m := regexp.MustCompile(`; in all (\d+) duplicates, (\d+) out of order, (\d+) late\n`).FindStringSubmatch(last.Stdout)
	if m == nil || integer(t, m[1]) != copies || copies == 0 || integer(t, m[2]) == 0 || integer(t, m[3]) == 0 {
		t.Errorf("%d duplicates are in the topics, said is %v", copies, m)
	}
}

// A replay that is stopped while Kafka is away keeps its position, and goes on when both are back.
func TestProducerStoppedInAnOutage(t *testing.T) {
	const limit = 500
	dir := dataset(t)
	events, rejects := read(t, dir, limit)
	p := newProducer(t)
	args := produceArgs(dir, "--limit", fmt.Sprint(limit), "--speed", "100000", "--max-gap", "10ms", "--resume")
	run := p.start(args...)
	kit.Eventually(t, patience, func() (bool, string) { return p.kept() > 0 || !run.Running(), "it sends nothing" })
	p.kafka.Stop(t)
	run.Signal(t, syscall.SIGTERM)
	if r := run.Wait(t, patience); !strings.Contains(r.Stdout, "--resume goes on there") {
		t.Errorf("no hint in\n%s", r.Output())
	}
	kept := p.kept()
	p.kafka.Start(t)
	before := p.records()
	if last := p.run(args...); before < kept || !strings.Contains(last.Stdout, "with the runs before") {
		t.Errorf("%d records, position %d\n%s", before, kept, last.Stdout)
	}
	p.expectContents(p.contents(false), events, rejects)
	if again := p.records() - len(events) - len(rejects); again != before-kept {
		t.Errorf("%d records were sent again, of %d after the position", again, before-kept)
	}
}

// Where no terminal is, a line now and then tells how far a replay has come.
func TestProducerTellsItsProgress(t *testing.T) {
	p := newProducer(t)
	run := p.start(produceArgs(dataset(t), "--limit", "100", "--speed", "100000", "--max-gap", "300ms")...)
	progress := regexp.MustCompile(`(?m)^([\d,]+) of ([\d,]+) sent, at (\S+), ([\d.,]+)/s, (\S+) left(, \S+ behind)?$`)
	kit.Eventually(t, patience, func() (bool, string) {
		return progress.MatchString(run.Output()) || !run.Running(), run.Output()
	})
	m := progress.FindStringSubmatch(p.interrupt(run).Stderr)
	if m == nil {
		t.Fatal("no progress in ", run.Output())
	}
	at, err := time.Parse(time.RFC3339, m[3])
	left, lerr := time.ParseDuration(m[5])
	events, _ := read(t, dataset(t), 100)
	if err != nil || lerr != nil || left <= 0 || integer(t, m[1]) == 0 || integer(t, m[2]) != len(events) ||
		at.Before(events[0].Time) || at.After(events[len(events)-1].Time) {
		t.Error(m, err, lerr)
	}
}

// maxProducerRSS is what docs/events.md says of the full dataset, which has
// 99,441 orders.
const maxProducerRSS = 150 << 20

func TestProducerMemory(t *testing.T) {
	if os.Getenv("TIDEMARK_TEST_RACE") != "" {
		t.Skip("the race detector needs memory of its own")
	}
	p := newProducer(t)
	dir := filepath.Join(t.TempDir(), "dataset")
	p.run("generate", "--orders", "100000", "--out", dir)
	r := p.produce(dir)
	t.Logf("%d MiB resident at most\n%s", r.PeakRSS>>20, r.Stdout)
	if r.PeakRSS > maxProducerRSS {
		t.Errorf("100,000 orders take %d MiB, at most %d are promised", r.PeakRSS>>20, maxProducerRSS>>20)
	}
}
