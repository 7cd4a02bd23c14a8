package bench

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// childrenCPU is the CPU time in seconds of all children that have ended and been
// waited for, theirs included. The servers have not ended, so the difference over a
// run is that of the engine.
func childrenCPU(tb testing.TB) float64 {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// machineCPU is the CPU time in seconds that the whole machine has used, 0 where it
// does not tell.
func machineCPU() (used float64) {
	const (
		ticks        = 100 // a second, on every Linux
		idle, iowait = 3, 4
		columns      = 8
	)
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(stat), "\n")
	for i, f := range strings.Fields(line)[1:] {
		if v, err := strconv.ParseFloat(f, 64); err == nil && i != idle && i != iowait && i < columns {
			used += v / ticks
		}
	}
	return used
}
