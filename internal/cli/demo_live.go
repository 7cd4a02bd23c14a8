package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// The pace of the live orders: twenty minutes of event time in a second, and nights cut
// short. It makes some three events a second of 20,000 orders of history, for a quarter of
// an hour.
const (
	liveSpeed = "1200"
	liveGap   = "500ms"
)

// live keeps the page until ctx ends, and its figures moving for as long as there are
// generated orders: streams that go on consume what is produced. One that dies takes
// nothing else with it, but is the run's error in the end.
func (d *demo) live(ctx context.Context) error {
	if d.own() {
		d.say("all orders are in: the page stays at %s until Ctrl-C", d.url)
		<-ctx.Done()
		return nil
	}
	d.say("live orders up to %s now, see %s; Ctrl-C ends it", liveEnd.Format(time.DateOnly), d.url)
	streams, err := d.start(ctx, os.Stderr, os.Stderr, "consume", "--no-console")
	if err != nil {
		return err
	}
	var said lastWords
	orders, err := d.start(ctx, &said, &said, d.replay(liveEnd, "--speed", liveSpeed, "--max-gap", liveGap)...)
	if err != nil {
		return err
	}
	return d.follow(ctx, streams, orders, &said)
}

// follow tells what becomes of the two processes, each once, and returns when ctx and both
// have ended.
func (d *demo) follow(ctx context.Context, streams, orders *child, said *lastWords) (failed error) {
	streamsEnd, ordersEnd := streams.ended, orders.ended
	for streamsEnd != nil || ordersEnd != nil || ctx.Err() == nil {
		stop := ctx.Done()
		if ctx.Err() != nil {
			stop = nil // wait for the others
		}
		select {
		case <-stop:
		case <-streamsEnd:
			streamsEnd = nil
			if ctx.Err() != nil {
				failed = errors.Join(failed, streams.err)
				break
			}
			err := streams.err
			if err == nil {
				err = errors.New("tidemark consume has ended")
			}
			failed = errors.Join(failed, err)
			d.say("%v: the figures stand still from here, the page stays until Ctrl-C", err)
		case <-ordersEnd:
			ordersEnd = nil
			switch {
			case orders.err != nil:
				err := orders.err
				if why := said.last(); why != "" {
					err = fmt.Errorf("%w: %s", err, why)
				}
				failed = errors.Join(failed, err)
				if ctx.Err() == nil {
					d.say("%v: no more orders come, the page stays until Ctrl-C", err)
				}
			case ctx.Err() == nil:
				d.say("the live orders are used up: the page stays as it is until Ctrl-C")
			}
		}
	}
	return failed
}

// lastWords keeps the last line that is written to it: why a process has failed. Progress
// before that is nobody's interest beside a page that shows it.
type lastWords struct{ text []byte }

// longestWord bounds what is kept.
const longestWord = 4 << 10

func (w *lastWords) Write(p []byte) (int, error) {
	w.text = append(w.text, p...)
	if end := bytes.LastIndexByte(bytes.TrimRight(w.text, "\r\n"), '\n'); end >= 0 {
		w.text = w.text[end+1:]
	}
	w.text = w.text[max(0, len(w.text)-longestWord):]
	return len(p), nil
}

// last is the line. The process must have ended.
func (w *lastWords) last() string {
	text := strings.TrimSpace(string(w.text))
	return strings.TrimSpace(text[strings.LastIndexByte(text, '\r')+1:])
}
