package kit

import (
	"testing"
	"time"
)

// Eventually asks check until it answers true, and ends the test with what check
// says last when that has not happened within limit.
func Eventually(t testing.TB, limit time.Duration, check func() (ok bool, state string)) {
	t.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, state := check()
		if ok {
			return
		}
		select {
		case <-deadline.C:
			t.Fatalf("not within %v: %s", limit, state)
		case <-tick.C:
		}
	}
}
