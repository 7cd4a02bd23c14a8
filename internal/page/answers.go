package page

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	// maxStreams bounds the streams of events that are open at once.
	maxStreams = 200
	// pingEvery keeps a connection from looking idle.
	pingEvery = 15 * time.Second
	// writeWithin is how long a client may take to take what it is sent.
	writeWithin = 10 * time.Second
)

// snapshot answers with a snapshot as JSON.
func (p *Page) snapshot(w http.ResponseWriter, r *http.Request, s *source) {
	f, err := p.read(r.Context(), r.URL.Query(), s)
	if err != nil {
		refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(f.data)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(f.data) // the client may be gone
	}
}

func (p *Page) read(ctx context.Context, query url.Values, s *source) (frame, error) {
	t, err := s.acquire(query)
	if err != nil {
		return frame{}, err
	}
	defer s.release(t)
	ctx, cancel := p.until(ctx)
	defer cancel()
	f, err := t.get(ctx, readEvery)
	if err == nil && s.name == "sales" {
		p.seen.Store(true)
	}
	return f, err
}

// until is a context that ends with the page, too.
func (p *Page) until(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(p.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

// refuse answers with an error.
func refuse(w http.ResponseWriter, err error) {
	status := http.StatusServiceUnavailable
	if errors.Is(err, ErrQuery) {
		status = http.StatusBadRequest
	}
	data, _ := json.Marshal(map[string]string{"error": err.Error()}) // strings always can be
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(data) // the client may be gone
}

// health answers 200 once the database has been read, by whomever.
func (p *Page) health(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if s := p.sources["sales"]; s != nil && !p.seen.Load() {
		if _, err := p.read(r.Context(), nil, s); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte(err.Error() + "\n"))
			return
		}
	}
	_, _ = w.Write([]byte("ok\n"))
}

// events answers with a stream of server-sent events: a snapshot at once, and again
// whenever it has changed.
func (p *Page) events(w http.ResponseWriter, r *http.Request, s *source) {
	if p.streams.Add(1) > maxStreams {
		p.streams.Add(-1)
		refuse(w, errBusy)
		return
	}
	defer p.streams.Add(-1)
	t, err := s.acquire(r.URL.Query())
	if err != nil {
		refuse(w, err)
		return
	}
	defer s.release(t)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // or nginx gathers events
	if r.Method == http.MethodHead {
		return
	}
	ctx, cancel := p.until(r.Context())
	defer cancel()
	l := t.listen()
	defer t.leave(l)
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	out := http.NewResponseController(w)
	send := func(text []byte) bool {
		// One that takes nothing is dropped; its own goroutine is all that waited.
		if err := out.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
			return false
		}
		if _, err := w.Write(text); err != nil {
			return false
		}
		return out.Flush() == nil
	}
	if !send([]byte("retry: 1000\n\n")) {
		return
	}
	for {
		var text []byte
		select {
		case <-ctx.Done():
			return
		case <-l.wake:
			f := t.current()
			if s.name == "sales" && !f.trouble {
				p.seen.Store(true)
			}
			text = f.event()
		case <-ping.C:
			text = []byte(": ping\n\n")
		}
		if !send(text) {
			return
		}
	}
}

// event is a frame as it is sent. JSON has no line breaks outside of strings, and escapes
// them inside.
func (f frame) event() []byte {
	text := make([]byte, 0, len(f.data)+64)
	if f.trouble {
		text = append(text, "event: trouble\ndata: "...)
	} else {
		text = append(text, "event: snapshot\nid: "+f.version+"\ndata: "...)
	}
	text = append(text, f.data...)
	return append(text, "\n\n"...)
}
