package pg

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lib/pq"
)

func TestRetryUntilThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		back := start.Add(100 * time.Second)
		var at []time.Duration // of each line
		var lines []string
		var last time.Time
		err := retry(t.Context(), func(line string) {
			lines = append(lines, line)
			at = append(at, time.Since(start))
		}, func() error {
			if gap := time.Since(last); !last.IsZero() && gap > maxPause {
				t.Errorf("paused for %s", gap)
			}
			last = time.Now()
			if time.Now().Before(back) {
				return errors.New("not reachable")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if late := time.Since(back); late > maxPause {
			t.Errorf("noticed the server after %s", late)
		}
		if len(lines) != 5 || !strings.Contains(lines[0], "not reachable") || !strings.Contains(lines[4], "answers after") {
			t.Fatalf("logged %q", lines)
		}
		for i := 1; i < 4; i++ {
			if at[i]-at[i-1] < logEvery {
				t.Errorf("lines at %v: more than one in %s", at, logEvery)
			}
		}
	})
}

func TestRetryGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wrong := &pq.Error{Code: "28P01"}
		calls := 0
		err := retry(t.Context(), nil, func() error { calls++; return wrong })
		if !errors.Is(err, wrong) || calls != 1 {
			t.Errorf("a wrong password: %v after %d attempts", err, calls)
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		away := errors.New("away")
		start := time.Now()
		if err := retry(ctx, nil, func() error { return away }); !errors.Is(err, away) {
			t.Errorf("at the end of patience: %v, want the last failure", err)
		}
		if took := time.Since(start); took != time.Minute {
			t.Errorf("gave up after %s", took)
		}
	})
}

func TestQuietWhenThere(t *testing.T) {
	err := retry(t.Context(), func(line string) { t.Errorf("logged %q", line) }, func() error { return nil })
	if err != nil {
		t.Error(err)
	}
}
