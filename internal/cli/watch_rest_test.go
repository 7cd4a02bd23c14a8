package cli

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestStreamsRESTAsksOnTheLoopback(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:4195": "http://127.0.0.1:4195",
		"0.0.0.0:4195":   "http://127.0.0.1:4195",
		":4195":          "http://127.0.0.1:4195",
		"[::]:4195":      "http://[::1]:4195",
		"localhost:80":   "http://localhost:80",
	} {
		if got := newStreamsREST(address).base; got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}

func TestStreamsRESTTellsRefusedFromLost(t *testing.T) {
	var asked string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		asked = r.Method + " " + r.URL.String() + " " + string(body)
		if r.Method == http.MethodPut {
			http.Error(w, "Error: failed to init input:\n  no such schema", http.StatusBadGateway)
		}
	}))
	defer server.Close()
	s := newStreamsREST(strings.TrimPrefix(server.URL, "http://"))
	if err := s.create(t.Context(), "a b", []byte("text")); err != nil {
		t.Error(err)
	}
	if want := "POST /streams/a%20b?chilled=true&timeout=30s text"; asked != want {
		t.Errorf("asked %q, want %q", asked, want)
	}
	err := s.update(t.Context(), "a", nil)
	if status(err) != http.StatusBadGateway || err.Error() != "failed to init input: no such schema" {
		t.Errorf("%d %v", status(err), err)
	}
	if err := s.remove(t.Context(), "a"); err != nil || !strings.HasPrefix(asked, "DELETE /streams/a?") {
		t.Errorf("%s %v", asked, err)
	}
	server.Close()
	if err := s.remove(t.Context(), "a"); err == nil || status(err) != 0 {
		t.Errorf("of a server that is gone: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.remove(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
