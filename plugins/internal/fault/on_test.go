//go:build chaos

package fault

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// childEnv makes a run of this test binary the process that is to break.
const childEnv = "TIDEMARK_FAULT_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		os.Exit(m.Run())
	}
	fmt.Println("on:", On(DedupOff), On(LedgerOff), On(StateFirst))
	// Eight tasks, four commits each.
	var tasks sync.WaitGroup
	for range 8 {
		tasks.Go(func() {
			for range 4 {
				Here(BetweenOutputAndCommit)
				Here(AfterCommit)
			}
		})
	}
	tasks.Wait()
	fmt.Println("passed:", passed.Load())
}

func child(t *testing.T, env ...string) (output string, killed bool) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(append(os.Environ(), childEnv+"=1"), env...)
	out, err := cmd.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		status, _ := exit.Sys().(syscall.WaitStatus)
		return string(out), status.Signaled() && status.Signal() == syscall.SIGKILL
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(out), false
}

func TestSwitches(t *testing.T) {
	for env, want := range map[string]string{
		"":                           "on: false false false",
		"dedup_off":                  "on: true false false",
		"ledger_off, state_first":    "on: false true true",
		"ledger":                     `there is no switch "ledger"`,
		"dedup_off,DEDUP_OFF":        `there is no switch "DEDUP_OFF"`,
		"state_first,,dedup_off":     "on: true false true",
		"between_output_and_commit:": "there is no switch",
	} {
		if out, _ := child(t, "TIDEMARK_FAULT="+env); !strings.Contains(out, want) {
			t.Errorf("%q: %s, want %s", env, out, want)
		}
	}
}

func TestFailpoint(t *testing.T) {
	for env, want := range map[string]struct {
		killed bool
		says   string
	}{
		"":                             {false, "passed: 0"},
		"before_ledger:1":              {false, "passed: 0"},
		"between_output_and_commit:1":  {true, ""},
		"between_output_and_commit:32": {true, ""},
		"between_output_and_commit:33": {false, "passed: 32"},
		"after_commit:7":               {true, ""},
		"after_commit":                 {false, "does not say at which passage"},
		"after_commit:0":               {false, "does not say at which passage"},
		"afterwards:1":                 {false, `there is no point "afterwards"`},
	} {
		out, killed := child(t, "TIDEMARK_FAILPOINT="+env)
		if killed != want.killed || !strings.Contains(out, want.says) {
			t.Errorf("%q: killed %v, %s; want %v, %s", env, killed, out, want.killed, want.says)
		}
		if killed && strings.Contains(out, "passed") {
			t.Errorf("%q: the process went on", env)
		}
	}
}

func TestEverySwitchCanBeRead(t *testing.T) {
	all := []Switch{DedupOff, LedgerOff, StateFirst}
	names := make([]string, len(all))
	for i, s := range all {
		names[i] = string(s)
	}
	got, err := readSwitches(strings.Join(names, ","))
	if err != nil || !slices.Equal(got, all) {
		t.Errorf("%v, %v", got, err)
	}
}
