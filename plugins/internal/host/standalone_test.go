package host

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// clocked is an operator that tells what it knows of time: the watermark of each
// row, and a timer 10 ms after it. It delays what it emits by 1000 ms.
type clocked struct {
	in    event.Duration
	timer event.Time
	rows  event.Schemas
	n     int64
}

func (o *clocked) Bind(in task.Shape) (task.Shape, error) {
	o.in = in.Delay
	return task.Shape{Delay: in.Delay + 1000}, nil
}

func (o *clocked) emit(what string, r event.Row, out *task.Output) {
	o.n++
	r.Schema, r.Values = o.rows.FromMap("clocked", map[string]any{"what": what, "watermark": int64(r.Watermark), "n": o.n, "delay": int64(o.in)})
	out.Emit(r)
}

func (o *clocked) Process(rows []event.Row, out *task.Output) {
	for _, r := range rows {
		o.Advance(r.Watermark, out)
		if r.Get("bad").Bool() {
			out.Reject(&r, task.Late, "is bad")
			continue
		}
		o.timer = r.Watermark + 10
		o.emit("row", r, out)
	}
}

func (o *clocked) Restore() error { return nil }

func (o *clocked) Advance(w event.Time, out *task.Output) {
	if o.timer < w {
		at := o.timer
		o.timer = event.MaxTime
		o.emit("timer", event.Row{Time: at, Watermark: at}, out)
	}
}
func (o *clocked) Flush(w event.Time, out *task.Output) bool {
	o.emit("flush", event.Row{Time: w, Watermark: w}, out)
	return false
}

func timed(body string, meta ...any) *service.Message {
	m := service.NewMessage([]byte(body))
	for i := 0; i < len(meta); i += 2 {
		m.MetaSetMut(meta[i].(string), meta[i+1])
	}
	return m
}

// batch runs a batch and lists the messages that come out.
func batch(t *testing.T, s service.BatchProcessor, in ...*service.Message) (out service.MessageBatch, texts string) {
	t.Helper()
	batches, err := s.ProcessBatch(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if len(batches) > 1 {
		t.Fatalf("%d batches", len(batches))
	}
	var list []string
	for _, b := range batches {
		for _, m := range b {
			body, err := m.AsBytes()
			if err != nil {
				t.Fatal(err)
			}
			out, list = append(out, m), append(list, string(body))
		}
	}
	return out, strings.Join(list, " ")
}

func TestStandalone(t *testing.T) {
	s := newStandalone(task.Stage{Label: "c", Op: &clocked{timer: event.MaxTime, rows: event.Schemas{}}}, &Operators{})
	out, got := batch(t, s, timed(`{"a":1}`, MetaTimestamp, 100), timed(`{"a":2}`, MetaTimestamp, 50), timed(`{"a":3}`, MetaTimestamp, 200))
	want := `{"delay":0,"n":1,"watermark":100,"what":"row"} {"delay":0,"n":2,"watermark":100,"what":"row"} ` + // out of order: the watermark stays
		`{"delay":0,"n":3,"watermark":110,"what":"timer"} {"delay":0,"n":4,"watermark":200,"what":"row"} {"delay":0,"n":5,"watermark":200,"what":"flush"}`
	if got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	for _, m := range out {
		op, _ := m.MetaGet(MetaOperator)
		kind, _ := m.MetaGet(MetaKind)
		delay, _ := m.MetaGetMut(metaDelay)
		if op != "clocked" || kind != KindRow || delay != int64(1000) {
			t.Errorf("operator %q, kind %q, delay %v", op, kind, delay)
		}
	}
	// The next operator goes by the watermark and delay of the one before.
	next := newStandalone(task.Stage{Label: "d", Op: &clocked{timer: event.MaxTime, rows: event.Schemas{}}}, &Operators{})
	_, got = batch(t, next, out[1], out[3])
	want = `{"delay":1000,"n":1,"watermark":100,"what":"row"} {"delay":1000,"n":2,"watermark":110,"what":"timer"} {"delay":1000,"n":3,"watermark":200,"what":"row"} {"delay":1000,"n":4,"watermark":200,"what":"flush"}`
	if got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	// State lives on; dead letters pass by.
	letter := DeadLetter(&task.Reject{Operator: "before", Reason: task.Late, Detail: "x"})
	out, got = batch(t, s, letter, timed(`{"bad":true}`, MetaTimestamp, 150, MetaTopic, "t", MetaPartition, 1, MetaOffset, 7))
	if len(out) != 3 || out[0] != letter || !strings.Contains(got, `"n":6,"watermark":200,"what":"flush"`) ||
		!strings.Contains(got, `"detail":"c: is bad"`) || !strings.Contains(got, `"offset":7`) || !strings.Contains(got, `"payload":"{\"bad\":true}"`) {
		t.Error(got)
	}
	if _, err := s.ProcessBatch(t.Context(), service.MessageBatch{timed(`{}`)}); err == nil || !strings.Contains(err.Error(), "no event time") {
		t.Error(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestStandaloneRaw: what an operator passes on undecoded stays so.
func TestStandaloneRaw(t *testing.T) {
	s := newStandalone(task.Stage{Label: "c", Op: &counter{schema: event.NewSchema("count", "n"), echo: true}}, &Operators{})
	if _, got := batch(t, s, timed(`garbage`, MetaTimestamp, 1)); got != `garbage {"n":1}` {
		t.Error(got)
	}
	if _, got := batch(t, s); got != `` {
		t.Error(got)
	}
	silent := newStandalone(task.Stage{Label: "c", Op: &traced{reject: "x"}}, &Operators{})
	if out, err := silent.ProcessBatch(t.Context(), service.MessageBatch{}); out != nil || err != nil {
		t.Error(out, err)
	}
}

// TestTidemarkTest: an operator under `tidemark test` runs by itself, with the
// processors of its branches, and is refused inside other processors.
func TestTidemarkTest(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"s.yaml": `
input:
  test_stateful:
    processors:
      - label: a
        test_op: {}
      - mapping: 'root.trace = this.trace + " X"'
      - label: f
        test_op: { branches: [ { processors: [ { test_op: {} }, { mapping: 'root.trace = this.trace + " Y"' } ] }, { processors: [ { label: c, test_op: {} } ] } ] }
      - label: z
        test_op: { reject: bad }
output: { drop: {} }
`,
		"s_benthos_test.yaml": `
tests:
  - name: passes
    target_processors: /input/test_stateful/processors
    input_batch: [ { json_content: { trace: hello }, metadata: { kafka_timestamp_ms: 5 } }, { json_content: { trace: bad }, metadata: { kafka_timestamp_ms: 6 } } ]
    output_batches:
      - - { json_equals: { trace: "hello a X f test_op_0_0_0 Y z" }, metadata_equals: { tidemark_kind: row } }
        - { json_equals: { trace: "hello a X f c z" } }
        - { json_contains: { detail: "z: unwanted", reason: invalid, payload: '{"trace":"bad a X f test_op_0_0_0 Y"}' }, metadata_equals: { tidemark_kind: dead_letter } }
        - { json_contains: { payload: '{"trace":"bad a X f c"}' } }
`,
		"nested.yaml":              `{ pipeline: { processors: [ { try: [ { label: x, test_op: {} } ] } ] } }`,
		"nested_benthos_test.yaml": `{ tests: [ { name: n, target_processors: /pipeline/processors, input_batch: [ { content: x } ], output_batches: [] } ] }`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if code, said := benthos(t, "test", filepath.Join(dir, "s.yaml")); code != 0 {
		t.Errorf("%d: %s", code, said)
	}
	if code, said := benthos(t, "test", filepath.Join(dir, "nested.yaml")); code == 0 || !strings.Contains(said, "belongs in the field processors of a stateful input") {
		t.Errorf("%d: %s", code, said)
	}
}

// benthos runs a command of the binary and returns what it prints.
func benthos(t *testing.T, args ...string) (code int, said string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = w, w
	defer func() { os.Stdout, os.Stderr = stdout, stderr }()
	read := make(chan string)
	go func() {
		b, _ := io.ReadAll(r)
		read <- string(b)
	}()
	code, err = service.RunCLIToCode(context.WithoutCancel(t.Context()), service.CLIOptSetArgs(append([]string{"tidemark"}, args...)...))
	w.Close()
	said = <-read
	if err != nil {
		said += err.Error()
	}
	return code, said
}
