package e2e

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"

	"github.com/tidemark-streams/tidemark/tests/golden"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

// withRegistry is a pipeline whose commands know a schema registry.
func withRegistry(t testing.TB) (*pipeline, *kit.Registry) {
	t.Helper()
	p, r := newPipeline(t, 3), kit.NewRegistry(t)
	p.env = append(p.env, "SCHEMA_REGISTRY_URL="+r.URL())
	return p, r
}

// workspace is a copy of the shipped streams and configs in which files are changed.
func workspace(t testing.TB, edits map[string]func(text string) string) string {
	t.Helper()
	dir := t.TempDir()
	for _, folder := range []string{"streams", "configs"} {
		if err := os.CopyFS(filepath.Join(dir, folder), os.DirFS(filepath.Join(kit.Root(t), folder))); err != nil {
			t.Fatal(err)
		}
	}
	for name, edit := range edits {
		file := filepath.Join(dir, name)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		edited := edit(string(text))
		if edited == string(text) {
			t.Fatalf("%s is as it was", name)
		}
		if err := os.WriteFile(file, []byte(edited), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// startIn starts a command in a workspace.
func (p *pipeline) startIn(dir string, args ...string) *kit.Process {
	p.Helper()
	c := p.command(args...)
	c.Dir = dir
	return kit.Start(p, c)
}

// orderSchema is the file of the orders' schema.
const orderSchema = "configs/avro/order.avsc"

// withField adds a field to the schema of a record.
func withField(t testing.TB, field map[string]any) func(string) string {
	return func(text string) string {
		var s map[string]any
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			t.Fatal(err)
		}
		s["fields"] = slices.Insert(s["fields"].([]any), 1, any(field)) // amid the others
		out, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
}

// filled lets the producer fill the field channel of orders.
func filled(text string) string {
	const encode = "            - label: encode\n"
	return strings.Replace(text, encode, `            - mapping: |
                root = this
                root.channel = if @kafka_topic == "olist.orders" { "shop" } else { deleted() }
`+encode, 1)
}

// channel is a field that the shipped schema does not have.
func channel(more map[string]any) map[string]any {
	field := map[string]any{"name": "channel", "type": "string"}
	for k, v := range more {
		field[k] = v
	}
	return field
}

// span are the events of the first orders from a time on, and the next moment behind them.
func span(t testing.TB, dir string, from time.Time, limit int) (events []golden.Event, end time.Time) {
	t.Helper()
	events, _, err := golden.Read(dir, golden.Selection{StartFrom: from, Limit: limit})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if e.Time.After(end) {
			end = e.Time
		}
	}
	return events, end.Add(time.Second)
}

// ids counts the records of a topic by the id of their schema, 0 for another framing.
func (p *pipeline) ids(topic string) map[uint32]int {
	p.Helper()
	client := p.kafka.Client(p, kgo.ConsumeTopics(topic))
	ends, err := kadm.NewClient(client).ListEndOffsets(p.Context(), topic)
	if err != nil {
		p.Fatal(err)
	}
	left := int64(0)
	ends.Each(func(o kadm.ListedOffset) { left += o.Offset })
	counts := map[uint32]int{}
	for left > 0 {
		fetched := client.PollFetches(p.Context())
		if err := fetched.Err(); err != nil {
			p.Fatal(err)
		}
		fetched.EachRecord(func(r *kgo.Record) {
			left--
			if len(r.Value) > 5 && r.Value[0] == 0 {
				counts[binary.BigEndian.Uint32(r.Value[1:])]++
			} else {
				counts[0]++
			}
		})
	}
	return counts
}

// written is how many records the topics of events and that of rejects have.
func (p *pipeline) written() (n int64) {
	p.Helper()
	ends, err := kadm.NewClient(p.kafka.Client(p)).ListEndOffsets(p.Context(), orders, items, payments, letters)
	if err != nil {
		p.Fatal(err)
	}
	ends.Each(func(o kadm.ListedOffset) { n += o.Offset })
	return n
}

// A field with a default is added while the consumer runs. The consumer with the old
// schema passes over it; one with the new schema reads the old records with the default,
// which a rule of its stream demands.
func TestFieldAddedWhileTheConsumerRuns(t *testing.T) {
	const some = 700
	dir := dataset(t)
	p, r := withRegistry(t)
	before, end := span(t, dir, time.Time{}, some)
	after, _ := span(t, dir, end, some)
	want := golden.Compute(append(slices.Clone(before), after...), golden.Defaults())
	newer := workspace(t, map[string]func(string) string{
		orderSchema:                   withField(t, channel(map[string]any{"default": "web"})),
		"streams/producer/olist.yaml": filled,
		"streams/analytics/funnel.yaml": func(text string) string {
			return strings.Replace(text, `'this.order_id != ""'`, `'this.order_id != ""', 'this.channel == "web" || this.channel == "shop"'`, 1)
		},
	})

	consumer := p.start("consume")
	p.produce(dir, "--limit", fmt.Sprint(some))
	p.await(1, counted)
	p.succeeds(p.startIn(newer, produceArgs(dir, "--limit", fmt.Sprint(some), "--start-from", end.Format(time.DateTime))...))
	p.expectLive(want)
	p.interrupt(consumer)

	if got := p.ids(orders); len(got) != 2 || got[0] != 0 {
		t.Errorf("records of the orders by schema: %v, want two schemas", got)
	}
	if got := p.ids(items); len(got) != 1 || got[0] != 0 {
		t.Errorf("records of the items by schema: %v, want one", got)
	}
	for subject, versions := range map[string]int{orders + "-value": 2, items + "-value": 1, payments + "-value": 1} {
		if _, ok := r.GetSchema(subject, versions); !ok {
			t.Errorf("%s has no version %d", subject, versions)
		}
		if _, ok := r.GetSchema(subject, versions+1); ok {
			t.Errorf("%s has more than %d versions", subject, versions)
		}
	}

	p.run("state", "reset", "--yes")
	p.succeeds(p.startIn(newer, "consume", "--stop-at-end"))
	p.expect(want)
	var invalid int
	if err := p.pg.DB.QueryRowContext(t.Context(), "select count(*) from dead_letter_events where reason = 'invalid' and topic <> $1", letters).Scan(&invalid); err != nil || invalid != 0 {
		t.Errorf("%d records are invalid, %v", invalid, err)
	}
	if n := len(r.Calls()); n > 100 {
		t.Errorf("the registry was asked %d times", n)
	}
}

// A schema that the registry does not allow ends the producer before it has written
// anything, of any topic.
func TestIncompatibleSchemaIsRefused(t *testing.T) {
	dir := dataset(t)
	p, r := withRegistry(t)
	text, err := os.ReadFile(filepath.Join(kit.Root(t), orderSchema))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Client(t).RegisterSchema(t.Context(), orders+"-value", sr.Schema{Schema: string(text)}, -1, -1); err != nil {
		t.Fatal(err)
	}
	// The producer could encode its records: it fills the new field. But who reads old ones could not.
	newer := workspace(t, map[string]func(string) string{
		orderSchema: withField(t, channel(nil)), "streams/producer/olist.yaml": filled,
	})
	producer := p.startIn(newer, produceArgs(dir, "--limit", "50")...)
	res := producer.Wait(t, patience)
	if res.Code != 1 {
		t.Errorf("exit code %d", res.Code)
	}
	lines := strings.Split(strings.TrimSpace(res.Stderr), "\n")
	last := lines[len(lines)-1]
	for _, part := range []string{"topic " + orders, "subject " + orders + "-value", "is not compatible", "channel"} {
		if !strings.Contains(last, part) {
			t.Errorf("the last line says nothing of %q: %s", part, last)
		}
	}
	if n := p.written(); n != 0 {
		t.Errorf("%d records are written", n)
	}
	if _, ok := r.GetSchema(orders+"-value", 2); ok || r.SubjectExists(items+"-value") {
		t.Error("a schema was registered")
	}
	p.produce(dir, "--limit", "50") // by the shipped schemas it goes
	p.consume()
	p.expect(wanted(t, dir, 50))
}

// While the registry is away, at the start and later, everything waits that needs it, and
// nothing is lost.
func TestRegistryAway(t *testing.T) {
	const some = 400
	dir := dataset(t)
	p, r := withRegistry(t)
	r.Stop(t)
	producer := p.start(produceArgs(dir, "--limit", fmt.Sprint(some), "--speed", "100000", "--max-gap", "3ms")...)
	<-time.After(4 * time.Second)
	if n := p.written(); n != 0 || !producer.Running() {
		t.Fatalf("without a registry %d records are written", n)
	}
	r.Start(t)
	kit.Eventually(t, patience, func() (bool, string) { return p.written() > 0, "nothing is written" })

	r.Stop(t) // who has asked needs it no more
	consumer := p.start("consume")
	p.succeeds(producer)
	<-time.After(6 * time.Second) // who has not waits
	if !consumer.Running() {
		t.Fatal("the consumer gave up")
	}
	var rows int
	if err := p.pg.DB.QueryRowContext(t.Context(), "select count(*) + (select count(*) from dead_letter_events) from real_time_funnel").Scan(&rows); err != nil || rows != 0 {
		t.Errorf("without a registry there are %d rows, %v", rows, err)
	}
	p.interrupt(consumer) // it can be stopped while it waits
	if out := consumer.Output(); !mentions(out, "The schema registry gives no answer", "registry=", r.URL()) {
		t.Error("the consumer does not say what it waits for")
	}
	consumer = p.start("consume")
	<-time.After(2 * time.Second)
	r.Start(t)
	want := wanted(t, dir, some)
	p.expectLive(want)
	p.interrupt(consumer)
	p.consume()
	p.expect(want)
}

// A record with an id that the registry does not know is invalid, and says why. So is one
// whose schema is another kind of record. Those around it count.
func TestUnknownSchema(t *testing.T) {
	dir := dataset(t)
	p, r := withRegistry(t)
	p.produce(dir, "--limit", "100")
	id, err := r.Client(t).RegisterSchema(t.Context(), "other-value", sr.Schema{Schema: `{"type":"record","name":"Other","fields":[]}`}, -1, -1)
	if err != nil {
		t.Fatal(err)
	}
	events, _ := read(t, dir, 100)
	at := events[len(events)-1].Time
	client := p.kafka.Client(p)
	for _, id := range []int{999, id} {
		value := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(id)), "rest"...)
		if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: payments, Key: []byte("k"), Value: value, Timestamp: at}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	p.consume()
	p.expect(wanted(t, dir, 100))
	for _, detail := range []string{
		"decode: schema id 999: the schema registry does not know it",
		fmt.Sprintf("decode: schema id %d: its schema cannot be read as olist.PaymentReceived: record Other cannot be read as record olist.PaymentReceived", id),
	} {
		p.await(2, "select count(*) from dead_letter_events where topic = $1 and reason = 'invalid' and detail = $2", payments, detail)
	}
}

// What the fake of the other tests takes and refuses, a real registry does.
func TestRealRegistry(t *testing.T) {
	const some = 200
	dir := dataset(t)
	p := newPipeline(t, 3)
	p.env = append(p.env, "SCHEMA_REGISTRY_URL="+kit.Apicurio(t))
	before, end := span(t, dir, time.Time{}, some)
	after, _ := span(t, dir, end, some)
	p.produce(dir, "--limit", fmt.Sprint(some))
	n := p.written()

	refused := workspace(t, map[string]func(string) string{orderSchema: withField(t, channel(nil)), "streams/producer/olist.yaml": filled})
	args := produceArgs(dir, "--limit", fmt.Sprint(some), "--start-from", end.Format(time.DateTime))
	res := p.startIn(refused, args...).Wait(t, patience)
	if res.Code != 1 || !strings.Contains(res.Stderr, "topic "+orders+", subject "+orders+"-value: ") || !strings.Contains(res.Stderr, "is not compatible") || p.written() != n {
		t.Errorf("exit code %d, %d records are written: %s", res.Code, p.written()-n, res.Stderr)
	}
	newer := workspace(t, map[string]func(string) string{orderSchema: withField(t, channel(map[string]any{"default": "web"})), "streams/producer/olist.yaml": filled})
	p.succeeds(p.startIn(newer, args...))
	if got := p.ids(orders); len(got) != 2 || got[0] != 0 {
		t.Errorf("records of the orders by schema: %v, want two schemas", got)
	}
	client := p.kafka.Client(t)
	value := append(binary.BigEndian.AppendUint32([]byte{0}, 999), "rest"...)
	if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: payments, Key: []byte("k"), Value: value, Timestamp: after[len(after)-1].Time}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	p.consume()
	p.expect(golden.Compute(append(before, after...), golden.Defaults()))
	p.await(2, "select count(*) from dead_letter_events where detail = 'decode: schema id 999: the schema registry does not know it'")
}
