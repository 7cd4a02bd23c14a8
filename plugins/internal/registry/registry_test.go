package registry

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/sr"

	"github.com/tidemark-streams/tidemark/plugins/internal/host"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

const (
	v1       = `{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}`
	v2       = `{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"string","default":"x"}]}`
	demands  = `{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"string"}]}`
	patience = time.Minute
)

func at(t testing.TB, urls string) *Registry {
	t.Helper()
	r, err := newRegistry(parsed(t, "url: "+urls), service.MockResources().Logger(), func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func parsed(t testing.TB, block string) Config {
	t.Helper()
	c, err := parseText(block)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func parseText(block string) (Config, error) {
	conf, err := service.NewConfigSpec().Field(Field("")).ParseYAML("schema_registry: { "+block+" }", nil)
	if err != nil {
		return Config{}, err
	}
	return Parse(conf)
}

// seed registers a schema and returns its id.
func seed(t testing.TB, k *kit.Registry, subject, schema string) uint32 {
	t.Helper()
	id, err := k.Client(t).RegisterSchema(t.Context(), subject, sr.Schema{Schema: schema}, -1, -1)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(id)
}

func TestParse(t *testing.T) {
	c := parsed(t, `url: "http://ann:secret@one:8081, https://two/path"`)
	if c.address() != "http://one:8081, https://two/path" || c.user != "ann" || c.password != "secret" || !c.Enabled() {
		t.Errorf("%+v", c)
	}
	if c := parsed(t, `url: ""`); c.Enabled() {
		t.Errorf("%+v", c)
	}
	for _, block := range []string{`url: "localhost:8081"`, `url: "ftp://x"`, `url: "http://"`, `url: "http://x", username: u, bearer_token: t`} {
		if _, err := parseText(block); err == nil || !strings.HasPrefix(err.Error(), "schema_registry.") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", block, err)
		}
	}
}

func TestRegister(t *testing.T) {
	k := kit.NewRegistry(t)
	r := at(t, k.URL())
	one := seed(t, k, "a-value", v1)
	a, b := Subject{"a", "a-value", v1}, Subject{"b", "b-value", v1}
	ids, err := r.Register(t.Context(), []Subject{a, b}, true)
	if err != nil || uint32(ids[0]) != one || ids[1] == 0 || !k.SubjectExists("b-value") {
		t.Fatal(ids, err)
	}
	a.Schema = v2
	next, err := r.Register(t.Context(), []Subject{a, b}, true)
	if err != nil || next[0] == ids[0] || next[1] != ids[1] {
		t.Fatal(next, err)
	}
}

// TestRegisterRefused: an error names topic, subject and reason, and nothing is registered,
// of the topics before it either.
func TestRegisterRefused(t *testing.T) {
	for name, c := range map[string]struct {
		schema   string
		register bool
		want     string
	}{
		"incompatible": {demands, true, "the schema is not compatible: the new schema cannot read what the earlier one has written"},
		"no schema":    {`{"type":"nonesuch"}`, true, "the schema"},
		"absent":       {v2, false, "the schema is not registered, and auto_register is off"},
	} {
		t.Run(name, func(t *testing.T) {
			k := kit.NewRegistry(t)
			seed(t, k, "z-value", v1)
			_, err := at(t, k.URL()).Register(t.Context(), []Subject{{"a", "a-value", v1}, {"z", "z-value", c.schema}}, c.register)
			if err == nil || !host.Refused(err) || strings.Contains(err.Error(), "\n") {
				t.Fatal(err)
			}
			if name != "absent" && !strings.HasPrefix(err.Error(), "topic z, subject z-value: schema registry at "+k.URL()+": ") || !strings.Contains(err.Error(), c.want) {
				t.Error(err)
			}
			if _, ok := k.GetSchema("z-value", 2); ok || k.SubjectExists("a-value") {
				t.Error("a schema is registered")
			}
		})
	}
}

// TestRegisterWaits: a registry that is away, or fails, is asked until it answers.
func TestRegisterWaits(t *testing.T) {
	k := kit.NewRegistry(t)
	var failures atomic.Int32
	k.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		switch failures.Add(1) {
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 2:
			http.NotFound(w, nil) // not one of its own
		case 3:
			http.Error(w, `{"error_code":50001,"message":"no leader"}`, http.StatusInternalServerError)
		default:
			return false
		}
		return true
	})
	k.Stop(t)
	type result struct {
		ids []int
		err error
	}
	done := make(chan result, 1)
	go func() {
		ids, err := at(t, k.URL()).Register(t.Context(), []Subject{{"a", "a-value", v1}}, true)
		done <- result{ids, err}
	}()
	select {
	case r := <-done:
		t.Fatal(r)
	case <-time.After(300 * time.Millisecond):
	}
	k.Start(t)
	select {
	case r := <-done:
		if r.err != nil || r.ids[0] == 0 {
			t.Error(r)
		}
	case <-time.After(patience):
		t.Fatal("it does not go on")
	}
	k.Stop(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := at(t, k.URL()).Register(ctx, []Subject{{"a", "a-value", v1}}, true); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	k.Start(t)
}

// TestSecondURL: where one server of a registry is away, another is asked.
func TestSecondURL(t *testing.T) {
	away, k := kit.NewRegistry(t), kit.NewRegistry(t)
	away.Stop(t)
	defer away.Start(t)
	id := seed(t, k, "a-value", v1)
	ids, err := at(t, `"`+away.URL()+","+k.URL()+`"`).Register(t.Context(), []Subject{{"a", "a-value", v1}}, false)
	if err != nil || uint32(ids[0]) != id {
		t.Error(ids, err)
	}
}

// TestAuthentication: a registry that refuses who asks ends the stream.
func TestAuthentication(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		user, password, _ := req.BasicAuth()
		if user != "ann" || password != "right" {
			w.WriteHeader(http.StatusUnauthorized)
			_ = json.NewEncoder(w).Encode(map[string]any{"error_code": 40101, "message": "no such user"})
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"id": 5})
	}))
	defer s.Close()
	as := func(password string) string { return strings.Replace(s.URL, "//", "//ann:"+password+"@", 1) }
	if ids, err := at(t, as("right")).Register(t.Context(), []Subject{{"a", "a-value", v1}}, true); err != nil || ids[0] != 5 {
		t.Error(ids, err)
	}
	_, err := at(t, as("wrong")).Register(t.Context(), []Subject{{"a", "a-value", v1}}, true)
	if err == nil || !host.Refused(err) || !strings.Contains(err.Error(), "no such user (401)") || strings.Contains(err.Error(), "wrong") {
		t.Error(err)
	}
	failed := make(chan error, 1)
	r, err := newRegistry(parsed(t, "url: "+as("wrong")), service.MockResources().Logger(), func(err error) { failed <- err })
	if err != nil {
		t.Fatal(err)
	}
	f := r.Fetcher()
	f.Need(1)
	select {
	case err := <-failed:
		if !strings.Contains(err.Error(), "no such user (401)") {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("the stream goes on")
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// needed waits until what a fetcher was asked for is settled.
func needed(t testing.TB, f *Fetcher, id uint32) {
	t.Helper()
	ready := make(chan struct{}, 1)
	f.Notify(func() {
		select {
		case ready <- struct{}{}:
		default:
		}
	})
	for !f.Need(id) {
		select {
		case <-ready:
		case <-time.After(patience):
			t.Fatal("nothing comes")
		}
	}
}

func TestFetch(t *testing.T) {
	k := kit.NewRegistry(t)
	r := at(t, k.URL())
	f := r.Fetcher()
	defer f.Close()
	id := seed(t, k, "a-value", v1)
	const other = 77
	k.SeedSchema("p-value", 1, other, sr.Schema{Schema: `syntax = "proto3";`, Type: sr.TypeProtobuf})
	needed(t, f, id)
	if w, err := r.Writer(id); err != nil || w.Name != "R" {
		t.Error(w, err)
	}
	needed(t, f, other)
	if _, err := r.Writer(other); err == nil || errors.Is(err, ErrAbsent) || !strings.Contains(err.Error(), "not of Avro") {
		t.Error(err)
	}
	needed(t, f, 999)
	if _, err := r.Writer(999); !errors.Is(err, ErrAbsent) {
		t.Error(err)
	}
	asked := 0
	for _, call := range k.Calls() {
		if call == "GET /schemas/ids/999" {
			asked++
		}
	}
	if asked != absentTries {
		t.Errorf("asked %d times for what is absent", asked)
	}
	// Another task has what one has fetched, also when the registry is away.
	k.Stop(t)
	defer k.Start(t)
	g := r.Fetcher()
	defer g.Close()
	if !g.Need(id) {
		t.Error("it is fetched again")
	}
	if g.Need(id + 100) {
		t.Error("it is there though nobody could tell")
	}
}
