package console

import (
	"context"
	"fmt"
	"os"
	"time"
)

const (
	// drawEvery and tellEvery are the pauses between two looks, on a terminal and elsewhere.
	drawEvery, tellEvery = time.Second, 5 * time.Second
	// restFactor bounds the share of its time that a console keeps its source busy.
	restFactor = 4
	// patience is how long a look may take, the last one less: the process is about to end.
	patience, lastPatience = 10 * time.Second, 3 * time.Second
	// tellRows is how many rows of a table are told in a look.
	tellRows = 3
	// rateOver is how many looks the rate is the mean of: rows are committed in steps.
	rateOver = 5
)

// Console shows views until it is ended.
type Console struct {
	screen *Screen
	read   func(context.Context) (View, error)
	colour bool
	shown  View // the last one
	any    bool // one was read
	past   []mark
	stop   context.CancelFunc
	ended  chan struct{}
}

type mark struct {
	at   time.Time
	rows int64
}

// Start shows on screen what read returns, again and again until End. An error of read
// is shown beside what was read last.
func Start(screen *Screen, read func(context.Context) (View, error)) *Console {
	ctx, stop := context.WithCancel(context.Background())
	c := &Console{screen: screen, read: read, colour: os.Getenv("NO_COLOR") == "", stop: stop, ended: make(chan struct{})}
	go c.run(ctx)
	return c
}

// End shows the last state, which stays on a terminal, and returns when nothing is
// written any more. It may be called more than once.
func (c *Console) End() {
	c.stop()
	<-c.ended
}

func (c *Console) run(ctx context.Context) {
	defer close(c.ended)
	every := tellEvery
	if c.screen.Terminal() {
		every = drawEvery
	}
	for ctx.Err() == nil {
		begun := time.Now()
		c.look(ctx, patience)
		select {
		case <-ctx.Done():
		case <-time.After(max(every, restFactor*time.Since(begun))):
		}
	}
	c.look(context.WithoutCancel(ctx), lastPatience)
}

func (c *Console) look(ctx context.Context, patience time.Duration) {
	within, done := context.WithTimeout(ctx, patience)
	defer done()
	now, err := c.read(within)
	switch {
	case err == nil:
		c.rate(&now)
	case ctx.Err() != nil: // ended meanwhile: the last look follows
		return
	default:
		now, c.past = c.shown, nil
		now.Rate, now.Trouble = 0, err.Error()
	}
	if c.screen.Terminal() {
		before := c.shown
		if !c.any {
			before = View{}
		}
		c.screen.Draw(Frame(now, before, c.screen.Size(), c.colour))
	} else {
		for _, line := range Lines(now, c.shown, tellRows) {
			fmt.Fprintln(c.screen, line)
		}
	}
	c.shown, c.any = now, c.any || err == nil
}

// rate sets the view's rate from those before; what is told of too short a time is none.
func (c *Console) rate(now *View) {
	c.past = append(c.past, mark{time.Now(), now.rows()})
	c.past = c.past[max(0, len(c.past)-rateOver-1):]
	first, last := c.past[0], c.past[len(c.past)-1]
	now.Rate = c.shown.Rate
	if took := last.at.Sub(first.at); took >= drawEvery {
		now.Rate = max(0, int64(float64(last.rows-first.rows)/took.Seconds()))
	}
}
