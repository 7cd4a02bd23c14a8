package olistcsv

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// paced is a dataset of n orders at the given spans after a beginning, each with so many
// items and no payment.
func paced(n, items int, at func(i int) time.Duration) fstest.MapFS {
	var o, it strings.Builder
	for i := range n {
		when := time.UnixMilli(1_500_000_000_000).UTC().Add(at(i))
		fmt.Fprintf(&o, "o%d,c,created,%s,,,,\n", i, when.Format("2006-01-02 15:04:05.999"))
		for k := range items {
			fmt.Fprintf(&it, "o%d,%d,p,s,,1.50,0.10\n", i, k+1)
		}
	}
	return files(o.String(), it.String(), "")
}

// oversleeper is a clock whose timers ring late, by up to step.
type oversleeper struct {
	at     time.Time
	random *rand.Rand
	step   time.Duration
}

func (c *oversleeper) now() time.Time { return c.at }

func (c *oversleeper) wait(ctx context.Context, d time.Duration) error {
	c.at = c.at.Add(d + time.Duration(c.random.Int64N(int64(c.step)+1)))
	return ctx.Err()
}

// Over six hours on the wall every event is sent when it is due, at most one step of the
// timer late, the last ones no later than the first; after an output that stood still, too.
// The due times are computed here from the event times alone.
func TestPaceDoesNotDrift(t *testing.T) {
	const (
		step  = 3 * time.Millisecond
		hours = 6 * time.Hour
		n     = 4000
	)
	for _, speed := range []int{1, 10, 100} {
		for name, output := range map[string]struct {
			takes time.Duration // for a batch, at most
			stall time.Duration // once, in the middle
		}{
			"a fast output":              {},
			"a slow output":              {takes: 900 * time.Millisecond},
			"an output that stood still": {takes: 100 * time.Millisecond, stall: 40 * time.Minute},
		} {
			t.Run(fmt.Sprintf("%dx, %s", speed, name), func(t *testing.T) {
				random := rand.New(rand.NewPCG(uint64(speed), 7))
				spans := make([]time.Duration, n)
				for i := 1; i < n; i++ { // bursts, and gaps that are no multiple of anything
					if random.IntN(3) > 0 {
						spans[i] = spans[i-1] + time.Duration(random.Int64N(int64(hours)*int64(speed)/n*3))
					} else {
						spans[i] = spans[i-1]
					}
					spans[i] = spans[i].Truncate(time.Millisecond)
				}
				c := &oversleeper{at: time.UnixMilli(1_600_000_000_000), random: random, step: step}
				begun := c.at
				in := newInput(t, paced(n, 0, func(i int) time.Duration { return spans[i] }), fmt.Sprintf("speed: \"%d\"", speed), &clock{})
				in.now, in.wait = c.now, c.wait
				if err := in.Connect(t.Context()); err != nil {
					t.Fatal(err)
				}
				sent, free, catchUp := 0, begun, 0
				for {
					batch, _, err := in.ReadBatch(t.Context())
					if errors.Is(err, service.ErrEndOfInput) {
						break
					}
					if err != nil {
						t.Fatal(err)
					}
					for range batch {
						due := begun.Add(spans[sent] / time.Duration(speed))
						// Nothing can be sent before the output is free again.
						if free.After(due) {
							due = free
							catchUp++
						}
						if late := c.at.Sub(due); late > step || c.at.Before(begun.Add(spans[sent]/time.Duration(speed)-time.Microsecond)) {
							t.Fatalf("event %d is sent %v late", sent, late)
						}
						sent++
					}
					if output.takes > 0 {
						c.at = c.at.Add(time.Duration(random.Int64N(int64(output.takes))))
					}
					if output.stall > 0 && sent > n/2 {
						c.at, output.stall = c.at.Add(output.stall), 0
					}
					free = c.at
				}
				if sent != n {
					t.Fatal(sent)
				}
				if output.takes > 0 && catchUp == 0 || catchUp > n/2 {
					t.Errorf("%d of %d events had to wait for the output", catchUp, n)
				}
				if end := c.at.Sub(begun.Add(spans[n-1] / time.Duration(speed))); end > step+output.takes {
					t.Errorf("the end is %v late", end)
				}
			})
		}
	}
}

// With a bound on gaps the schedule is the sum of the bounded gaps, and as exact.
func TestPaceWithBoundedGaps(t *testing.T) {
	const n, step, gap = 5000, time.Millisecond, 100 * time.Millisecond
	random := rand.New(rand.NewPCG(1, 1))
	spans := make([]time.Duration, n)
	for i := 1; i < n; i++ {
		spans[i] = spans[i-1] + time.Duration(random.IntN(20_000))*time.Millisecond
	}
	c := &oversleeper{at: time.UnixMilli(0), random: random, step: step}
	in := newInput(t, paced(n, 0, func(i int) time.Duration { return spans[i] }), "speed: \"70\"\nmax_gap: 100ms", &clock{})
	in.now, in.wait = c.now, c.wait
	if err := in.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	sent, exact := 0, 0.0 // in ns
	for {
		batch, _, err := in.ReadBatch(t.Context())
		if errors.Is(err, service.ErrEndOfInput) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for range batch {
			if sent > 0 {
				exact += min(float64(spans[sent]-spans[sent-1])/70, float64(gap))
			}
			if late := c.at.Sub(time.UnixMilli(0)) - time.Duration(exact); late < -time.Microsecond || late > step+time.Microsecond {
				t.Fatalf("event %d is sent %v late", sent, late)
			}
			sent++
		}
	}
	if takes := in.summary.Account().Takes - time.Duration(exact); sent != n || takes.Abs() > time.Microsecond {
		t.Error(sent, takes)
	}
}
