package statefulkafka

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// edit replaces pieces of a config that have to be there.
func edit(t *testing.T, conf string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if strings.Count(conf, pairs[i]) != 1 {
			t.Fatalf("%q is not there once in\n%s", pairs[i], conf)
		}
		conf = strings.Replace(conf, pairs[i], pairs[i+1], 1)
	}
	return conf
}

// gone takes the operator "revenue" out.
var gone = []string{funnel[strings.LastIndex(funnel, "      - processors:"):], ""}

// partly lets a stream read a part of what there is, and stops it.
func (w *world) partly(conf string) {
	w.Helper()
	s := w.start(conf, slowly(100*time.Millisecond))
	time.Sleep(3 * time.Second)
	healthy(w.T, s.stop())
	if len(s.rows()) == 0 {
		w.Fatalf("a dull test: no rows")
	}
}

// TestChangedDefinition: an operator whose definition does not fit its state keeps the
// stream from starting, with a line that says what has changed and what helps. The state
// is whole: the former config ends with the rows of an undisturbed run.
func TestChangedDefinition(t *testing.T) {
	records := shoppers(41, 3)
	want := undisturbed(t, records)
	for name, c := range map[string]struct {
		pairs []string
		want  []string
	}{
		"window size": {
			[]string{"size: 1h,", "size: 90m,"},
			[]string{`operator "revenue"`, "(size: 1h → 1h30m)", "on_change: reset", "`tidemark replay`", "drop_state"},
		},
		"aggregate": {
			[]string{"                paid: {", "                price: { max: { field: items.price } }\n                paid: {", "this.items_count == 1'", "this.items_count == 2'"},
			[]string{
				`operator "funnel"`, "aggregates.price.max.field: none → items.price, aggregates.price: none → max",
				`aggregates.first_items.count.where: this . change == "items" && this . items_count == 1 → this . change == "items" && this . items_count == 2`,
			},
		},
		"aggregate gone": {
			[]string{"smallest: { collect: { field: order, limit: 3, order: value } }", ""},
			[]string{`operator "revenue"`, "aggregates.smallest.collect.limit: 3 → none", "aggregates.smallest: collect → none"},
		},
		"longer lateness": {
			[]string{"size: 1h,", "size: 1h, allowed_lateness: 2d,"},
			[]string{`operator "revenue"`, "(allowed_lateness: 0s → 2d)"},
		},
		"join": {
			[]string{"within: 30m", "within: 1d"},
			[]string{
				`operator "joined"`, "(within: 30m → 1d)", `operator "funnel"`, `operator "revenue"`,
				"(time that operators before it hold events back: 30m → 1d)",
			},
		},
		"stream of a join": {
			[]string{"payments: { topic: payments }", "payments: { topic: payments, where: 'this.price > 1' }"},
			[]string{`operator "joined"`, "(streams.payments.where: none → this . price > 1)"},
		},
		"dedup":            {[]string{"ttl: 2h", "ttl: 3h"}, []string{`operator "once"`, "(ttl: 2h → 3h)"}},
		"another operator": {[]string{"  - label: once\n    dedup: { key: id, ttl: 2h }\n", "", "label: joined", "label: once"}, []string{`operator "once"`, "processor: dedup → join", `operator "joined" is gone`}},
		"operator gone":    {gone, []string{`operator "revenue" is gone from the config, but has state`, "old label", `name "revenue" in drop_state`}},
		"renamed":          {[]string{"label: revenue", "label: takings"}, []string{`operator "revenue" is gone from the config`}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.db = newDatabase()
				w.opts = small
				w.produce(records...)
				w.partly(endless)
				generations := w.generations()
				for _, p := range []*machine{w.machine(0), w.machine(1)} { // with local state and without
					s := p.start(edit(t, endless, c.pairs...), nil).wait()
					err := s.hub.Err()
					if err == nil {
						t.Fatalf("it starts\n%s", s.log)
					}
					for _, text := range append(c.want, "consumer group test, task ") {
						if !strings.Contains(err.Error(), text) {
							t.Errorf("%v\nlacks %s", err, text)
						}
					}
					if strings.Contains(err.Error(), "\n") {
						t.Errorf("several lines: %v", err)
					}
				}
				for p, g := range w.generations() {
					if g != generations[p] {
						t.Errorf("task %d has begun", p)
					}
				}
				s := w.start(funnel, nil).wait()
				if goesOn(s) != 3 {
					t.Errorf("the state is gone\n%s", s.log)
				}
				w.outcome(s).want(t, want)
			}, shopTopics)
		})
	}
}

// TestHarmlessChanges: what state can take on does not hinder, and every row is that of
// a run that never stopped.
func TestHarmlessChanges(t *testing.T) {
	records := shoppers(42, 3)
	want := undisturbed(t, records)
	for name, pairs := range map[string][]string{
		"emit":          {"emit: on_close", "emit: on_update"},
		"spaces":        {"this.change == \"closed\" && this.payments_count", "this.change==\"closed\"  &&  this.payments_count"},
		"units":         {"size: 1h", "size: 60m"},
		"reset":         {"emit: on_close", "emit: on_close, on_change: reset"},
		"gone, unknown": {"watermark:", "drop_state: [ nobody ]\nwatermark:"},
		"mapping":       {"  - label: joined\n", "  - mapping: 'root = this'\n  - label: joined\n"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.db = newDatabase()
				w.opts = small
				w.produce(records...)
				w.partly(endless)
				w.partly(edit(t, endless, pairs...))
				s := w.start(edit(t, funnel, pairs...), nil).wait()
				if goesOn(s) != 3 {
					t.Errorf("the state is gone\n%s", s.log)
				}
				w.outcome(s).want(t, want)
			}, shopTopics)
		})
	}
}

// TestShorterLateness: state takes on that windows close sooner, and not that they close
// as late as before.
func TestShorterLateness(t *testing.T) {
	inWorld(t, func(w *world) {
		w.db = newDatabase()
		w.opts = small
		w.produce(shoppers(43, 3)...)
		late := edit(t, endless, "size: 1h,", "size: 1h, allowed_lateness: 10m,")
		w.partly(late)
		w.partly(edit(t, late, "allowed_lateness: 10m", "allowed_lateness: 5m"))
		s := w.start(late, nil).wait()
		if err := s.hub.Err(); err == nil || !strings.Contains(err.Error(), "(allowed_lateness: 5m → 10m)") {
			t.Errorf("%v", err)
		}
	}, shopTopics)
}

// TestReset: an operator with on_change: reset starts afresh, and nothing of its former
// state is left, here or in Kafka; the others go on. It is all one commit: where the run
// ends before that, all stands as it was.
func TestReset(t *testing.T) {
	records := shoppers(44, 3)
	want := undisturbed(t, records)
	other := func(lines []string) []string {
		return slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return strings.Contains(l, "revenue") })
	}
	for name, c := range map[string]struct{ changed []string }{
		"changed": {[]string{"size: 1h,", "size: 2h, on_change: reset,"}},
		"gone":    {append([]string{"watermark:", "drop_state: [ revenue ]\nwatermark:"}, gone...)},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.db = newDatabase()
				w.opts = small
				w.produce(records...)
				w.partly(endless)
				before := w.changelog()
				if before["revenue\x00panes"] == 0 || before["revenue\x00definition"] == 0 {
					t.Fatalf("a dull test: %v", before)
				}
				// Runs that end before their first commit.
				s := w.start(edit(t, endless, append(c.changed, "commit_interval: 500ms", "commit_interval: 1h")...), refuseAll)
				time.Sleep(3 * time.Second)
				s.stop()
				if after := w.changelog(); after["revenue\x00panes"] != before["revenue\x00panes"] {
					t.Errorf("without a commit %v became %v", before, after)
				}
				s = w.start(edit(t, funnel, c.changed...), nil).wait()
				healthy(t, s)
				if goesOn(s) != 3 {
					t.Errorf("the state is gone\n%s", s.log)
				}
				got := w.outcome(s)
				got.rows, got.accounts = other(got.rows), other(got.accounts)
				got.want(t, outcome{other(want.rows), want.letters, other(want.accounts)})
				after := w.changelog()
				if name == "gone" && (after["revenue\x00panes"] > 0 || after["revenue\x00definition"] > 0) {
					t.Errorf("of an operator that is gone %v is left", after)
				}
				time.Sleep(forget)
				// What is left is of the new definition, on any machine.
				s = w.machine(1).start(edit(t, funnel, c.changed...), nil).wait()
				healthy(t, s)
				if name == "gone" { // and its label is free
					time.Sleep(forget)
					s = w.machine(0).start(edit(t, endless, "size: 1h,", "size: 3h,"), nil)
					time.Sleep(3 * time.Second)
					healthy(t, s.stop())
				}
			}, shopTopics)
		})
	}
}

// refuseAll is an output that takes nothing.
func refuseAll(int, service.MessageBatch) error { return errors.New("no") }

// TestStateWithoutDefinition: state that was written before there were definitions is
// taken to fit, and has one from then on.
func TestStateWithoutDefinition(t *testing.T) {
	records := shoppers(45, 3)
	want := undisturbed(t, records)
	inWorld(t, func(w *world) {
		w.db = newDatabase()
		w.opts = small
		w.produce(records...)
		w.partly(endless)
		had := w.changelog()["funnel\x00definition"]
		time.Sleep(forget)
		for p, keys := range w.keys() {
			for key := range keys {
				if strings.Contains(key, "\x00definition\x00") {
					w.produce(&kgo.Record{Topic: "test-changelog", Partition: p, Key: []byte(key)})
				}
			}
		}
		if n := w.changelog()["funnel\x00definition"]; n > 0 || had == 0 {
			t.Fatalf("a dull test: %d of %d", n, had)
		}
		s := w.machine(1).start(funnel, nil).wait()
		healthy(t, s)
		w.outcome(s).want(t, want)
		if n := w.changelog()["funnel\x00definition"]; n != had {
			t.Errorf("%d parts of a definition, want %d", n, had)
		}
	}, shopTopics)
}

// keys are those that the changelog has, by partition; what is deleted is not there.
func (w *world) keys() map[int32]map[string]bool {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), time.Minute)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers("localhost:9092"), kgo.Dialer(w.net.DialContext), kgo.ConsumeTopics("test-changelog"),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	if err != nil {
		w.Fatal(err)
	}
	defer cl.Close()
	ends, err := kadm.NewClient(cl).ListCommittedOffsets(ctx, "test-changelog")
	if err != nil {
		w.Fatal(err)
	}
	left := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left[o.Partition] = o.Offset
		}
	})
	keys := map[int32]map[string]bool{}
	for len(left) > 0 {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			w.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if keys[r.Partition] == nil {
				keys[r.Partition] = map[string]bool{}
			}
			if !r.Attrs.IsControl() {
				if keys[r.Partition][string(r.Key)] = true; r.Value == nil {
					delete(keys[r.Partition], string(r.Key))
				}
			}
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		})
	}
	return keys
}

// changelog counts the keys that the changelog has of each operator's tables.
func (w *world) changelog() map[string]int {
	w.Helper()
	tables := map[string]int{}
	for _, keys := range w.keys() {
		for key := range keys {
			if parts := strings.SplitN(key, "\x00", 3); len(parts) == 3 {
				tables[parts[0]+"\x00"+parts[1]]++
			}
		}
	}
	return tables
}
