package kit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hamba/avro/v2"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
)

// Registry is a schema registry in this process, with what it has been given in memory. As
// Confluent's does, it answers 409 to a schema that its subject's level of compatibility
// (by default BACKWARD) does not allow; another implementation of Avro than the program's
// decides that.
type Registry struct {
	*srfake.Registry
	addr   string
	server *http.Server

	mu    sync.Mutex
	calls []string // method and path of every request
}

// NewRegistry starts one. It ends with the test.
func NewRegistry(t testing.TB) *Registry {
	t.Helper()
	r := &Registry{Registry: srfake.NewRegistry(), addr: FreeAddress(t)}
	r.Intercept(r.judge)
	r.Start(t)
	t.Cleanup(func() { r.Stop(t) })
	return r
}

// URL is where the registry is, or was until it was stopped.
func (r *Registry) URL() string { return "http://" + r.addr }

// Start lets the registry answer, at the address that it had before.
func (r *Registry) Start(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp", r.addr)
	if err != nil {
		t.Fatal("kit: schema registry:", err)
	}
	server := &http.Server{Handler: r.Handler(), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }()
	r.server = server
}

// Stop lets nobody reach the registry, which keeps what it has.
func (r *Registry) Stop(t testing.TB) {
	t.Helper()
	if err := r.server.Close(); err != nil {
		t.Error("kit: schema registry:", err)
	}
}

// Calls are the requests so far, each a method and a path.
func (r *Registry) Calls() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.calls...)
}

// Client is one of the registry.
func (r *Registry) Client(t testing.TB) *sr.Client {
	t.Helper()
	c, err := sr.NewClient(sr.URLs(r.URL()))
	if err != nil {
		t.Fatal("kit: schema registry:", err)
	}
	return c
}

// judge answers in place of the fake where a schema has to be compatible.
func (r *Registry) judge(w http.ResponseWriter, req *http.Request) bool {
	if req.RemoteAddr != "" { // else it is our own question
		r.mu.Lock()
		r.calls = append(r.calls, req.Method+" "+req.URL.Path)
		r.mu.Unlock()
	}
	path := strings.Split(strings.Trim(req.URL.Path, "/"), "/")
	asked := path[0] == "compatibility"
	if asked {
		path = path[1:]
	}
	if req.Method != http.MethodPost || len(path) < 3 || path[0] != "subjects" || path[2] != "versions" {
		return false
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return false
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	subject := path[1]
	if asked && !r.SubjectExists(subject) {
		return false
	}
	var s sr.Schema
	if err := json.Unmarshal(body, &s); err != nil {
		return false
	}
	err = r.compatible(subject, s.Schema)
	switch {
	case asked:
		answer := map[string]any{"is_compatible": err == nil}
		if err != nil && req.URL.Query().Get("verbose") == "true" {
			answer["messages"] = []string{err.Error()}
		}
		write(w, http.StatusOK, answer)
		return true
	case err != nil:
		write(w, http.StatusConflict, map[string]any{
			"error_code": sr.ErrIncompatibleSchema.Code,
			"message":    fmt.Sprintf("Schema being registered is incompatible with an earlier schema for subject %q, details: %v", subject, err),
		})
		return true
	}
	return false
}

func write(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

// compatible holds a schema against the latest version of its subject, or with a
// transitive level against all.
func (r *Registry) compatible(subject, text string) error {
	level := r.level(subject)
	if level == "NONE" {
		return nil
	}
	next, err := parseAvro(text)
	if err != nil {
		return err
	}
	var versions []string
	for v := 1; ; v++ {
		s, ok := r.GetSchema(subject, v)
		if !ok {
			break
		}
		if s.Schema.Schema == text {
			return nil
		}
		versions = append(versions, s.Schema.Schema)
	}
	if n := len(versions); n > 1 && !strings.HasSuffix(level, "_TRANSITIVE") {
		versions = versions[n-1:]
	}
	for _, v := range versions {
		last, err := parseAvro(v)
		if err != nil {
			return err
		}
		if !strings.HasPrefix(level, "FORWARD") {
			if err := avro.NewSchemaCompatibility().Compatible(next, last); err != nil {
				return fmt.Errorf("the new schema cannot read what the earlier one has written: %w", err)
			}
		}
		if !strings.HasPrefix(level, "BACKWARD") {
			if err := avro.NewSchemaCompatibility().Compatible(last, next); err != nil {
				return fmt.Errorf("the earlier schema cannot read what the new one writes: %w", err)
			}
		}
	}
	return nil
}

// level asks the fake for the subject's level.
func (r *Registry) level(subject string) string {
	answer := recorder{header: http.Header{}}
	req, err := http.NewRequest(http.MethodGet, "/config/"+subject, nil)
	if err != nil {
		return err.Error()
	}
	r.Handler().ServeHTTP(&answer, req)
	var config struct {
		Level string `json:"compatibilityLevel"`
	}
	if err := json.Unmarshal(answer.body.Bytes(), &config); err != nil || config.Level == "" {
		return "BACKWARD"
	}
	return config.Level
}

type recorder struct {
	header http.Header
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(int)             {}
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }

// parseAvro keeps named types to itself: two versions of a schema have the same names.
func parseAvro(text string) (avro.Schema, error) {
	return avro.ParseWithCache(text, "", &avro.SchemaCache{})
}
