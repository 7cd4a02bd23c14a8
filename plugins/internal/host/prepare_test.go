package host

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// needy is an operator that needs something for records with the value "strange".
type needy struct {
	counter
	there bool
	ready func()
}

func (n *needy) Prepare(value []byte) bool { return n.there || string(value) != "strange" }
func (n *needy) Notify(ready func())       { n.ready = ready }

func newNeedy(t *testing.T) (*rig, *needy) {
	g := newRig(t, rigOptions)
	op := &needy{counter: counter{schema: g.op.schema}}
	chain, _, err := task.NewChain([]task.Stage{{Label: "count", Op: op}}, task.Shape{})
	if err != nil {
		t.Fatal(err)
	}
	run := TaskRun{Stream: "s", Task: 3, Generation: 7, CommittedSeq: 40}
	g.run = NewRunner(run, rigOptions, g.hub, g, task.New(chain, g.sources, rigOptions.MaxOutOfOrderness), keptBy{g}, g.out)
	return g, op
}

// TestUnprepared: records wait for what they need, and with them all that was delivered
// behind. No partition turns idle meanwhile, and news do not pile up. Then the task goes on where it stood.
func TestUnprepared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, op := newNeedy(t)
		g.collect()
		g.confirming = []int{0, 1}
		g.start()
		g.deliver(0, g.rows(0, 5000, 3), true)
		strange := g.rows(1, 5000, 2)
		strange[1].Source.Value = []byte("strange")
		g.deliver(1, strange, true)
		g.deliver(0, g.rows(0, 5001, 4), true)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if op.n != 0 { // the merge waits for the partition of the strange one
			t.Errorf("%d records are merged", op.n)
		}
		if g.sources[0].IsIdle() || g.sources[1].IsIdle() {
			t.Error("a partition is idle")
		}
		if n := len(g.run.held) + len(g.run.inbox); n > 8 {
			t.Errorf("%d news have piled up", n)
		}
		op.there = true
		op.ready()
		synctest.Wait()
		if op.n != 9 {
			t.Errorf("%d records are merged", op.n)
		}
		if g.run.held != nil {
			t.Error("something is held still")
		}
		g.end(context.Canceled)
	})
}

// TestUnpreparedEnds: a task that waits so ends when it is asked to, with what is behind it
// committed.
func TestUnpreparedEnds(t *testing.T) {
	for name, ask := range map[string]func(g *rig){
		"stop": func(g *rig) { close(g.finish) },
		"quit": func(g *rig) { close(g.quit) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, op := newNeedy(t)
				g.collect()
				g.start()
				g.deliver(0, g.rows(0, 5000, 3), true)
				g.run.ConfirmEnd(1)
				strange := g.rows(0, 6000, 1)
				strange[0].Source.Value = []byte("strange")
				g.deliver(0, strange, true)
				time.Sleep(time.Minute)
				ask(g)
				if err := <-g.result; err != nil {
					t.Error(err)
				}
				if op.n != 3 || g.run.kept == 40 {
					t.Errorf("%d records are merged, committed up to %d", op.n, g.run.kept)
				}
			})
		})
	}
}

// TestPreparerStandsFirst: elsewhere nobody would ask it.
func TestPreparerStandsFirst(t *testing.T) {
	_, _, err := task.NewChain([]task.Stage{{Label: "a", Op: &counter{}}, {Label: "b", Op: &needy{}}}, task.Shape{})
	if err == nil || err.Error() != "b: what it needs is fetched before records are processed, so it stands first" {
		t.Error(err)
	}
}
