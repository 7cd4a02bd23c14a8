package cli

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHealth(t *testing.T) {
	well := true
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !well {
			http.Error(w, "input not connected\noutput not connected", http.StatusServiceUnavailable)
		}
	}))
	if err := askHealth(context.Background(), server.URL); err != nil {
		t.Error("of a process that is well:", err)
	}
	well = false
	err := askHealth(context.Background(), server.URL)
	if err == nil || !strings.HasSuffix(err.Error(), "503 Service Unavailable: input not connected output not connected") {
		t.Errorf("of one that is not: %v", err)
	}
	server.Close()
	if err := askHealth(context.Background(), server.URL); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("of one that is gone: %v", err)
	}
	if err := askHealth(context.Background(), "://"); err == nil {
		t.Error("an address that is none is taken")
	}
}
