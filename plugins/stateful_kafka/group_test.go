package statefulkafka

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// within waits until a condition holds, and tells how long that took.
func (w *world) within(limit time.Duration, what string, holds func() bool) time.Duration {
	w.Helper()
	begun := time.Now()
	for !holds() {
		if time.Since(begun) > limit {
			w.Fatalf("%s: not within %v", what, limit)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(begun)
}

// works tells whether a stream runs exactly these tasks, and the database has been
// told so.
func (w *world) works(s *stream, generations map[int32]int64, tasks ...int32) func() bool {
	return func() bool {
		if !slices.Equal(s.owns(), tasks) {
			return false
		}
		for _, p := range tasks {
			if w.db.generation(int64(p)) <= generations[p] {
				return false
			}
		}
		return true
	}
}

func (w *world) generations() map[int32]int64 {
	g := map[int32]int64{}
	for p := range int32(3) {
		g[p] = w.db.generation(int64(p))
	}
	return g
}

// TestLeave: two processes share the tasks; when one of them leaves, the other has all
// of them within moments.
func TestLeave(t *testing.T) {
	records := shoppers(21, 3)
	want := undisturbed(t, records)
	for name, conf := range map[string]string{"static": "", "dynamic": `state_dir: ""`} {
		t.Run(name, func(t *testing.T) {
			endless := strings.Replace(endless, "commit_interval: 500ms", "commit_interval: 2700ms", 1) // rarely when tasks move
			inWorld(t, func(w *world) {
				w.db = newDatabase()
				w.opts = small
				w.produce(records...)
				a := w.machine(0).start(endless+conf, slowly(100*time.Millisecond))
				w.within(10*time.Second, "the first has all", w.works(a, nil, 0, 1, 2))
				time.Sleep(time.Second)
				b := w.machine(1).start(endless+conf, slowly(100*time.Millisecond))
				w.within(10*time.Second, "they share", func() bool { return len(b.owns()) == 1 && len(a.owns()) == 2 })
				w.within(time.Second, "it goes on", func() bool { return w.works(b, nil, b.owns()...)() && w.runs() == 4 })
				if n := w.db.withdrawn; n > 0 || goesOn(b) != 1 {
					t.Errorf("a task that was handed over left %d rows uncommitted\n%s", n, b.log)
				}
				before := w.generations()
				for _, p := range b.owns() {
					before[p] = 0 // it goes on as it was
				}
				a.stop()
				if took := w.within(2*time.Second, "the second has all", w.works(b, before, 0, 1, 2)); took > 2*time.Second {
					t.Errorf("it takes %v", took)
				}
				time.Sleep(2 * time.Second)
				b.stop()
				c := w.machine(0).start(funnel+conf, nil).wait()
				healthy(t, a, b, c)
				w.outcome(c).want(t, want)
				if w.db.fenced > 0 {
					t.Errorf("%d writes of those who had left", w.db.fenced)
				}
			}, shopTopics)
		})
	}
}

// TestCutOff: a process that is cut off from Kafka, but not from the database, loses
// its tasks when its session ends. It comes back as a zombie and does no harm.
func TestCutOff(t *testing.T) {
	records := shoppers(22, 3)
	want := undisturbed(t, records)
	for name, state := range map[string]network{"refused": refused, "silent": silent} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.db = newDatabase()
				w.opts = small
				w.produce(records...)
				a := w.machine(0).start(endless, slowly(200*time.Millisecond))
				b := w.machine(1).start(endless, slowly(200*time.Millisecond))
				w.within(20*time.Second, "they share", func() bool { return len(a.owns())+len(b.owns()) == 3 && len(a.owns())*len(b.owns()) == 2 })
				for range 3 {
					time.Sleep(time.Second)
					before := w.generations()
					for _, p := range b.owns() {
						before[p] = 0
					}
					w.machine(0).set(state)
					if took := w.within(14*time.Second, "the other takes over", func() bool {
						return len(b.owns()) == 3 && w.works(b, before, 0, 1, 2)()
					}); took < 8*time.Second {
						t.Errorf("it takes over after %v", took)
					}
					time.Sleep(time.Second)
					w.machine(0).set(up)
					w.within(40*time.Second, "they share again", func() bool { return len(a.owns())+len(b.owns()) == 3 && len(a.owns()) > 0 })
				}
				a.stop()
				b.stop()
				c := w.machine(1).start(funnel, nil).wait()
				healthy(t, a, b, c)
				w.outcome(c).want(t, want)
			}, shopTopics)
		})
	}
}

// TestSpare: of three processes with two tasks one has none, until another dies.
func TestSpare(t *testing.T) {
	records := shoppers(23, 2)
	seed := kfake.SeedTopics(2, "orders", "items", "payments")
	want := undisturbed(t, records, seed)
	inWorld(t, func(w *world) {
		w.db = newDatabase()
		w.opts = small
		w.produce(records...)
		var all []*stream
		owned := func(n int) int {
			count := 0
			for _, s := range all {
				if len(s.owns()) == n {
					count++
				}
			}
			return count
		}
		for i := range 3 {
			all = append(all, w.machine(i).start(endless, slowly(300*time.Millisecond)))
		}
		w.within(20*time.Second, "two have a task", func() bool { return owned(1) == 2 && owned(0) == 1 })
		time.Sleep(time.Second)
		dead := slices.IndexFunc(all, func(s *stream) bool { return len(s.owns()) == 1 })
		w.machine(dead).set(silent)
		rest := slices.Delete(slices.Clone(all), dead, dead+1)
		w.within(15*time.Second, "the spare one has it", func() bool { return len(rest[0].owns()) == 1 && len(rest[1].owns()) == 1 })
		time.Sleep(time.Second)
		w.machine(dead).set(up)
		time.Sleep(5 * time.Second)
		for _, s := range all {
			s.stop()
		}
		healthy(t, all...)
		c := w.machine(1).start(funnel, nil).wait()
		w.outcome(c).want(t, want)
	}, seed)
}

// TestBoundedTogether: processes that share a bounded run all end, when all of them
// have, and together account for everything.
func TestBoundedTogether(t *testing.T) {
	records := shoppers(24, 3)
	want := undisturbed(t, records)
	const conf = funnel + "batch_size: 20\ncommit_interval: 300ms\nemit_interval: 100ms"
	for name, c := range map[string]struct {
		processes int
		pause     time.Duration // between their starts
	}{
		"at once":         {2, 0},
		"one later":       {2, 3 * time.Second},
		"one for nothing": {4, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.db = newDatabase()
				w.opts = small
				w.produce(records...)
				var all []*stream
				for i := range c.processes {
					if i > 0 {
						time.Sleep(c.pause)
					}
					all = append(all, w.machine(i).start(conf, slowly(300*time.Millisecond)))
				}
				for _, s := range all {
					s.wait()
				}
				healthy(t, all...)
				w.outcome(all...).want(t, want)
			}, shopTopics)
		})
	}
	// One comes just as the other ends, earlier or later: both end with the right rows.
	// Who comes when everything has ended may do the last step again, and then accounts
	// for it too.
	for after := time.Second; after < 16*time.Second; after += 487 * time.Millisecond {
		inWorld(t, func(w *world) {
			w.db = newDatabase()
			w.opts = small
			w.produce(records...)
			a := w.machine(0).start(conf, slowly(300*time.Millisecond))
			time.Sleep(after)
			b := w.machine(1).start(conf, nil).wait()
			a.wait()
			t.Log(after, time.Since(w.begun))
			healthy(t, a, b)
			o := w.outcome(a, b)
			o.accounts = want.accounts
			o.want(t, want)
		}, shopTopics)
	}
}
