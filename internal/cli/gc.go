package cli

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Between two collections, garbage may grow to gcHeadroom, or to gcPercent of what
// lives where that is more. Rows are short-lived: with little state, collecting in
// proportion to it would be most of the work. Under load, when collections follow each
// other within gcBusy, the heap may grow to gcBusyHeap: then memory is not let lie
// idle while the collector takes time from the tasks.
const (
	gcHeadroom = 48 << 20
	gcPercent  = 30
	gcBusy     = 250 * time.Millisecond
	gcBusyHeap = 256 << 20
)

// tuneGC keeps the collector's percentage to that, unless GOGC sets another.
func tuneGC() {
	if os.Getenv("GOGC") != "" {
		return
	}
	collected(time.Time{})
}

// collected sets the percentage by what the last collection left alive, and has
// itself called after the next one.
func collected(before time.Time) {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	now := time.Now()
	debug.SetGCPercent(percent(live[0].Value.Uint64(), now.Sub(before) < gcBusy))
	runtime.AddCleanup(&struct{ _ *byte }{}, collected, now)
}

func percent(live uint64, busy bool) int {
	live = max(live, 1<<20)
	headroom := uint64(gcHeadroom)
	if busy && live < gcBusyHeap {
		headroom = max(headroom, gcBusyHeap-live)
	}
	return int(max(gcPercent, headroom*100/live))
}
