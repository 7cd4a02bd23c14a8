package host

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	_ "github.com/redpanda-data/benthos/v4/public/components/pure"
	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// traced is an operator that adds its label to the field "trace" of every event.
// With branches it is one that runs chains of its own.
type traced struct {
	label    string
	stages   [][]task.Stage
	branches []*task.Chain
	schemas  event.Schemas
	reject   string // the trace of events that it rejects
}

func (o *traced) Bind(in task.Shape) (task.Shape, error) {
	for _, s := range o.stages {
		c, _, err := task.NewChain(s, in)
		if err != nil {
			return in, err
		}
		o.branches = append(o.branches, c)
	}
	return in, nil
}

func (o *traced) Process(rows []event.Row, out *task.Output) {
	for i := range rows {
		r := rows[i]
		trace := r.Get("trace").Str() + " " + o.label
		if r.Schema == nil {
			trace = "raw " + string(r.Source.Value) + " " + o.label
		}
		if o.reject != "" && strings.Contains(trace, o.reject) {
			out.Reject(&r, task.Invalid, "unwanted")
			continue
		}
		r.Schema, r.Values = o.schemas.FromMap("traced", map[string]any{"trace": strings.TrimSpace(trace)})
		if o.branches == nil {
			out.Pass(&r)
			continue
		}
		out.Count(&r, task.Passed)
		for _, b := range o.branches {
			var sink task.Sink
			b.Process([]event.Row{r}, &sink)
			for _, e := range sink.Rows {
				out.Emit(e)
			}
		}
	}
}

func (o *traced) DecodesRaw()                             {}
func (o *traced) Restore() error                          { return nil }
func (o *traced) Advance(event.Time, *task.Output)        {}
func (o *traced) Flush(_ event.Time, _ *task.Output) bool { return false }

// built is what the test input made of its processors.
type built struct {
	conf *service.ParsedConfig
	hub  *Hub
	ops  *Operators
}

var lastBuilt *built

func init() {
	MustRegisterOperator("test_op", service.NewConfigSpec().Fields(
		service.NewStringField("fail").Default(""),
		service.NewStringField("reject").Default(""),
		service.NewObjectListField("branches", service.NewProcessorListField("processors")).Default([]any{}),
	), func(conf *service.ParsedConfig, env Env) (task.Operator, error) {
		if fail, err := conf.FieldString("fail"); err != nil || fail != "" {
			return nil, errors.New("fail: " + fail)
		}
		o := &traced{label: env.Label, schemas: event.Schemas{}}
		var err error
		if o.reject, err = conf.FieldString("reject"); err != nil {
			return nil, err
		}
		list, err := conf.FieldObjectList("branches")
		if err != nil {
			return nil, err
		}
		for _, b := range list {
			stages, err := env.Stages(b, "processors")
			if err != nil {
				return nil, err
			}
			o.stages = append(o.stages, stages)
		}
		return o, nil
	})
	service.MustRegisterBatchInput("test_stateful", service.NewConfigSpec().Field(service.NewProcessorListField("processors").Default([]any{})),
		func(conf *service.ParsedConfig, res *service.Resources) (service.BatchInput, error) {
			h := HubOf(res)
			ops, err := h.Build(conf, state.NewMemory(), "processors")
			if err != nil {
				return nil, err
			}
			lastBuilt = &built{conf, h, ops}
			return ended{}, nil
		})
}

// ended is an input that has nothing to read.
type ended struct{}

func (ended) Connect(context.Context) error { return nil }
func (ended) Close(context.Context) error   { return nil }
func (ended) ReadBatch(context.Context) (service.MessageBatch, service.AckFunc, error) {
	return nil, nil, service.ErrEndOfInput
}

// stream runs a config to its end and returns what it logged at level error.
func stream(t *testing.T, config string) (log *logged, err error) {
	t.Helper()
	lastBuilt = nil
	log = &logged{}
	b := service.NewStreamBuilder()
	b.SetPrintLogger(log)
	if err := b.SetYAML(config); err != nil {
		t.Fatalf("%s: %v", config, err)
	}
	if err := b.SetLoggerYAML("level: ERROR"); err != nil {
		t.Fatal(err)
	}
	s, err := b.Build()
	if err == nil {
		err = s.Run(t.Context())
	}
	return log, err
}

// logged is what a stream logs. It calls found when that contains text.
type logged struct {
	mu    sync.Mutex
	all   strings.Builder
	text  string
	found func()
}

func (l *logged) Printf(format string, v ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(&l.all, format+"\n", v...)
	if l.found != nil && strings.Contains(l.all.String(), l.text) {
		l.found()
	}
}

func (l *logged) Println(v ...any) { l.Printf("%s", fmt.Sprint(v...)) }

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

func labels(stages []task.Stage) string {
	var list []string
	for _, s := range stages {
		text := s.Label
		if o, ok := s.Op.(*traced); ok && o.stages != nil {
			for _, b := range o.stages {
				text += "[" + labels(b) + "]"
			}
		}
		if st, ok := s.Op.(*stock); ok {
			text += fmt.Sprintf("*%d", len(st.procs))
		}
		list = append(list, text)
	}
	return strings.Join(list, " ")
}

// trace drives one event through stages and returns what comes out.
func trace(t *testing.T, stages []task.Stage, value string) (out []string) {
	t.Helper()
	chain, _, err := task.NewChain(stages, task.Shape{})
	if err != nil {
		t.Fatal(err)
	}
	var sink task.Sink
	chain.Process([]event.Row{{Time: 1, Watermark: 0, Source: &event.Source{Topic: "t", Value: []byte(value)}}}, &sink)
	for i := range sink.Rows {
		out = append(out, string(sink.Rows[i].Text()))
	}
	for i := range sink.Rejects {
		out = append(out, "! "+sink.Rejects[i].Operator+": "+sink.Rejects[i].Detail)
	}
	return out
}

const addX = `mapping: 'root = {"trace": (this.trace | "none") + " X"}'`

// TestBuild: native operators and runs of stock processors come in the order of the config.
func TestBuild(t *testing.T) {
	for _, c := range []struct{ processors, labels, out string }{
		{`[]`, "", `hello`},
		{`[ { test_op: {} } ]`, "test_op_0", `{"trace":"raw hello test_op_0"}`},
		{`[ { label: a, test_op: {} }, { ` + addX + ` }, { ` + addX + ` }, { label: b, test_op: {} } ]`, "a processors_1*2 b", `{"trace":"raw hello a X X b"}`},
		{`[ { mapping: 'root.trace = content().string() + " first"' }, { test_op: {} }, { ` + addX + ` } ]`, "processors_0*1 test_op_1 processors_2*1", `{"trace":"hello first test_op_1 X"}`},
		{`[ { try: [ { mapping: 'root.trace = content().string()' }, { ` + addX + ` } ] }, { test_op: {} } ]`, "processors_0*1 test_op_1", `{"trace":"hello X test_op_1"}`},
		{`[ { test_op: {} }, { label: f, test_op: { branches: [ { processors: [ { test_op: {} }, { label: c, test_op: {} } ] }, { processors: [ { ` + addX + ` }, { test_op: {} } ] }, { processors: [] } ] } }, { label: z, test_op: {} } ]`,
			"test_op_0 f[test_op_1_0_0 c][processors_1_1_0*1 test_op_1_1_1][] z",
			`{"trace":"raw hello test_op_0 f test_op_1_0_0 c z"} {"trace":"raw hello test_op_0 f X test_op_1_1_1 z"} {"trace":"raw hello test_op_0 f z"}`},
		{`[ { label: f, test_op: { branches: [ { processors: [ { label: g, test_op: { branches: [ { processors: [ { test_op: {} } ] } ] } } ] } ] } } ]`,
			"f[g[test_op_0_0_0_0_0]]", `{"trace":"raw hello f g test_op_0_0_0_0_0"}`},
	} {
		if _, err := stream(t, `{ input: { test_stateful: { processors: `+c.processors+` } }, output: { drop: {} } }`); err != nil {
			t.Errorf("%s: %v", c.processors, err)
			continue
		}
		if got := labels(lastBuilt.ops.Stages); got != c.labels {
			t.Errorf("%s: %q, want %q", c.processors, got, c.labels)
		}
		if got := strings.Join(trace(t, lastBuilt.ops.Stages, "hello"), " "); got != c.out {
			t.Errorf("%s: %s, want %s", c.processors, got, c.out)
		}
		// Every task has operators of its own.
		again, err := lastBuilt.hub.Build(lastBuilt.conf, state.NewMemory(), "processors")
		if err != nil || labels(again.Stages) != c.labels {
			t.Errorf("%s: a second time: %q %v", c.processors, labels(again.Stages), err)
		}
		for i := range again.Stages {
			if again.Stages[i].Op == lastBuilt.ops.Stages[i].Op {
				t.Errorf("%s: tasks share %s", c.processors, again.Stages[i].Label)
			}
		}
		if err := errors.Join(lastBuilt.ops.Close(t.Context()), again.Close(t.Context())); err != nil {
			t.Error(err)
		}
	}
}

// TestBuildRefuses: an operator where it cannot work is one clear line that names it.
func TestBuildRefuses(t *testing.T) {
	stateful := func(processors string) string {
		return `{ input: { test_stateful: { processors: [ ` + processors + ` ] } }, output: { drop: {} } }`
	}
	const inside = "a stateful operator stands directly in the processors of a stateful input or of fan_out, not inside another processor "
	const outside = "a stateful operator belongs in the field processors of a stateful input (input.stateful_kafka.processors or input.stateful.processors), not in "
	for name, c := range map[string]struct{ config, want string }{
		"try":             {stateful(`{ try: [ { test_op: {} } ] }`), `processor test_op: ` + inside + `(input.test_stateful.processors.0.try.0)`},
		"switch":          {stateful(`{ test_op: {} }, { switch: [ { processors: [ { label: x, test_op: {} } ] } ] }`), `processor test_op "x": ` + inside + `(input.test_stateful.processors.1.switch.0.processors.0)`},
		"branch":          {stateful(`{ branch: { processors: [ { test_op: {} } ] } }`), inside},
		"for_each":        {stateful(`{ for_each: [ { test_op: {} } ] }`), inside},
		"within a branch": {stateful(`{ test_op: { branches: [ { processors: [ { catch: [ { test_op: {} } ] } ] } ] } }`), inside},
		"pipeline":        {`{ input: { test_stateful: {} }, pipeline: { processors: [ { label: x, test_op: {} } ] }, output: { drop: {} } }`, `processor test_op "x": ` + outside + `pipeline.processors.0`},
		"pipeline, deep":  {`{ input: { test_stateful: {} }, pipeline: { processors: [ { try: [ { test_op: {} } ] } ] }, output: { drop: {} } }`, outside},
		"another input":   {`{ input: { generate: { count: 1, mapping: 'root = {}' }, processors: [ { test_op: {} } ] }, output: { drop: {} } }`, outside + `input.processors.0`},
		"beside":          {`{ input: { test_stateful: {}, processors: [ { test_op: {} } ] }, output: { drop: {} } }`, outside + `input.processors.0`},
		"output":          {`{ input: { test_stateful: {} }, output: { drop: {}, processors: [ { test_op: {} } ] } }`, outside + `output.processors.0`},
		"its own config":  {stateful(`{ label: x, test_op: { fail: "is broken" } }`), `x: fail: is broken`},
		"config, branch":  {stateful(`{ label: f, test_op: { branches: [ { processors: [ { label: x, test_op: { fail: "is broken" } } ] } ] } }`), `x: fail: is broken`},
	} {
		t.Run(name, func(t *testing.T) {
			log, err := stream(t, c.config)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v (%s)\nwant %s", err, log, c.want)
			}
		})
	}
}

// TestResourceIsRefused: a resource is made when it is first used. It is too late to
// refuse the config then, but nothing passes, and the log says why.
func TestResourceIsRefused(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	log := &logged{text: "belongs in the field processors of a stateful input (input.stateful_kafka.processors or input.stateful.processors), not in processor_resources", found: stop}
	b := service.NewStreamBuilder()
	b.SetPrintLogger(log)
	if err := errors.Join(b.SetYAML(`
input: { generate: { count: 1, mapping: 'root.a = 1' } }
pipeline: { processors: [ { resource: x }, { log: { level: ERROR, message: it passed } } ] }
output: { drop: {} }
processor_resources: [ { label: x, test_op: {} } ]
`), b.SetLoggerYAML("level: DEBUG")); err != nil {
		t.Fatal(err)
	}
	s, err := b.Build()
	if err == nil {
		err = s.Run(ctx)
	}
	if !errors.Is(err, context.Canceled) || strings.Contains(log.String(), "it passed") {
		t.Errorf("%v\n%s", err, log)
	}
}

// TestStockErrors: a message that fails in a stock processor is rejected with its
// place, and what processors drop or split is taken as it is.
func TestStockErrors(t *testing.T) {
	for _, c := range []struct{ processors, out string }{
		{`[ { mapping: 'root = throw("bad luck")' }, { label: z, test_op: {} } ]`, `! processors_0: failed assignment (line 1): bad luck`},
		{`[ { mapping: 'root = deleted()' }, { label: z, test_op: {} } ]`, ``},
		{`[ { mapping: 'root = ["a","b"]' }, { unarchive: { format: json_array } }, { mapping: 'root.trace = content().string()' }, { label: z, test_op: {} } ]`, `{"trace":"\"a\" z"} {"trace":"\"b\" z"}`},
		{`[ { mapping: 'meta kafka_timestamp_ms = "soon"' }, { label: z, test_op: {} } ]`, `! processors_0: no event time: metadata kafka_timestamp_ms is strconv.ParseInt: parsing "soon": invalid syntax`},
		{`[ { mapping: 'meta = {}' }, { label: z, test_op: {} } ]`, `! processors_0: no event time: metadata kafka_timestamp_ms is missing`},
	} {
		if _, err := stream(t, `{ input: { test_stateful: { processors: `+c.processors+` } }, output: { drop: {} } }`); err != nil {
			t.Errorf("%s: %v", c.processors, err)
			continue
		}
		if got := strings.Join(trace(t, lastBuilt.ops.Stages, "hello"), " "); !strings.HasPrefix(got, c.out) || c.out == "" && got != "" {
			t.Errorf("%s: %s\nwant %s", c.processors, got, c.out)
		}
	}
}

func TestWithDecoder(t *testing.T) {
	foreign, raw, native := task.Stage{Label: "f", Op: &stock{}}, task.Stage{Label: "r", Op: &traced{}}, task.Stage{Label: "n", Op: &counter{}}
	for want, in := range map[string][]task.Stage{
		"": {}, "f n": {foreign, native}, "r n": {raw, native}, "json n f": {native, foreign},
	} {
		var got []string
		for _, s := range WithDecoder(in) {
			got = append(got, s.Label)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%v, want %s", got, want)
		}
	}
}

func TestJSON(t *testing.T) {
	stages := WithDecoder([]task.Stage{{Label: "n", Op: &counter{echo: true}}})
	for value, want := range map[string]string{
		`{"a":1,"b":{"c":"x","d":[1.50,null]},"e":null}`: `{"a":1,"b":{"c":"x","d":[1.50,null]},"e":null}`,
		`{"n":9007199254740993,"m":12.30}`:               `{"m":12.30,"n":9007199254740993}`,
		` {} ` + "\n":                                    `{}`,
		``:                                               `! json: not a JSON object: EOF`,
		`garbage`:                                        `! json: not a JSON object: invalid character`,
		`[1]`:                                            `! json: not a JSON object: `,
		`null`:                                           `! json: not a JSON object alone`,
		`{} {}`:                                          `! json: not a JSON object alone`,
		`{"a":1}x`:                                       `! json: not a JSON object alone`,
		`{"a":`:                                          `! json: not a JSON object: unexpected EOF`,
		"\x00":                                           `! json: not a JSON object: `,
	} {
		got := trace(t, stages, value)
		if len(got) != 1 || got[0] != want && !(strings.HasPrefix(want, "!") && strings.HasPrefix(got[0], want)) {
			t.Errorf("%q: %q, want %s", value, got, want)
		}
	}
	chain, _, err := task.NewChain(stages, task.Shape{})
	if err != nil {
		t.Fatal(err)
	}
	var sink task.Sink
	done := event.NewSchema("x", "f")
	chain.Process([]event.Row{{Time: 1}, {Time: 2, Schema: done, Values: []event.Value{event.IntOf(1)}}}, &sink)
	if len(sink.Rejects) != 1 || sink.Rejects[0].Detail != "no undecoded record" || len(sink.Rows) != 1 || sink.Rows[0].Schema != done {
		t.Errorf("%+v", sink)
	}
}
