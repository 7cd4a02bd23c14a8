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
// other within gcBusy, garbage may grow to twice of what lives beyond gcSmall, and the
// heap at most to gcBusyHeap: then memory is not let lie idle while the collector takes
// time from the tasks. What a process holds without state, gcSmall, is no reason to grow.
const (
	gcHeadroom = 48 << 20
	gcPercent  = 14
	gcBusy     = 250 * time.Millisecond
	gcBusyHeap = 256 << 20
	gcSmall    = 32 << 20
)

// gcIdle is what the process may hold beyond the heap's goal, and a 16th of that goal
// more: stacks, the collector's own, and free memory that fits no new object. What is
// free beyond that goes back to the system.
const gcIdle = 16 << 20

// tuneGC keeps the collector to that, unless GOGC sets another percentage.
func tuneGC() {
	if os.Getenv("GOGC") != "" {
		return
	}
	collected(time.Time{})
}

// collected sets the collector by what the last collection, at a time after before,
// left alive, and has itself called after the next one.
func collected(before time.Time) {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	now := time.Now()
	live := max(sample[0].Value.Uint64(), 1<<20)
	percent := percentOf(live, now.Sub(before) < gcBusy)
	debug.SetGCPercent(percent)
	if os.Getenv("GOMEMLIMIT") == "" {
		goal := int64(live) * int64(100+percent) / 100
		debug.SetMemoryLimit(goal + goal/16 + gcIdle)
	}
	runtime.AddCleanup(&struct{ _ *byte }{}, collected, now)
}

func percentOf(live uint64, busy bool) int {
	headroom := uint64(gcHeadroom)
	if busy && live < gcBusyHeap {
		headroom = max(headroom, min(gcBusyHeap-live, 2*(live-min(live, gcSmall))))
	}
	return int(max(gcPercent, headroom*100/live))
}
