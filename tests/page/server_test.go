package page

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

// server is a running "tidemark serve".
type server struct {
	*world
	address string // host:port
	process **kit.Process
	life    testing.TB // the process ends with it
}

// serve starts the page, and returns when it tells of the database.
func (w *world) serve() *server {
	w.Helper()
	s := &server{world: w, address: kit.FreeAddress(w), process: new(*kit.Process), life: w}
	s.start()
	return s
}

// start starts it on its address.
func (s *server) start() {
	s.Helper()
	process := kit.Start(s.life, s.command("serve", "--address", s.address))
	*s.process = process
	kit.Eventually(s, patience, func() (bool, string) {
		if !process.Running() {
			s.Fatalf("serve has ended: %s", process.Output())
		}
		r := s.request(http.MethodGet, "/healthz", s.address)
		return r.status == http.StatusOK, r.body
	})
}

// kill ends it as a crash would.
func (s *server) kill() {
	s.Helper()
	(*s.process).Signal(s, syscall.SIGKILL)
	(*s.process).Wait(s, patience)
}

// answer is what a request came to; status 0 when nobody answered.
type answer struct {
	status int
	header http.Header
	body   string
}

// request asks for a path under a name of the host. Of a stream without end it reads the
// first event.
func (s *server) request(method, path, host string) answer {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+s.address+path, http.NoBody)
	if err != nil {
		s.Fatal(err)
	}
	req.Host = host
	resp, err := http.DefaultTransport.RoundTrip(req) // no redirects
	if err != nil {
		return answer{body: err.Error()}
	}
	defer resp.Body.Close()
	got := answer{status: resp.StatusCode, header: resp.Header}
	if resp.Header.Get("Content-Type") == "text/event-stream" {
		first := make([]byte, 64)
		n, err := io.ReadAtLeast(resp.Body, first, 1)
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			s.Fatalf("%s: %v", path, err)
		}
		got.body = string(first[:n])
		return got
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.Fatalf("%s: %v", path, err)
	}
	got.body = string(body)
	return got
}

// snapshot is the part of the analyst's snapshot that says what it is about.
type snapshot struct {
	Bucket string
	Range  struct {
		Name     string
		From, To time.Time
	}
	DataTime *time.Time `json:"data_time"`
	Extent   struct{ From, To *time.Time }
	Ended    bool
}

// api is the analyst's snapshot with these parameters.
func (s *server) api(query string) snapshot {
	s.Helper()
	r := s.request(http.MethodGet, "/api/sales?"+query, s.address)
	if r.status != http.StatusOK {
		s.Fatalf("%s: %d %s", query, r.status, r.body)
	}
	var got snapshot
	if err := json.Unmarshal([]byte(r.body), &got); err != nil {
		s.Fatalf("%v: %s", err, r.body)
	}
	return got
}

func (s *server) port() string {
	s.Helper()
	_, port, err := net.SplitHostPort(s.address)
	if err != nil {
		s.Fatal(err)
	}
	return port
}
