package olistcsv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"pgregory.net/rapid"

	_ "github.com/redpanda-data/benthos/v4/public/components/pure"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/host"
	"github.com/tidemark-streams/tidemark/plugins/internal/replay"
)

// clock only moves while somebody waits.
type clock struct {
	at    time.Time
	waits []time.Duration
}

func (c *clock) now() time.Time { return c.at }

func (c *clock) wait(ctx context.Context, d time.Duration) error {
	c.at = c.at.Add(d)
	c.waits = append(c.waits, d)
	return ctx.Err()
}

func newInput(t testing.TB, fsys fstest.MapFS, conf string, c *clock) *input {
	t.Helper()
	parsed, err := spec().ParseYAML(conf, nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := parseConfig(parsed)
	if err != nil {
		t.Fatal(err)
	}
	res := service.MockResources()
	return &input{
		config: cfg, fsys: fsys, hub: host.HubOf(res), summary: SummaryOf(res), log: res.Logger(),
		now: c.now, wait: c.wait,
	}
}

// drain reads all batches and acknowledges them; sizes are those of the batches.
func drain(t testing.TB, in *input) (messages service.MessageBatch, sizes []int) {
	t.Helper()
	ctx := context.Background()
	if err := in.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	for {
		b, ack, err := in.ReadBatch(ctx)
		if errors.Is(err, service.ErrEndOfInput) {
			return messages, sizes
		}
		if err != nil {
			t.Fatal(err)
		}
		messages, sizes = append(messages, b...), append(sizes, len(b))
		if err := ack(ctx, nil); err != nil {
			t.Fatal(err)
		}
	}
}

func meta(t testing.TB, m *service.Message, key string) string {
	t.Helper()
	v, ok := m.MetaGet(key)
	if !ok {
		t.Fatalf("no metadata %s", key)
	}
	return v
}

var three = files(
	"o1,c1,created,2017-07-09 01:00:00,,,,\no2,c2,created,2017-07-09 02:00:00,,,,\no3,c3,created,2018-07-09 02:00:00,,,,\n",
	"o1,1,,,,1,0\no1,2,,,,-1,0\n", "o2,1,boleto,1,5\n")

func TestInputMessages(t *testing.T) {
	c := &clock{at: time.UnixMilli(1_800_000_000_000)}
	in := newInput(t, three, "", c)
	messages, sizes := drain(t, in)
	if fmt.Sprint(sizes) != "[1 5]" || len(c.waits) != 0 {
		t.Error(sizes, c.waits)
	}
	reject, order := messages[0], messages[1]
	text, err := reject.AsBytes()
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"detail":"negative number: price is -1","event_time":"2017-07-09T01:00:00Z","file":"olist_order_items_dataset.csv","line":3,"payload":"o1,2,,,,-1,0","reason":"invalid"}`; string(text) != want {
		t.Errorf("%s", text)
	}
	for m, want := range map[*service.Message]map[string]string{
		reject: {"kafka_topic": "olist.dead_letters", "kafka_key": "olist_order_items_dataset.csv:3", "kafka_timestamp_ms": "1800000000000", "event_type": "RowRejected", "csv_file": ItemsFile, "csv_line": "3"},
		order:  {"kafka_topic": "olist.orders", "kafka_key": "o1", "kafka_timestamp_ms": "1499562000000", "event_type": "OrderCreated", "csv_file": OrdersFile, "csv_line": "2"},
	} {
		for k, v := range want {
			if got := meta(t, m, k); got != v {
				t.Errorf("%s is %s, want %s", k, got, v)
			}
		}
	}
	a := in.summary.Account()
	if a.Total != 6 || a.DeliveredTotal() != 6 || a.Delivered[TopicDeadLetters] != 1 || a.RejectedTotal() != 1 ||
		a.Rejected[ItemsFile+": "+RuleNegative] != 1 || a.First.String() != "2017-07-09T01:00:00Z" || a.Last.String() != "2018-07-09T02:00:00Z" {
		t.Error(a)
	}
	if got := a.String(); got != "delivered 6 of 6; olist.dead_letters 1; olist.order_items 1; olist.orders 3; olist.payments 1; rejected rows 1; olist_order_items_dataset.csv: negative number 1" {
		t.Error(got)
	}
}

func TestInputPace(t *testing.T) {
	for _, tc := range []struct{ conf, waits, sizes string }{
		{`speed: "60"`, "[1m0s 146h0m0s]", "[1 2 2 1]"},
		{"speed: \"60\"\nmax_gap: 100ms", "[100ms 100ms]", "[1 2 2 1]"},
		{"speed: 0\nbatch_size: 2", "[]", "[1 2 2 1]"},
		{"speed: max\nbatch_size: 1", "[]", "[1 1 1 1 1 1]"},
	} {
		c := &clock{at: time.UnixMilli(0)}
		_, sizes := drain(t, newInput(t, three, tc.conf, c))
		if got := fmt.Sprint(c.waits); got != tc.waits || fmt.Sprint(sizes) != tc.sizes {
			t.Errorf("%s: waits %s, batches of %v", tc.conf, got, sizes)
		}
	}
}

// A slow output makes the input catch up instead of shifting the schedule.
func TestInputCatchesUp(t *testing.T) {
	c := &clock{at: time.UnixMilli(0)}
	in := newInput(t, three, `speed: "3600"`, c)
	ctx := context.Background()
	if err := in.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	var sizes []int
	for range 3 {
		b, _, err := in.ReadBatch(ctx)
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(b))
		c.at = c.at.Add(time.Hour) // a stall
	}
	b, _, err := in.ReadBatch(ctx)
	// The last order is due 8761 event-time hours after the first: 2h26m1s, of which two hours have gone by.
	if err != nil || fmt.Sprint(sizes, len(b), c.waits) != "[1 2 2] 1 [26m1s]" {
		t.Error(sizes, len(b), c.waits, err)
	}
}

func TestInputRebase(t *testing.T) {
	now := time.UnixMilli(1_900_000_000_000)
	for speed, index := range map[string]int{"1": 1, "10": 5, "max": 5} {
		c := &clock{at: now}
		messages, _ := drain(t, newInput(t, three, "rebase: now\nspeed: "+fmt.Sprintf("%q", speed), c))
		if got := meta(t, messages[index], "kafka_timestamp_ms"); got != "1900000000000" {
			t.Errorf("speed %s: %s", speed, got)
		}
	}
}

func TestInputFailsForGood(t *testing.T) {
	fsys := files("", "", "")
	delete(fsys, ItemsFile)
	in := newInput(t, fsys, "dataset_dir: ./data", &clock{})
	if err := in.Connect(context.Background()); !errors.Is(err, service.ErrEndOfInput) {
		t.Error(err)
	}
	if err := in.hub.Err(); err == nil || err.Error() != "dataset ./data: olist_order_items_dataset.csv is missing" {
		t.Error(err)
	}
	if err := in.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestEmptyDataset(t *testing.T) {
	in := newInput(t, files("", "", ""), "rebase: now\nduplicates: 0.5", &clock{})
	if messages, _ := drain(t, in); len(messages) != 0 {
		t.Error(messages)
	}
}

// Whatever is injected, every event is sent, once or twice, and the summary knows.
func TestInputInjection(t *testing.T) {
	var orders strings.Builder
	for i := range 200 {
		fmt.Fprintf(&orders, "o%d,c,created,2017-07-09 %02d:%02d:00,,,,\n", i, i/60, i%60)
	}
	fsys := files(orders.String(), "", "")
	rapid.Check(t, func(r *rapid.T) {
		conf := fmt.Sprintf("duplicates: %v\ndisorder: %ds\nlate: %v\nseed: %d\nbatch_size: %d",
			rapid.Float64Range(0, 1).Draw(r, "duplicates"), rapid.IntRange(0, 600).Draw(r, "disorder"),
			rapid.Float64Range(0, 1).Draw(r, "late"), rapid.Int64().Draw(r, "seed"), rapid.IntRange(1, 300).Draw(r, "batch"))
		in := newInput(t, fsys, conf, &clock{})
		messages, _ := drain(t, in)
		ids := map[string]int{}
		for _, m := range messages {
			v, err := m.AsStructured()
			if err != nil {
				r.Fatal(err)
			}
			fields := v.(map[string]any)
			ids[fields["event_id"].(string)]++
			if at, err := time.Parse(time.RFC3339, fields["event_time"].(string)); err != nil || fmt.Sprint(at.UnixMilli()) != meta(t, m, "kafka_timestamp_ms") {
				r.Fatal("event time and timestamp differ")
			}
		}
		a := in.summary.Account()
		if len(ids) != 200 || len(messages) != 200+a.Injected.Duplicates || a.Total != len(messages) || slices.Max(slices.Collect(maps.Values(ids))) > 2 {
			r.Fatal(len(ids), len(messages), a)
		}
	})
}

func TestConfigErrors(t *testing.T) {
	for _, tc := range []struct{ conf, want string }{
		{"speed: fast", `speed "fast" is neither`},
		{"max_gap: 10", "max_gap"},
		{"max_gap: -1s", "max_gap: it must not be negative"},
		{"limit: -1", "limit"},
		{"start_from: soon", `start_from: "soon"`},
		{"until: later", `until: "later" is not a time`},
		{"timezone: Mars/Olympus", `timezone: there is no time zone "Mars/Olympus"`},
		{"rebase: later", "rebase"},
		{"duplicates: 2", "duplicates is a share"},
		{"late: -0.1", "late is a share"},
		{"disorder: far", "disorder"},
		{"batch_size: 0", "batch_size"},
		{"checkpoint: { resume: true }", "checkpoint.resume needs the path"},
	} {
		parsed, err := spec().ParseYAML(tc.conf, nil)
		if err == nil {
			_, err = parseConfig(parsed)
		}
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %s", tc.conf, err, tc.want)
		}
	}
}

func TestLint(t *testing.T) {
	linter := service.NewEnvironment().NewComponentConfigLinter()
	for conf, want := range map[string]string{
		"olist_csv: {}": "",
		"olist_csv: { speed: \"0.5\", max_gap: 1h5s }": "",
		"olist_csv: { speed: 10, disorder: 1d12h }":    "",
		"olist_csv: { speed: fast }":                   "speed is max or a number",
		"olist_csv: { max_gap: soon }":                 "max_gap is a duration",
		"olist_csv: { max_gap: \"\" }":                 "max_gap is a duration",
		"olist_csv: { limit: -1 }":                     "limit must not be negative",
		"olist_csv: { late: 1.5 }":                     "late is a share",
		"olist_csv: { rebase: later }":                 "later",
		"olist_csv: { dir: x }":                        "dir",
		"olist_csv: { checkpoint: { path: p } }":       "",
		"olist_csv: { checkpoint: { resume: true } }":  "resume needs the path",
	} {
		lints, err := linter.LintInputYAML([]byte(conf))
		if err != nil {
			t.Fatal(conf, err)
		}
		got := fmt.Sprint(lints)
		if (want == "") != (len(lints) == 0) || !strings.Contains(got, want) {
			t.Errorf("%s: %s", conf, got)
		}
	}
}

// In a stream: what an output refuses comes again as it was, though a processor
// has changed it on the way, and the stream ends by itself.
func TestStreamRepeatsWhatIsRefused(t *testing.T) {
	dir := t.TempDir()
	for name, f := range three {
		if err := os.WriteFile(filepath.Join(dir, name), f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := &stubborn{t: t, tries: map[string]int{}}
	env := service.GlobalEnvironment().Clone()
	if err := env.RegisterBatchOutput("stubborn", service.NewConfigSpec(), func(*service.ParsedConfig, *service.Resources) (service.BatchOutput, service.BatchPolicy, int, error) {
		return out, service.BatchPolicy{}, 1, nil
	}); err != nil {
		t.Fatal(err)
	}
	b := env.NewStreamBuilder()
	b.SetLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err := b.SetYAML(fmt.Sprintf(`
input: { olist_csv: { dataset_dir: %q, batch_size: 2 } }
pipeline: { threads: 1, processors: [ { mapping: 'root = {"was": this}' } ] }
output: { stubborn: {} }
`, dir)); err != nil {
		t.Fatal(err)
	}
	s, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(out.tries) != 6 {
		t.Error(out.tries)
	}
	a := SummaryOf(s.Resources()).Account()
	if a.DeliveredTotal() != 6 || a.Injected != (replay.Counts{}) || a.First == event.MinTime {
		t.Error(a)
	}
}

// stubborn refuses every batch with a message that it sees for the first time.
type stubborn struct {
	t     *testing.T
	tries map[string]int
}

func (o *stubborn) Connect(context.Context) error { return nil }
func (o *stubborn) Close(context.Context) error   { return nil }

func (o *stubborn) WriteBatch(_ context.Context, batch service.MessageBatch) error {
	var refused error
	for _, m := range batch {
		v, err := m.AsStructured()
		if err != nil {
			o.t.Error(err)
			return nil
		}
		was, ok := v.(map[string]any)["was"].(map[string]any)
		if !ok || was["event_id"] == nil && was["reason"] == nil {
			o.t.Error(v)
		}
		text, err := json.Marshal(was)
		if err != nil {
			o.t.Error(err)
		}
		if o.tries[string(text)]++; o.tries[string(text)] == 1 {
			refused = errors.New("not yet")
		}
	}
	return refused
}
