package kit_test

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

func shell(script string) kit.Command {
	return kit.Command{Path: "/bin/sh", Args: []string{"-c", script}}
}

func TestRunReportsCodeOutputAndMemory(t *testing.T) {
	t.Setenv("KAFKA_BROKERS", "elsewhere:9092")
	c := shell(`echo out; echo "err $X$KAFKA_BROKERS" >&2; exit 3`)
	c.Env = []string{"X=y"}
	r := kit.Run(t, c, time.Minute)
	if r.Code != 3 || r.Stdout != "out\n" || r.Stderr != "err y\n" || r.Output() != "out\nerr y\n" {
		t.Errorf("got %+v", r)
	}
	if r.PeakRSS <= 0 || r.PeakRSS > 1<<30 {
		t.Errorf("a shell took %d bytes", r.PeakRSS)
	}
}

func TestSignalReachesTheChild(t *testing.T) {
	p := kit.Start(t, shell(`trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.02; done`))
	kit.Eventually(t, time.Minute, func() (bool, string) {
		return strings.Contains(p.Output(), "ready"), p.Output()
	})
	if !p.Running() {
		t.Fatal("ended early")
	}
	p.Signal(t, syscall.SIGTERM)
	if r := p.Wait(t, time.Minute); r.Code != 0 || r.Stdout != "ready\nbye\n" {
		t.Errorf("got %+v", r)
	}
}
