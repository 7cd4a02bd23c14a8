package chaos

import "testing"

// With a promise broken on purpose, rows differ: the comparison that all other tests
// rely on would notice. Each fault has a schedule in which it is sure to do harm; the
// same schedule without the fault is a test of its own.
func TestCheckerIsProven(t *testing.T) {
	for _, c := range []struct {
		fault, schedule string
		run             func(*pipeline) // ends with no process running
	}{
		{"dedup_off", "kills", func(p *pipeline) {
			p.killing(2000, 5)
			p.leaveAll()
		}},
		{"ledger_off", "dead generation", func(p *pipeline) { p.deadGeneration() }},
		{"ledger_off", "zombie", func(p *pipeline) {
			p.wakeZombie()
			p.await("the zombie writes", func() bool { return p.rowOf(newTurncoat().stray) == 1 })
			p.leaveAll()
		}},
		{"state_first", "Postgres hangs", func(p *pipeline) {
			if !p.killWhilePostgresHangs((*pipeline).cutHanging) {
				p.Error("nothing was committed before the outputs had taken it")
			}
		}},
	} {
		t.Run(c.fault+"/"+c.schedule, func(t *testing.T) {
			p := newPipeline(t, 1)
			p.faults = []string{"TIDEMARK_FAULT=" + c.fault}
			c.run(p)
			p.end("a")
			rows := p.rowDifferences()
			if len(rows) == 0 {
				t.Fatal("every row is right: the comparison has noticed nothing")
			}
			t.Logf("%d rows differ, the first: %s", len(rows), rows[0])
		})
	}
}
