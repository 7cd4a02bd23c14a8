package avrodecode

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/sr"

	"github.com/tidemark-streams/tidemark/plugins/internal/avro"
	"github.com/tidemark-streams/tidemark/plugins/internal/registry"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

const (
	firstR  = `{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}`
	secondR = `{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"string","default":"new"}]}`
	otherR  = `{"type":"record","name":"R","fields":[{"name":"a","type":"string"}]}`
)

// registeredBy is a decoder of topic t by a schema and a registry.
func registeredBy(t testing.TB, k *kit.Registry, reader, framed string) (*registered, *task.Chain) {
	t.Helper()
	conf, err := spec().ParseYAML("topics: {}\nschema_registry: { url: '"+k.URL()+"' }", nil)
	if err != nil {
		t.Fatal(err)
	}
	where, err := registry.Parse(conf)
	if err != nil {
		t.Fatal(err)
	}
	op, err := newRegistered(conf, Config{Topics: []Topic{{Name: "t", Schema: shippedAs(t, reader), Framing: framing(t, framed, 0)}}}, where)
	if err != nil {
		t.Fatal(err)
	}
	ch, _, err := task.NewChain([]task.Stage{{Label: "decode", Op: op}}, task.Shape{})
	if err != nil {
		t.Fatal(err)
	}
	r := op.(*registered)
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r, ch
}

// prepared waits until the decoder has what a record needs.
func prepared(t testing.TB, ch *task.Chain, value []byte) {
	t.Helper()
	ready := make(chan struct{}, 8)
	ch.Notify(func() { ready <- struct{}{} })
	for !ch.Prepare(value) {
		select {
		case <-ready:
		case <-time.After(time.Minute):
			t.Fatal("nothing comes")
		}
	}
}

func register(t testing.TB, k *kit.Registry, schema string) uint32 {
	t.Helper()
	if err := k.SetCompat("t-value", sr.CompatNone); err != nil {
		t.Fatal(err)
	}
	id, err := k.Client(t).RegisterSchema(t.Context(), "t-value", sr.Schema{Schema: schema}, -1, -1)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(id)
}

func framedBy(id uint32, data ...byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, id), data...)
}

// TestRegistered: records of several schemas, in any order, and with them those in
// single-object encoding; each schema is asked for once.
func TestRegistered(t *testing.T) {
	k := kit.NewRegistry(t)
	first, second, other := register(t, k, firstR), register(t, k, secondR), register(t, k, otherR)
	for _, c := range []struct {
		reader, framing string
		want            []string
	}{
		{firstR, avro.FramingSingleObject, []string{`{"a":1}`, `{"a":2}`, `{"a":1}`, `{"a":4}`}},
		{secondR, avro.FramingConfluent, []string{`{"a":1,"b":"new"}`, `{"a":2,"b":"x"}`, `{"a":1,"b":"new"}`, `! no Confluent framing: it begins with c3, not 00`}},
	} {
		_, ch := registeredBy(t, k, c.reader, c.framing)
		single := shippedAs(t, c.reader).Frame(framing(t, avro.FramingSingleObject, 0), nil, []byte{8})
		calls := len(k.Calls())
		for i, value := range [][]byte{framedBy(first, 2), framedBy(second, 4, 2, 'x'), framedBy(first, 2), single} {
			prepared(t, ch, value)
			if got := outcome(t, ch, record("t", value)); got != c.want[i] {
				t.Errorf("%s: %s, want %s", c.reader, got, c.want[i])
			}
		}
		if n := len(k.Calls()) - calls; n > 2 {
			t.Errorf("the registry was asked %d times", n)
		}
		bad := framedBy(other, 2, 'x')
		prepared(t, ch, bad)
		for range 2 {
			if got := outcome(t, ch, record("t", bad)); !strings.HasSuffix(got, ": its schema cannot be read as R: field a: string cannot be read as int") {
				t.Error(got)
			}
		}
		for _, short := range [][]byte{{0, 0, 0}, {}, []byte("{}")} {
			prepared(t, ch, short)
			if got := outcome(t, ch, record("t", short)); got[0] != '!' {
				t.Error(got)
			}
		}
	}
}

// TestAbsentIsAskedAgain: an id that a record of garbage named may be a schema's later.
func TestAbsentIsAskedAgain(t *testing.T) {
	k := kit.NewRegistry(t)
	_, ch := registeredBy(t, k, firstR, avro.FramingSingleObject)
	value := framedBy(1, 2)
	prepared(t, ch, value)
	if got := outcome(t, ch, record("t", value)); got != "! schema id 1: the schema registry does not know it" {
		t.Error(got)
	}
	if id := register(t, k, firstR); id != 1 {
		t.Fatal(id)
	}
	kit.Eventually(t, time.Minute, func() (bool, string) {
		prepared(t, ch, value)
		got := outcome(t, ch, record("t", value))
		return got == `{"a":1}`, got
	})
}

// TestPreparedCostsNoMemory: to be shown records costs nothing once their schema is there.
func TestPreparedCostsNoMemory(t *testing.T) {
	k := kit.NewRegistry(t)
	_, ch := registeredBy(t, k, secondR, avro.FramingSingleObject)
	value := framedBy(register(t, k, firstR), 2)
	prepared(t, ch, value)
	if n := testing.AllocsPerRun(100, func() { ch.Prepare(value) }); n != 0 {
		t.Errorf("%v allocations per event", n)
	}
}

// TestWriterSchemas: without a registry, records of older schemas are known by their fingerprints.
func TestWriterSchemas(t *testing.T) {
	old := shippedAs(t, firstR)
	single := framing(t, avro.FramingSingleObject, 0)
	ch := chain(t, Config{Topics: []Topic{{Name: "t", Schema: shippedAs(t, secondR), Framing: single, Older: []*avro.Schema{old}}}})
	for value, want := range map[string]string{
		string(old.Frame(single, nil, []byte{2})):                           `{"a":1,"b":"new"}`,
		string(shippedAs(t, secondR).Frame(single, nil, []byte{4, 2, 'x'})): `{"a":2,"b":"x"}`,
	} {
		if got := outcome(t, ch, record("t", []byte(value))); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if got := outcome(t, ch, record("t", shippedAs(t, otherR).Frame(single, nil, []byte{2, 'x'}))); !strings.Contains(got, "another schema") {
		t.Error(got)
	}
	_, err := New(Config{Topics: []Topic{{Name: "t", Schema: shippedAs(t, otherR), Framing: single, Older: []*avro.Schema{old}}}})
	if err == nil || err.Error() != "topics.t.writer_schemas.0: its schema cannot be read as R: field a: int cannot be read as string" {
		t.Error(err)
	}
}

func TestRegistryLint(t *testing.T) {
	linter := service.NewEnvironment().NewComponentConfigLinter()
	for conf, want := range map[string]string{
		`schema_registry: { url: "" }`:                                     "",
		`schema_registry: { url: "http://a:1, https://b" }`:                "",
		`schema_registry: { url: "a:1" }`:                                  "begins with http:// or https://",
		`framing: raw, schema_registry: { url: "http://a" }`:               "exclude each other",
		`framing: raw, schema_registry: { url: "" }`:                       "",
		`schema_registry: { url: "http://a", nonesuch: 1 }`:                "nonesuch",
		`schema_registry: { url: "http://a", username: u, password: "p" }`: "",
	} {
		lints, err := linter.LintProcessorYAML([]byte(`avro_decode: { topics: { t: { schema: x } }, ` + conf + ` }`))
		if err != nil {
			t.Fatal(conf, err)
		}
		if (want == "") != (len(lints) == 0) || len(lints) > 0 && !strings.Contains(lints[0].Error(), want) {
			t.Errorf("%s: %v", conf, lints)
		}
	}
}

// BenchmarkRegistered is BenchmarkProcess with records of a registry.
func BenchmarkRegistered(b *testing.B) {
	k := kit.NewRegistry(b)
	s, f, rows := orders(b, 1000)
	id := register(b, k, s.JSON)
	_, ch := registeredBy(b, k, s.JSON, avro.FramingSingleObject)
	for i := range rows {
		payload, err := s.Unframe(f, rows[i].Source.Value)
		if err != nil {
			b.Fatal(err)
		}
		rows[i].Source.Topic, rows[i].Source.Value = "t", framedBy(id, payload...)
	}
	prepared(b, ch, rows[0].Source.Value)
	var sink task.Sink
	b.ReportAllocs()
	for b.Loop() {
		sink.Rows = sink.Rows[:0]
		for i := range rows {
			if !ch.Prepare(rows[i].Source.Value) {
				b.Fatal("not prepared")
			}
		}
		ch.Process(rows, &sink)
		if len(sink.Rejects) > 0 {
			b.Fatal(sink.Rejects[0].Detail)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(rows)), "ns/event")
}

var _ interface{ DecodesRaw() } = (*registered)(nil) // else the host would put a decoder of JSON before it
