//go:build chaos

package fault

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

const (
	// switchesEnv lists the switches that are on, separated by commas.
	switchesEnv = "TIDEMARK_FAULT"
	// failpointEnv is a point and, behind a colon, at which passage the process ends.
	failpointEnv = "TIDEMARK_FAILPOINT"
)

// settings are read once, before anything runs. They do not change.
var settings = mustRead()

type failpoint struct {
	point   Point
	passage int64 // 0 is never
}

var passed atomic.Int64 // passages of the failpoint by all tasks of the process

// mustRead ends the process on a mistake: with a switch that is spelled wrong a test
// would prove nothing.
func mustRead() (s struct {
	on []Switch
	at failpoint
}) {
	var err error
	if s.on, err = readSwitches(os.Getenv(switchesEnv)); err == nil {
		s.at, err = readFailpoint(os.Getenv(failpointEnv))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "fault:", err)
		os.Exit(2)
	}
	return s
}

func readSwitches(text string) (on []Switch, err error) {
	for name := range strings.SplitSeq(text, ",") {
		switch s := Switch(strings.TrimSpace(name)); s {
		case "":
		case DedupOff, LedgerOff, StateFirst:
			on = append(on, s)
		default:
			return nil, fmt.Errorf("%s: there is no switch %q", switchesEnv, s)
		}
	}
	return on, nil
}

func readFailpoint(text string) (failpoint, error) {
	if text == "" {
		return failpoint{}, nil
	}
	name, number, _ := strings.Cut(text, ":")
	point := Point(name)
	if !slices.Contains([]Point{BetweenOutputAndCommit, BeforeAck, AfterCommit, BeforeLedger}, point) {
		return failpoint{}, fmt.Errorf("%s: there is no point %q", failpointEnv, name)
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 1 {
		return failpoint{}, fmt.Errorf("%s: %q does not say at which passage, as in %s:7", failpointEnv, text, point)
	}
	return failpoint{point, n}, nil
}

// On tells whether the promise is broken.
func On(s Switch) bool { return slices.Contains(settings.on, s) }

// Here ends the process as kill -9 does if this is the passage of the failpoint; it
// does not return then.
func Here(p Point) {
	if settings.at.passage == 0 || p != settings.at.point || passed.Add(1) != settings.at.passage {
		return
	}
	if self, err := os.FindProcess(os.Getpid()); err == nil {
		_ = self.Kill() // it cannot fail on oneself; if it did, the test would wait in vain
	}
	select {} // until the signal has come
}
