//go:build !chaos

package fault

import "testing"

// A production build cannot be told to break a promise.
func TestNothingIsOnWithoutTheTag(t *testing.T) {
	t.Setenv("TIDEMARK_FAULT", "dedup_off,ledger_off,state_first")
	t.Setenv("TIDEMARK_FAILPOINT", "between_output_and_commit:1")
	for _, s := range []Switch{DedupOff, LedgerOff, StateFirst} {
		if On(s) {
			t.Errorf("%s is on", s)
		}
	}
	for _, p := range []Point{BetweenOutputAndCommit, AfterCommit, BeforeLedger} {
		Here(p)
	}
}
