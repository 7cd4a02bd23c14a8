package page_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/tidemark-streams/tidemark/internal/page"
)

// fake is a source that counts how often it is read.
type fake struct {
	mu    sync.Mutex
	value string
	err   error
	slow  time.Duration
	reads int
}

func (f *fake) set(value string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.value, f.err = value, err
}

func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reads
}

func (f *fake) Canonical(q url.Values) (url.Values, error) {
	if q.Get("range") == "bad" {
		return nil, fmt.Errorf("%w: range", page.ErrQuery)
	}
	return url.Values{"range": {q.Get("range")}}, nil
}

func (f *fake) Snapshot(ctx context.Context, q url.Values) (any, error) {
	f.mu.Lock()
	f.reads++
	value, err, slow := f.value, f.err, f.slow
	f.mu.Unlock()
	if slow > 0 {
		select {
		case <-time.After(slow):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return struct {
		AsOf  time.Time `json:"as_of"`
		Value string    `json:"value"`
		Range string    `json:"range"`
	}{time.Now(), value, q.Get("range")}, err
}

var files = fstest.MapFS{
	"index.html":         {Data: []byte("<!doctype html><title>T</title>")},
	"js/main.js":         {Data: []byte("export {};")},
	"vendor/uplot/x.css": {Data: []byte("a{}")},
	"vendor/LICENSE":     {Data: []byte("MIT")},
}

func TestRequests(t *testing.T) {
	sales := &fake{value: "v"}
	p, err := page.New(t.Context(), page.Options{Sales: sales, Assets: files, Loopback: true})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(method, target string, change func(*http.Request)) *http.Response {
		r := httptest.NewRequest(method, target, nil)
		r.Host = "localhost:4040"
		if change != nil {
			change(r)
		}
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		return w.Result()
	}
	for _, c := range []struct {
		method, target string
		status         int
		kind, body     string
	}{
		{"GET", "/", 200, "text/html; charset=utf-8", "<!doctype html><title>T</title>"},
		{"HEAD", "/", 200, "text/html; charset=utf-8", ""},
		{"GET", "/assets/js/main.js", 200, "text/javascript; charset=utf-8", "export {};"},
		{"GET", "/assets/vendor/uplot/x.css", 200, "text/css; charset=utf-8", "a{}"},
		{"GET", "/assets/vendor/LICENSE", 200, "text/plain; charset=utf-8", "MIT"},
		{"GET", "/assets/", 404, "", ""},
		{"GET", "/assets/js/", 404, "", ""},
		{"GET", "/assets/../page.go", 404, "", ""},
		{"GET", "/assets/missing.js", 404, "", ""},
		{"GET", "/index.html", 404, "", ""},
		{"POST", "/", 405, "", ""},
		{"DELETE", "/api/sales", 405, "", ""},
		{"OPTIONS", "/api/sales", 405, "", ""},
		{"GET", "/api/sales?range=1h", 200, "application/json", `"value":"v","range":"1h"}`},
		{"HEAD", "/api/sales?range=1h", 200, "application/json", ""},
		{"GET", "/api/sales?range=bad", 400, "application/json", `{"error":"bad query: range"}`},
		{"GET", "/events/sales?range=bad", 400, "application/json", `{"error":"bad query: range"}`},
		{"HEAD", "/events/sales", 200, "text/event-stream", ""},
		{"GET", "/api/streams", 404, "", ""},
		{"GET", "/events/streams", 404, "", ""},
		{"GET", "/healthz", 200, "text/plain; charset=utf-8", "ok\n"},
	} {
		got := ask(c.method, c.target, nil)
		body, err := io.ReadAll(got.Body)
		if err != nil {
			t.Fatal(err)
		}
		if got.StatusCode != c.status && (c.status != 404 || got.StatusCode != 301 && got.StatusCode != 307) {
			t.Errorf("%s %s: %s", c.method, c.target, got.Status)
		}
		if c.kind != "" && got.Header.Get("Content-Type") != c.kind {
			t.Errorf("%s %s is %q", c.method, c.target, got.Header.Get("Content-Type"))
		}
		if c.body != "" && !strings.HasSuffix(string(body), c.body) {
			t.Errorf("%s %s: %q", c.method, c.target, body)
		}
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
				"font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
			"X-Content-Type-Options": "nosniff",
			"Referrer-Policy":        "no-referrer",
		} {
			if got.Header.Get(name) != want {
				t.Errorf("%s %s: %s is %q", c.method, c.target, name, got.Header.Get(name))
			}
		}
		cache := "no-store"
		if c.status == 200 && (c.target == "/" || strings.HasPrefix(c.target, "/assets/")) {
			cache = "no-cache"
		}
		if got.Header.Get("Cache-Control") != cache {
			t.Errorf("%s %s may be kept: %q", c.method, c.target, got.Header.Get("Cache-Control"))
		}
	}

	etag := ask("GET", "/assets/js/main.js", nil).Header.Get("ETag")
	if got := ask("GET", "/assets/js/main.js", func(r *http.Request) { r.Header.Set("If-None-Match", etag) }); etag == "" || got.StatusCode != 304 {
		t.Errorf("with the same tag %q: %s", etag, got.Status)
	}
	for host, want := range map[string]int{
		"localhost": 200, "localhost:80": 200, "127.0.0.1:4040": 200, "[::1]:4040": 200, "[::1]": 200,
		"evil.example": 421, "evil.example:4040": 421, "localhost.evil.example": 421, "127.0.0.2": 421, "": 421,
	} {
		if got := ask("GET", "/api/sales", func(r *http.Request) { r.Host = host }); got.StatusCode != want {
			t.Errorf("host %q: %s, want %d", host, got.Status, want)
		}
	}
	open, err := page.New(t.Context(), page.Options{Sales: sales, Assets: files})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	open.ServeHTTP(w, httptest.NewRequest("GET", "http://shop.example/", nil))
	if w.Code != 200 {
		t.Errorf("beyond this machine another host is answered %d", w.Code)
	}
}

func TestTroubleAsJSON(t *testing.T) {
	sales := &fake{err: errors.New("Postgres at db:5432/shop: not reachable")}
	p, err := page.New(t.Context(), page.Options{Sales: sales, Assets: files})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(target string) (int, string) {
		w := httptest.NewRecorder()
		p.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
		return w.Code, w.Body.String()
	}
	if code, body := ask("/api/sales"); code != 503 || body != `{"error":"Postgres at db:5432/shop: not reachable"}` {
		t.Error(code, body)
	}
	if code, body := ask("/healthz"); code != 503 || body != "Postgres at db:5432/shop: not reachable\n" {
		t.Error(code, body)
	}
	sales.set("v", nil)
	if code, body := ask("/healthz"); code != 200 || body != "ok\n" {
		t.Error(code, body)
	}
	sales.set("", errors.New("away"))
	if code, _ := ask("/healthz"); code != 200 {
		t.Error("what was ready once is not any more: ", code)
	}
}

// site is a page on a network in memory, so that its time is that of a bubble.
type site struct {
	t      *testing.T
	dial   chan net.Conn
	closed chan struct{}
	once   sync.Once
	client *http.Client
	end    context.CancelFunc
	ended  chan error

	mu  sync.Mutex
	log []string
}

func (s *site) Accept() (net.Conn, error) {
	select {
	case c := <-s.dial:
		return c, nil
	case <-s.closed:
		return nil, net.ErrClosed
	}
}
func (s *site) Close() error   { s.once.Do(func() { close(s.closed) }); return nil }
func (s *site) Addr() net.Addr { return &net.TCPAddr{} }

func serve(t *testing.T, sales, streams page.Source) *site {
	s := &site{t: t, dial: make(chan net.Conn), closed: make(chan struct{}), ended: make(chan error, 1)}
	s.client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		select {
		case s.dial <- theirs:
			return ours, nil
		case <-s.closed:
			return nil, net.ErrClosed
		}
	}}}
	ctx, end := context.WithCancel(t.Context())
	s.end = end
	go func() {
		s.ended <- page.Serve(ctx, s, page.Options{Sales: sales, Streams: streams, Assets: files, Loopback: true, Log: func(line string) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.log = append(s.log, line)
		}})
	}()
	return s
}

func (s *site) stop() {
	s.end()
	if err := <-s.ended; err != nil {
		s.t.Error(err)
	}
}

func (s *site) logged() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

// follower reads a stream of events: its lines without the empty ones and as_of.
type follower struct {
	body io.ReadCloser
	mu   sync.Mutex
	got  []string
	over bool
}

func (s *site) follow(path string) *follower {
	s.t.Helper()
	got, err := s.client.Get("http://localhost" + path)
	if err != nil {
		s.t.Fatal(err)
	}
	if got.StatusCode != 200 || got.Header.Get("Content-Type") != "text/event-stream" {
		s.t.Fatalf("%s: %s", path, got.Status)
	}
	f := &follower{body: got.Body}
	go func() {
		lines := bufio.NewScanner(got.Body)
		for lines.Scan() {
			line := lines.Text()
			if head, rest, ok := strings.Cut(line, `{"as_of":"`); ok {
				line = head + "{" + rest[strings.IndexByte(rest, ',')+1:]
			}
			if line == "" || strings.HasPrefix(line, "id: ") {
				continue
			}
			f.mu.Lock()
			f.got = append(f.got, line)
			f.mu.Unlock()
		}
		f.mu.Lock()
		f.over = true
		f.mu.Unlock()
	}()
	return f
}

// take returns what has come since the last time.
func (f *follower) take() []string {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	got := f.got
	f.got = nil
	return got
}

func (f *follower) ended() bool {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.over
}

func (f *follower) leave() { _ = f.body.Close() }

func want(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func event(kind, data string) []string { return []string{"event: " + kind, "data: " + data} }

func snapshotEvent(value, r string) []string {
	return event("snapshot", fmt.Sprintf(`{"value":%q,"range":%q}`, value, r))
}

func TestEventsTellChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sales := &fake{value: "one"}
		s := serve(t, sales, nil)
		a := s.follow("/events/sales?range=1h")
		time.Sleep(100 * time.Millisecond)
		want(t, a.take(), append([]string{"retry: 1000"}, snapshotEvent("one", "1h")...)...)
		time.Sleep(10 * time.Second)
		want(t, a.take()) // as_of alone is no news
		sales.set("two", nil)
		time.Sleep(1100 * time.Millisecond)
		want(t, a.take(), snapshotEvent("two", "1h")...)
		time.Sleep(10 * time.Second)
		want(t, a.take(), ": ping")
		a.leave()
		s.stop()
	})
}

// All who ask the same share one reader, and nobody reads when nobody looks.
func TestEventsAreReadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sales := &fake{value: "one"}
		s := serve(t, sales, nil)
		time.Sleep(time.Minute)
		if sales.count() != 1 {
			t.Errorf("%d reads while nobody looks", sales.count())
		}
		var all []*follower
		for range 20 {
			all = append(all, s.follow("/events/sales?range=1h&bucket="))
		}
		time.Sleep(30 * time.Second)
		if n := sales.count(); n < 28 || n > 33 {
			t.Errorf("%d reads in half a minute", n)
		}
		for _, f := range all {
			if got := f.take(); len(got) < 3 {
				t.Errorf("a follower got %q", got)
			}
			f.leave()
		}
		// A write to who is gone finds out.
		sales.set("two", nil)
		time.Sleep(time.Minute)
		before := sales.count()
		time.Sleep(time.Minute)
		if sales.count() != before {
			t.Errorf("%d reads though all have left", sales.count()-before)
		}
		s.stop()
	})
}

func TestEventsTellTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sales := &fake{err: errors.New("away")}
		s := serve(t, sales, nil)
		a := s.follow("/events/sales?range=1h")
		time.Sleep(2 * time.Minute)
		var got []string
		for _, line := range a.take() {
			if line != ": ping" {
				got = append(got, line)
			}
		}
		want(t, got, append([]string{"retry: 1000"}, event("trouble", `{"message":"away"}`)...)...)
		if n := len(s.logged()); n < 3 || n > 6 {
			t.Errorf("%d lines in two minutes: %q", n, s.logged())
		}
		sales.set("back", nil)
		time.Sleep(6 * time.Second)
		want(t, a.take(), snapshotEvent("back", "1h")...)
		sales.set("", errors.New("away again"))
		time.Sleep(2 * time.Second)
		want(t, a.take(), event("trouble", `{"message":"away again"}`)...)
		b := s.follow("/events/sales?range=1h")
		want(t, b.take(), append([]string{"retry: 1000"}, event("trouble", `{"message":"away again"}`)...)...)
		sales.set("back", nil) // as before: it is told all the same
		time.Sleep(6 * time.Second)
		want(t, a.take(), snapshotEvent("back", "1h")...)
		want(t, b.take(), snapshotEvent("back", "1h")...)
		a.leave()
		b.leave()
		s.stop()
	})
}

// A database that takes a connection and does not answer is trouble, too.
func TestEventsTellSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		streams := &fake{value: "one", slow: 20 * time.Second}
		s := serve(t, nil, streams)
		a := s.follow("/events/streams?range=1h")
		time.Sleep(6 * time.Second)
		want(t, a.take(), append([]string{"retry: 1000"}, event("trouble", `{"message":"no answer for 5s"}`)...)...)
		time.Sleep(14100 * time.Millisecond)
		want(t, a.take(), append([]string{": ping"}, snapshotEvent("one", "1h")...)...)
		a.leave()
		s.stop()
	})
}

// Who takes nothing is dropped, and nobody waits for him.
func TestSlowFollower(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sales := &fake{value: "0"}
		s := serve(t, sales, nil)
		slow, err := s.client.Get("http://localhost/events/sales?range=1h")
		if err != nil {
			t.Fatal(err)
		}
		a := s.follow("/events/sales?range=1h")
		for i := range 30 {
			sales.set(fmt.Sprint(i), nil)
			time.Sleep(time.Second)
			if got := a.take(); len(got) < 2 {
				t.Errorf("second %d: got %q", i, got)
			}
		}
		if _, err := io.ReadAll(slow.Body); err == nil || !strings.Contains(err.Error(), "EOF") {
			t.Errorf("the slow one ends with %v", err)
		}
		a.leave()
		s.stop()
	})
}

func TestTooManyFollowers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, &fake{value: "0"}, nil)
		var all []*follower
		for range 200 {
			all = append(all, s.follow("/events/sales"))
		}
		got, err := s.client.Get("http://localhost/events/sales")
		if err != nil {
			t.Fatal(err)
		}
		_ = got.Body.Close()
		if got.StatusCode != 503 {
			t.Errorf("one more: %s", got.Status)
		}
		all[0].leave()
		time.Sleep(20 * time.Second) // a ping finds out
		all = append(all[1:], s.follow("/events/sales"))
		for _, f := range all {
			f.leave()
		}
		s.stop()
	})
}

func TestManyQueries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, &fake{value: "0"}, nil)
		ask := func(i int) int {
			got, err := s.client.Get(fmt.Sprintf("http://localhost/api/sales?range=%d", i))
			if err != nil {
				t.Fatal(err)
			}
			_ = got.Body.Close()
			return got.StatusCode
		}
		for i := range 200 { // those that nobody uses make room
			if code := ask(i); code != 200 {
				t.Fatalf("query %d: %d", i, code)
			}
		}
		var all []*follower
		for i := range 64 {
			all = append(all, s.follow(fmt.Sprintf("/events/sales?range=%d", i)))
		}
		if code := ask(100); code != 503 {
			t.Errorf("one query more: %d", code)
		}
		for _, f := range all {
			f.leave()
		}
		s.stop()
	})
}

// The end does not wait for who follows, nor for a read.
func TestServeEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sales, streams := &fake{value: "0"}, &fake{value: "0", slow: time.Hour}
		s := serve(t, sales, streams)
		a, b := s.follow("/events/sales"), s.follow("/events/streams")
		stuck, err := s.client.Get("http://localhost/events/sales") // and takes nothing
		if err != nil {
			t.Fatal(err)
		}
		sales.set("1", nil)
		time.Sleep(time.Second)
		begun := time.Now()
		s.stop()
		if took := time.Since(begun); took > time.Second { // of the bubble
			t.Errorf("the end took %v", took)
		}
		if !a.ended() || !b.ended() {
			t.Error("a stream of events is still open")
		}
		_ = stuck.Body.Close()
	})
}
