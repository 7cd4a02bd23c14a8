package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// manual is a watcher of a temporary folder whose time is told, with the streams and the
// log that it leaves.
type manual struct {
	*testing.T
	*watcher
	dir     string
	now     time.Time
	streams map[string]string // what the streams are made of
	asked   []string          // since the last look at it
	lost    int               // requests to lose yet
	log     strings.Builder
}

// A config is sound for the fake unless it says otherwise.
const (
	badLint  = "lint"  // has two lint errors
	badYAML  = "yaml"  // is none
	badParts = "parts" // cannot be made
)

func newManual(t *testing.T, files ...string) *manual {
	m := &manual{T: t, dir: t.TempDir(), now: time.Unix(0, 0), streams: map[string]string{}}
	for i := 0; i < len(files); i += 2 {
		m.write(files[i], files[i+1])
	}
	m.watcher = &watcher{paths: []string{m.dir}, streams: m, lint: fakeLint, log: service.NewLoggerFromSlog(slog.New(slog.NewTextHandler(&m.log, nil)))}
	if err := m.begin(); err != nil {
		t.Fatal(err)
	}
	for id, f := range m.files {
		m.streams[id] = string(f.text)
	}
	return m
}

func fakeLint(text []byte) ([]service.Lint, error) {
	switch string(text) {
	case badLint:
		return []service.Lint{{Line: 3, Column: 5, What: "one"}, {Line: 4, Column: 1, What: "other"}}, nil
	case badYAML:
		return nil, errors.New("no YAML")
	}
	return nil, nil
}

func (m *manual) hear(ask, id string) error {
	m.asked = append(m.asked, ask+" "+id)
	if m.lost > 0 {
		m.lost--
		return errors.New("connection refused")
	}
	return nil
}

func (m *manual) create(_ context.Context, id string, text []byte) error {
	if err := m.hear("create", id); err != nil {
		return err
	}
	if _, there := m.streams[id]; there {
		return &refusal{http.StatusBadRequest, "Stream already exists"}
	}
	if string(text) == badParts {
		return &refusal{http.StatusBadGateway, "no such schema"}
	}
	m.streams[id] = string(text)
	return nil
}

func (m *manual) update(_ context.Context, id string, text []byte) error {
	if err := m.hear("update", id); err != nil {
		return err
	}
	if _, there := m.streams[id]; !there {
		return &refusal{http.StatusNotFound, "Stream not found"}
	}
	delete(m.streams, id)
	if string(text) == badParts {
		return &refusal{http.StatusBadGateway, "no such schema"}
	}
	m.streams[id] = string(text)
	return nil
}

func (m *manual) remove(_ context.Context, id string) error {
	if err := m.hear("remove", id); err != nil {
		return err
	}
	if _, there := m.streams[id]; !there {
		return &refusal{http.StatusNotFound, "Stream not found"}
	}
	delete(m.streams, id)
	return nil
}

func (m *manual) path(name string) string { return filepath.Join(m.dir, name) }

func (m *manual) write(name, text string) {
	m.Helper()
	if err := os.MkdirAll(filepath.Dir(m.path(name)), 0o755); err != nil {
		m.Fatal(err)
	}
	if err := os.WriteFile(m.path(name), []byte(text), 0o600); err != nil {
		m.Fatal(err)
	}
}

func (m *manual) rename(from, to string) {
	m.Helper()
	if err := os.Rename(m.path(from), m.path(to)); err != nil {
		m.Fatal(err)
	}
}

func (m *manual) delete(name string) {
	m.Helper()
	if err := os.Remove(m.path(name)); err != nil {
		m.Fatal(err)
	}
}

// passes lets time go by, with a look every 50 ms.
func (m *manual) passes(d time.Duration) {
	for end := m.now.Add(d); m.now.Before(end); {
		m.now = m.now.Add(lookEvery)
		m.look(m.Context(), m.now)
	}
}

// expect compares what the watcher has asked for since the last time.
func (m *manual) expect(asked ...string) {
	m.Helper()
	if !slices.Equal(m.asked, asked) {
		m.Fatalf("asked %q, want %q\n%s", m.asked, asked, &m.log)
	}
	m.asked = nil
}

// runs makes sure of what a stream is made of: "" for none.
func (m *manual) runs(id, text string) {
	m.Helper()
	if m.streams[id] != text {
		m.Fatalf("%s is made of %q, want %q\n%s", id, m.streams[id], text, &m.log)
	}
}

// says makes sure that one line of this level and message has all the fields.
func (m *manual) says(level, message string, fields ...string) {
	m.Helper()
	n := 0
	for line := range strings.Lines(m.log.String()) {
		all := strings.Contains(line, fmt.Sprintf(" level=%s msg=%q", level, message))
		for _, f := range fields {
			all = all && strings.Contains(line, " "+strings.ReplaceAll(f, "DIR", m.dir))
		}
		if all {
			n++
		}
	}
	if n != 1 {
		m.Fatalf("%d lines of %q with %q\n%s", n, message, fields, &m.log)
	}
}

func TestWatcherFollowsItsFiles(t *testing.T) {
	m := newManual(t, "a.yaml", "1", "b.yml", "1", "sub/c.yaml", "1", "a_benthos_test.yaml", "1", "notes.txt", "1")
	m.passes(time.Second)
	m.expect()
	m.write("a.yaml", "12")
	m.passes(time.Second)
	m.expect("update a")
	m.says("INFO", "Stream runs anew: its file has changed", "stream=a", "file=DIR/a.yaml")
	m.write("a.yaml", "12") // the same again
	m.write("notes.txt", "2")
	m.passes(time.Second)
	m.expect()
	m.write("sub/.new", "123")
	m.rename("sub/.new", "sub/c.yaml")
	m.passes(time.Second)
	m.expect("update sub_c")
	m.runs("sub_c", "123")
	m.delete("b.yml")
	m.passes(time.Second)
	m.expect("remove b")
	m.says("INFO", "Stream is removed: its file is gone", "stream=b", "file=DIR/b.yml")
	m.write("b.yml", "1")
	m.passes(time.Second)
	m.expect("update b", "create b")
	m.runs("b", "1")
	m.rename("b.yml", "z.yml")
	m.passes(time.Second)
	m.expect("remove b", "update z", "create z")
	m.rename("z.yml", "a1.yml") // the name that comes first does not go first
	m.passes(time.Second)
	m.expect("remove z", "update a1", "create a1")
}

func TestWatcherWaitsUntilAFileSettles(t *testing.T) {
	m := newManual(t, "a.yaml", "")
	for i := range 10 {
		m.write("a.yaml", strings.Repeat("x", i+1))
		m.passes(lookEvery)
	}
	m.expect()
	m.delete("a.yaml")
	m.passes(lookEvery)
	m.write("a.yaml", "whole")
	m.passes(settling)
	m.expect()
	m.passes(lookEvery)
	m.expect("update a")
	m.runs("a", "whole")
}

func TestWatcherLeavesStreamsWhoseFilesAreWrong(t *testing.T) {
	m := newManual(t, "a.yaml", "1", "b.yaml", "1")
	m.write("a.yaml", badLint)
	m.write("b.yaml", badYAML)
	m.passes(time.Second)
	m.expect()
	m.says("ERROR", "Stream has a lint error", `error="DIR/a.yaml(3,5) one"`)
	m.says("ERROR", "Stream has a lint error", `error="DIR/a.yaml(4,1) other"`)
	m.says("ERROR", "Stream is left as it is", "stream=a", "file=DIR/a.yaml", `error="its file has lint errors"`)
	m.says("ERROR", "Stream is left as it is", "stream=b", "file=DIR/b.yaml", `error="no YAML"`)
	m.chilled = true
	m.write("b.yaml", badLint)
	m.passes(time.Second)
	m.expect("update b")
	m.says("WARN", "Stream has a lint error", `error="DIR/b.yaml(3,5) one"`)
}

func TestWatcherPutsBackWhatCanBeMade(t *testing.T) {
	m := newManual(t, "a.yaml", "1")
	m.write("a.yaml", badParts)
	m.passes(time.Second)
	m.expect("update a", "create a")
	m.runs("a", "1")
	m.says("ERROR", "Stream runs as it did before", "stream=a", "file=DIR/a.yaml", `error="no such schema"`)
	m.write("a.yaml", "2")
	m.passes(time.Second)
	m.expect("update a")
	m.runs("a", "2")
	delete(m.streams, "a") // by a request
	m.write("a.yaml", badParts)
	m.passes(time.Second)
	m.expect("update a", "create a")
	m.runs("a", "")
	m.says("ERROR", "Stream does not run", "stream=a", "file=DIR/a.yaml", `error="no such schema"`)
	m.write("n.yaml", badParts)
	m.passes(time.Second)
	m.expect("update n", "create n")
	m.says("ERROR", "Stream does not run", "stream=n", "file=DIR/n.yaml", `error="no such schema"`)
}

func TestWatcherSendsLostRequestsAgain(t *testing.T) {
	m := newManual(t, "a.yaml", "1", "b.yaml", "1")
	m.write("a.yaml", "2")
	m.delete("b.yaml")
	m.lost = 4
	m.passes(lookEvery + settling)
	m.expect("remove b")
	m.passes(5 * time.Second)
	m.expect("update a", "remove b", "update a", "remove b", "update a")
	m.runs("a", "2")
	m.runs("b", "")
	m.says("WARN", "What was done to the file is tried again", "stream=a", "file=DIR/a.yaml", `error="connection refused"`)
	m.lost = 1 << 30
	m.write("a.yaml", "34")
	m.passes(time.Minute)
	if n := len(m.asked); n < 8 || n > 14 {
		t.Errorf("%d requests in a minute", n)
	}
}

// Of a folder that cannot be read nobody knows that files are gone.
func TestWatcherRemovesNothingThatItCannotSee(t *testing.T) {
	m := newManual(t, "a.yaml", "1")
	m.paths = append(m.paths, "[")
	m.delete("a.yaml")
	m.passes(time.Second)
	m.expect()
	m.says("ERROR", "Streams are left as they are", `error="[: syntax error in pattern"`)
}

func TestFindStreamsByAllKindsOfArguments(t *testing.T) {
	m := newManual(t, "a.yaml", "", "x/b.yaml", "", "x/y/c.yml", "", "x/plain", "", "x/b_benthos_test.yaml", "")
	for _, c := range []struct {
		args string
		want string
	}{
		{"", "a x_b x_y_c"},
		{"x", "b y_c"},
		{"x/b.yaml a.yaml", "a b"},
		{"x/plain x/b_benthos_test.yaml", "b_benthos_test plain"},
		{"*.yaml", "a"},
		{"x/*", "b b_benthos_test c plain"}, // files that were named, and a folder
		{"none.yaml", ""},
	} {
		var args []string
		for _, arg := range strings.Split(c.args, " ") {
			args = append(args, m.path(arg))
		}
		found, err := findStreams(args)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for id := range found {
			ids = append(ids, id)
		}
		slices.Sort(ids)
		if got := strings.Join(ids, " "); got != c.want {
			t.Errorf("%s: %s, want %s", c.args, got, c.want)
		}
	}
}
