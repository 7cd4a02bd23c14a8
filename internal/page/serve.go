package page

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

const (
	// closeWithin is how long requests may take to end when the page ends.
	closeWithin = 500 * time.Millisecond
	// warmAfter is the first pause of the read that a page begins with.
	warmAfter = 200 * time.Millisecond
)

// Serve answers the requests that come to l until ctx ends, then it returns nil: streams
// of events end at once, other requests are given a moment. It closes l.
func Serve(ctx context.Context, l net.Listener, o Options) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p, err := New(ctx, o)
	if err != nil {
		_ = l.Close()
		return err
	}
	go p.warm()
	server := &http.Server{
		Handler:           p,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second, // requests have no bodies
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("the page: %w", err)
	case <-ctx.Done():
	}
	grace, done := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
	defer done()
	if err := server.Shutdown(grace); errors.Is(err, context.DeadlineExceeded) {
		_ = server.Close() // what is left is a client that takes nothing
	} else if err != nil {
		return fmt.Errorf("the page: %w", err)
	}
	return nil
}

// warm reads once, so that the first one who looks does not wait for what a first read
// takes longer for, and the operator hears at once where it cannot be read.
func (p *Page) warm() {
	s := p.sources["sales"]
	if s == nil {
		return
	}
	for pause := warmAfter; p.ctx.Err() == nil; pause = min(2*pause, lastPause) {
		if _, err := p.read(p.ctx, nil, s); err == nil {
			return
		}
		select {
		case <-p.ctx.Done():
		case <-time.After(pause):
		}
	}
}
