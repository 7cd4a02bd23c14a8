package host

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// ready starts a run and has it wait for more, with a row of three records taken by
// the outputs and not committed yet. The last commit was 0.1 s before.
func ready(t *testing.T) *rig {
	g := newRig(t, rigOptions)
	g.confirming = []int{0, 1}
	g.start()
	time.Sleep(1100 * time.Millisecond)
	g.deliver(0, g.rows(0, 5000, 3), true)
	g.take().Done(nil)
	synctest.Wait()
	g.notes.want(t, "0s begin 3 generation 7 seq 40", "1.1s output {\"n\":3}")
	return g
}

// dirty has the task merge two more records, whose row it does not emit, as it starves
// and the emit interval is not over.
func (g *rig) dirty() {
	g.deliver(0, g.rows(0, 5003, 1), false)
	g.deliver(1, g.rows(1, 5003, 1), false)
	g.deliver(0, g.rows(0, 6000, 1), false)
	synctest.Wait()
	g.notes.want(g.t)
}

// nudge has the run go around, so that it knows what was set before.
func (g *rig) nudge() {
	g.run.ConfirmEnd(1)
	synctest.Wait()
}

func (g *rig) ended(want error, notes ...string) {
	g.t.Helper()
	select {
	case err := <-g.result:
		if !errors.Is(err, want) {
			g.t.Errorf("Run returns %v, want %v", err, want)
		}
	case <-time.After(time.Hour):
		g.t.Fatal("Run does not return")
	}
	g.notes.want(g.t, notes...)
	if len(g.hub.runs) != 0 {
		g.t.Errorf("the hub keeps %v", g.hub.runs)
	}
	g.stop()
}

// TestStop: a task that goes to another process emits what has changed, waits for the
// outputs and commits.
func TestStop(t *testing.T) {
	for name, c := range map[string]struct {
		before func(g *rig) // what happens before the stop
		after  func(g *rig) // and then
		want   []string
	}{
		"nothing to do": {func(*rig) {}, func(*rig) {}, []string{"1.1s commit seq 41, next 3 and 0", "1.1s advance 3 seq 41 to -inf", "1.1s run ends, finished false"}},
		"all committed": {
			func(g *rig) { time.Sleep(5 * time.Second); g.notes.take() }, func(*rig) {},
			[]string{"6.1s run ends, finished false"},
		},
		"a changed window": {(*rig).dirty, func(g *rig) {
			b := g.take()
			time.Sleep(3 * time.Second)
			g.notes.add("taken")
			b.Done(nil)
		}, []string{`1.1s output {"n":5}`, "4.1s taken", "4.1s commit seq 42, next 4 and 5", "4.1s advance 3 seq 42 to 4003", "4.1s run ends, finished false"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := ready(t)
				c.before(g)
				close(g.finish)
				c.after(g)
				g.ended(nil, c.want...)
			})
		})
	}
}

// TestQuit: where nobody takes anything more, a run commits only if the outputs have
// taken all that it has emitted, and tells no ledger.
func TestQuit(t *testing.T) {
	for name, c := range map[string]struct {
		before func(g *rig)
		want   []string
	}{
		"all taken": {func(*rig) {}, []string{"1.1s commit seq 41, next 3 and 0", "1.1s run ends, finished false"}},
		// The next run emits every window that is open, this one too.
		"a changed window": {(*rig).dirty, []string{"1.1s commit seq 41, next 4 and 5", "1.1s run ends, finished false"}},
		"all committed": {
			func(g *rig) { time.Sleep(5 * time.Second); g.notes.take() },
			[]string{"6.1s run ends, finished false"},
		},
		"a batch is not taken": {func(g *rig) {
			g.deliver(0, g.rows(0, 6000, 1), true)
			g.take()
			g.notes.take()
		}, []string{"1.1s run ends, finished false"}},
		"a batch waits for the output": {func(g *rig) {
			g.deliver(0, g.rows(0, 6000, 1), true)
			synctest.Wait()
		}, []string{"1.1s run ends, finished false"}},
		"a commit waits for the outputs": {func(g *rig) {
			g.deliver(0, g.rows(0, 6000, 1), true)
			g.take()
			time.Sleep(5 * time.Second)
			g.notes.take()
		}, []string{"6.1s run ends, finished false"}},
		"a commit waits to emit": {func(g *rig) {
			g.dirty()
			time.Sleep(5 * time.Second)
		}, []string{"6.1s run ends, finished false"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := ready(t)
				c.before(g)
				close(g.quit)
				g.ended(nil, c.want...)
			})
		})
	}
}

// TestQuitAtTheEnd: what was emitted as if event time had come to its end is never
// committed, taken or not.
func TestQuitAtTheEnd(t *testing.T) {
	for name, take := range map[string]bool{"taken": true, "waiting": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, rigOptions)
				telling := make(chan struct{})
				g.ledger.advance = func(ctx context.Context, w event.Time) error {
					if w != event.MaxTime {
						return nil
					}
					close(telling)
					<-ctx.Done() // its database is away
					return ctx.Err()
				}
				g.op.last = true
				g.start()
				g.deliver(0, g.rows(0, 5000, 3), false)
				g.run.Finish(0, g.offset)
				g.run.Finish(1, g.offset)
				g.take().Done(nil)
				if b := g.take(); take {
					b.Done(nil)
					<-telling
				}
				synctest.Wait()
				g.notes.take()
				close(g.quit)
				g.ended(nil, "0s run ends, finished false")
			})
		})
	}
}

// TestRefusedBatch: a run ends when an output refuses a batch, wherever it is, with
// the output's reason, and commits nothing more.
func TestRefusedBatch(t *testing.T) {
	for name, reach := range map[string]func(g *rig) Batch{
		"waiting for records": func(g *rig) Batch {
			g.deliver(0, g.rows(0, 6000, 1), true)
			b := g.take()
			time.Sleep(100 * time.Millisecond)
			return b
		},
		"waiting for the output": func(g *rig) Batch {
			g.deliver(0, g.rows(0, 6000, 1), true)
			b := g.take()
			g.deliver(0, g.rows(0, 6001, 1), true)
			synctest.Wait()
			return b
		},
		"in a commit": func(g *rig) Batch {
			g.deliver(0, g.rows(0, 6000, 1), true)
			b := g.take()
			time.Sleep(5 * time.Second)
			return b
		},
		"told to stop": func(g *rig) Batch {
			g.deliver(0, g.rows(0, 6000, 1), true)
			b := g.take()
			close(g.finish)
			synctest.Wait()
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := ready(t)
				b := reach(g)
				g.notes.take()
				broken := errors.New("no such column")
				b.Done(broken)
				b.Done(nil) // too late
				err := <-g.result
				if !errors.Is(err, broken) || err.Error() != "an output refused 1 messages: no such column" {
					t.Errorf("Run returns %v", err)
				}
				g.notes.want(t, fmt.Sprintf("%v run ends, finished false", time.Since(g.notes.begun)))
			})
		})
	}
}

// TestRefusedUnseen: a batch that is refused while the run does something else counts
// as refused, not as taken, when the run comes to commit.
func TestRefusedUnseen(t *testing.T) {
	for name, ask := range map[string]func(g *rig){
		"stop":     func(g *rig) { close(g.finish) },
		"interval": func(*rig) { time.Sleep(time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := ready(t)
				g.deliver(0, g.rows(0, 6000, 1), true)
				b := g.take()
				synctest.Wait()
				g.notes.take()
				broken := errors.New("no")
				g.op.flushing = func() { b.Done(broken) }
				g.nudge()
				ask(g)
				if err := <-g.result; !errors.Is(err, broken) {
					t.Error(err)
				}
				for _, line := range g.notes.take() {
					if strings.Contains(line, "commit") {
						t.Error(line)
					}
				}
			})
		})
	}
}

// TestCommitFails: the run ends, and nobody is told that anything is committed.
func TestCommitFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := ready(t)
		broken := errors.New("fenced")
		g.commit = func() error { return broken }
		g.nudge()
		g.ended(broken, "2s commit seq 41, next 3 and 0", "2s run ends, finished false")
	})
}

// TestSettle waits until everything is taken or refused, or as long as it may.
func TestSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := ready(t)
		g.deliver(0, g.rows(0, 6000, 1), true)
		first := g.take()
		g.deliver(0, g.rows(0, 6001, 1), true)
		second := g.take()
		first.Done(errors.New("no"))
		if err := <-g.result; err == nil {
			t.Error("the run goes on")
		}
		begun := time.Now()
		settle := func(limit time.Duration) time.Duration {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			g.run.Settle(ctx)
			return time.Since(begun)
		}
		if took := settle(5 * time.Second); took != 5*time.Second {
			t.Errorf("it waits %v", took)
		}
		time.AfterFunc(3*time.Second, func() { second.Done(errors.New("no")) })
		if took := settle(time.Minute); took != 8*time.Second {
			t.Errorf("it waits until %v", took)
		}
		if took := settle(time.Minute); took != 8*time.Second {
			t.Errorf("it waits until %v", took)
		}
	})
}

// TestLedgerAway: who has to end does not wait for a ledger whose database is away.
func TestLedgerAway(t *testing.T) {
	away := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	for name, ask := range map[string]func(g *rig){
		"stop": func(g *rig) { close(g.finish) },
		"quit": func(g *rig) { close(g.quit) },
		"drop": func(g *rig) { g.stop() },
	} {
		t.Run("begin, "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, rigOptions)
				g.ledger.beginning = away
				g.start()
				time.Sleep(time.Minute)
				ask(g)
				g.ended(context.Canceled, "0s begin 3 generation 7 seq 40", "1m0s run ends, finished false")
			})
		})
	}
	for name, ask := range map[string]func(g *rig) error{
		"quit": func(g *rig) error { close(g.quit); return nil },
		"drop": func(g *rig) error { g.stop(); return context.Canceled },
	} {
		t.Run("advance, "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := ready(t)
				g.ledger.advance = func(ctx context.Context, _ event.Time) error { return away(ctx) }
				g.nudge()
				time.Sleep(time.Minute)
				g.notes.want(t, "2s commit seq 41, next 3 and 0", "2s advance 3 seq 41 to -inf")
				g.ended(ask(g), "1m1.1s run ends, finished false")
			})
		})
	}
}
