package statefulkafka

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// outcome is what a stream comes to in the end, whatever befell it.
type outcome struct {
	rows, letters, accounts []string
}

var shopTopics = kfake.SeedTopics(3, "orders", "items", "payments")

// endless is a stream that goes on when it has read all, and commits often.
var endless = strings.Replace(funnel, "stop_at_end: true", "stop_at_end: false", 1) + "batch_size: 20\nemit_interval: 100ms\ncommit_interval: 500ms\n"

// shoppers are orders in so many partitions. Each partition ends with a record of the
// same late time: one that ended before its neighbours would hold the watermark of a
// stream that goes on, and not that of a bounded run.
func shoppers(seed uint64, partitions int32) []*kgo.Record {
	records := orders(seed)
	for _, r := range records {
		r.Partition %= partitions
	}
	for _, topic := range []string{"orders", "items", "payments"} {
		for p := range partitions {
			id := fmt.Sprint("last", p)
			records = append(records, rec(topic, p, 14*24*3600_000, fmt.Sprintf(`{"id":%q,"order":%q,"price":1}`, topic[:1]+id, id)))
		}
	}
	return records
}

// undisturbed is the outcome where nothing befalls the stream.
func undisturbed(t *testing.T, records []*kgo.Record, opts ...kfake.Opt) (o outcome) {
	t.Helper()
	if len(opts) == 0 {
		opts = append(opts, shopTopics)
	}
	inWorld(t, func(w *world) {
		w.db = newDatabase()
		w.produce(records...)
		s := w.start(funnel, nil).wait()
		o = w.outcome(s)
		if len(o.rows) < 100 || len(o.letters) == 0 {
			t.Fatalf("a dull test: %d rows, %d letters", len(o.rows), len(o.letters))
		}
	}, opts...)
	return o
}

// outcome is that of bounded runs which ended together.
func (w *world) outcome(streams ...*stream) outcome {
	w.Helper()
	return outcome{w.db.texts(w.db.rows), w.db.texts(w.db.letters), accountLines(streams...)}
}

func accountLines(streams ...*stream) (list []string) {
	all := accounts(streams...)
	for _, op := range slices.Sorted(maps.Keys(all)) {
		list = append(list, fmt.Sprint(op, " ", all[op]))
	}
	return list
}

func (o outcome) want(t *testing.T, want outcome) {
	t.Helper()
	wantEqual(t, o.rows, want.rows)
	wantEqual(t, o.letters, want.letters)
	wantEqual(t, o.accounts, want.accounts)
}

// healthy makes sure that streams have not failed.
func healthy(t *testing.T, streams ...*stream) {
	t.Helper()
	for _, s := range streams {
		if err := s.hub.Err(); err != nil {
			t.Errorf("%v\n%s", err, s.log)
		}
	}
}

// TestRestart: a stream that is stopped anywhere goes on where it was, with its local
// state, without, or with none at all.
func TestRestart(t *testing.T) {
	records := shoppers(11, 3)
	want := undisturbed(t, records)
	for name, c := range map[string]struct {
		conf string
		disk func(old vfs.FS) vfs.FS
	}{
		"same disk":      {"", func(old vfs.FS) vfs.FS { return old }},
		"empty disk":     {"", func(vfs.FS) vfs.FS { return vfs.NewMem() }},
		"no state_dir":   {`state_dir: ""`, func(old vfs.FS) vfs.FS { return old }},
		"now and then":   {"", alternately()},
		"large batches":  {"batch_size: 1000", func(old vfs.FS) vfs.FS { return old }},
		"seldom commits": {"commit_interval: 2s", func(old vfs.FS) vfs.FS { return old }},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.db = newDatabase()
				w.opts = small
				w.produce(records...)
				conf := func(text string) string {
					for line := range strings.Lines(c.conf) {
						field, _, _ := strings.Cut(line, ":")
						lines := slices.DeleteFunc(strings.Split(text, "\n"), func(l string) bool { return strings.HasPrefix(l, field+":") })
						text = strings.Join(append(lines, line), "\n")
					}
					return text
				}
				restored := 0
				p := w.machine(0)
				for i := range 6 {
					s := p.start(conf(endless), slowly(100*time.Millisecond))
					time.Sleep(time.Duration(1000+777*i) * time.Millisecond)
					s.stop()
					healthy(t, s)
					restored += goesOn(s)
					p.disk = c.disk(p.disk)
				}
				if n := w.db.generation(0); n < 6 {
					t.Errorf("%d generations", n)
				}
				s := p.start(conf(funnel+"batch_size: 20"), nil).wait()
				if restored += goesOn(s); restored < 6 {
					t.Errorf("goes on in %d runs only\n%s", restored, s.log)
				}
				w.outcome(s).want(t, want)
			}, shopTopics)
		})
	}
}

// goesOn counts the tasks that went on behind an earlier run.
func goesOn(s *stream) (n int) {
	for line := range strings.Lines(s.log.String()) {
		if strings.Contains(line, "Task began its generation") && !strings.Contains(line, " seq=0") {
			n++
		}
	}
	return n
}

// alternately gives an old disk, and then an empty one.
func alternately() func(vfs.FS) vfs.FS {
	n := 0
	return func(old vfs.FS) vfs.FS {
		if n++; n%2 == 0 {
			return vfs.NewMem()
		}
		return old
	}
}
