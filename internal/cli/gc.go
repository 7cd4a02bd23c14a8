package cli

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// Between two collections, garbage may grow to gcHeadroom, or to gcPercent of what
// lives where that is more. Rows are short-lived: with little state, collecting in
// proportion to it would be most of the work.
const (
	gcHeadroom = 48 << 20
	gcPercent  = 50
)

// tuneGC keeps the collector's percentage to that, unless GOGC sets another.
func tuneGC() {
	if os.Getenv("GOGC") != "" {
		return
	}
	collected()
}

// collected sets the percentage by what the last collection left alive, and has
// itself called after the next one.
func collected() {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	debug.SetGCPercent(percent(live[0].Value.Uint64()))
	runtime.AddCleanup(&struct{ _ *byte }{}, func(int) { collected() }, 0)
}

func percent(live uint64) int {
	return int(max(gcPercent, gcHeadroom*100/max(live, 1<<20)))
}
