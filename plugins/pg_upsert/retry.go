package pgupsert

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/lib/pq"
)

const (
	firstPause = 50 * time.Millisecond
	maxPause   = 5 * time.Second
	// logEvery is the shortest time between two lines about the same trouble.
	logEvery = 30 * time.Second
	// patience is how many collisions of transactions pass without a line.
	patience = 5
)

// retrier tries again what passing trouble interrupted, for as long as it takes,
// and says so at most every logEvery. It is shared by all writers of an output.
type retrier struct {
	warn  func(message string, fields ...any)
	info  func(message string, fields ...any)
	now   func() time.Time
	sleep func(context.Context, time.Duration) error
	// refresh drops pooled connections: after a restart all of them are dead.
	refresh func()

	mu     sync.Mutex
	since  time.Time // of the trouble; zero when there is none
	logged time.Time
}

// do calls attempt until it succeeds or fails by anything but passing trouble.
// Attempts must be repeatable even if one succeeded unnoticed: a connection may
// break between a commit and its answer.
func (r *retrier) do(ctx context.Context, attempt func(context.Context) error) error {
	for n := 0; ; n++ {
		err := attempt(ctx)
		if ctx.Err() != nil && err != nil {
			return ctx.Err()
		}
		if err == nil {
			r.over()
			return nil
		}
		if judge(err) != passing {
			return err
		}
		if !collision(err) {
			r.refresh()
			r.trouble(err)
		} else if n >= patience {
			r.trouble(err)
		}
		if err := r.sleep(ctx, pause(n)); err != nil {
			return err
		}
	}
}

// collision tells a transaction that lost against another one (class 40) from a
// connection that is gone.
func collision(err error) bool {
	e := pq.As(err)
	return e != nil && strings.HasPrefix(string(e.Code), "40")
}

// pause grows with the number of attempts; the random part keeps writers that
// met once from meeting again.
func pause(attempt int) time.Duration {
	d := min(firstPause<<min(attempt, 10), maxPause)
	return d/2 + rand.N(d/2)
}

func (r *retrier) trouble(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if r.since.IsZero() {
		r.since = now
	}
	if r.logged.IsZero() || now.Sub(r.logged) >= logEvery {
		r.logged = now
		r.warn("Postgres takes no rows, trying again until it does", "error", describe(err))
	}
}

func (r *retrier) over() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.since.IsZero() {
		r.info("Postgres takes rows again", "duration", r.now().Sub(r.since).Round(time.Millisecond))
		r.since = time.Time{}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
