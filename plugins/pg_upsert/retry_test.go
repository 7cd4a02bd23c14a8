package pgupsert

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lib/pq"
)

// testRetrier has a clock that only its sleeps move.
func testRetrier() (r *retrier, lines *[]string, refreshed *int) {
	now := time.Unix(0, 0)
	lines, refreshed = new([]string), new(int)
	say := func(message string, fields ...any) { *lines = append(*lines, fmt.Sprint(message, fields)) }
	return &retrier{
		warn: say, info: say, refresh: func() { *refreshed++ },
		now: func() time.Time { return now },
		sleep: func(ctx context.Context, d time.Duration) error {
			now = now.Add(d)
			return ctx.Err()
		},
	}, lines, refreshed
}

func TestRetryUntilItPasses(t *testing.T) {
	r, lines, refreshed := testRetrier()
	start, attempts := r.now(), 0
	err := r.do(t.Context(), func(context.Context) error {
		attempts++
		if r.now().Sub(start) < 100*time.Second {
			return errors.New("no route to host")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// At 0 s, every 30 s or up to a pause later, and when it is over.
	if n := len(*lines); n != 4 && n != 5 {
		t.Errorf("%d lines: %q", len(*lines), *lines)
	}
	if *refreshed != attempts-1 {
		t.Errorf("refreshed %d times in %d attempts", *refreshed, attempts)
	}
}

func TestRetryReturnsOtherErrors(t *testing.T) {
	r, lines, _ := testRetrier()
	for _, want := range []error{&pq.Error{Code: "22003"}, fatalf("x"), judged{errors.New("x"), fenced}} {
		calls := 0
		err := r.do(t.Context(), func(context.Context) error { calls++; return want })
		if !errors.Is(err, want) || calls != 1 {
			t.Errorf("%d calls, error %v, want %v", calls, err, want)
		}
	}
	if len(*lines) != 0 {
		t.Errorf("lines %q", *lines)
	}
}

func TestRetryEndsWithItsContext(t *testing.T) {
	r, _, _ := testRetrier()
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	err := r.do(ctx, func(context.Context) error {
		if calls++; calls == 3 {
			cancel()
		}
		return errors.New("gone")
	})
	if !errors.Is(err, context.Canceled) || calls != 3 {
		t.Errorf("%d calls, error %v", calls, err)
	}
}

func TestCollisionsAreQuiet(t *testing.T) {
	r, lines, refreshed := testRetrier()
	calls := 0
	err := r.do(t.Context(), func(context.Context) error {
		if calls++; calls <= patience {
			return &pq.Error{Code: "40P01"}
		}
		return nil
	})
	if err != nil || len(*lines) != 0 || *refreshed != 0 {
		t.Errorf("error %v, lines %q, refreshed %d", err, *lines, *refreshed)
	}
}
