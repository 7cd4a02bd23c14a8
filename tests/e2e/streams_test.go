package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

// streamer is a process in streams mode that watches a folder of configs.
type streamer struct {
	*pipeline
	process *kit.Process
	dir     string // of the configs
	address string // of the REST API
}

// shipped is the text of a shipped analytics stream.
func shipped(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(kit.Root(t), "streams", "analytics", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// change replaces pieces of a config, each of which has to be there once.
func change(t testing.TB, text string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if strings.Count(text, pairs[i]) != 1 {
			t.Fatalf("%q is not there once", pairs[i])
		}
		text = strings.Replace(text, pairs[i], pairs[i+1], 1)
	}
	return text
}

// newStreamer starts the shipped analytics streams of these names in streams mode.
func newStreamer(p *pipeline, env []string, names ...string) *streamer {
	p.Helper()
	s := &streamer{pipeline: p, dir: p.TempDir(), address: kit.FreeAddress(p)}
	for _, name := range names {
		s.save(name, shipped(p, name))
	}
	c := p.command("streams", "-w", "-o", debugging(p), s.dir)
	c.Env = append(append(c.Env, "TIDEMARK_HTTP_ADDRESS="+s.address), env...)
	s.process = kit.Start(p, c)
	for _, name := range names {
		s.awaitGeneration(name, 1)
	}
	return s
}

func (s *streamer) path(name string) string { return filepath.Join(s.dir, name+".yaml") }

// save puts a new text into the place of a stream's config, as editors do.
func (s *streamer) save(name, text string) {
	s.Helper()
	fresh := filepath.Join(s.TempDir(), "new")
	if err := os.WriteFile(fresh, []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
	if err := os.Rename(fresh, s.path(name)); err != nil {
		s.Fatal(err)
	}
}

// request asks the REST API.
func (s *streamer) request(method, path, body string) (status int, answer string) {
	s.Helper()
	req, err := http.NewRequestWithContext(s.Context(), method, "http://"+s.address+path, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// asks asks the REST API for something that has to be answered like that.
func (s *streamer) asks(method, path, body string, status int, says string) {
	s.Helper()
	if got, answer := s.request(method, path, body); got != status || !strings.Contains(answer, says) {
		s.Fatalf("%s %s: %d %s, want %d %s", method, path, got, answer, status, says)
	}
}

// active tells of each stream that there is whether it runs.
func (s *streamer) active() map[string]bool {
	s.Helper()
	_, answer := s.request(http.MethodGet, "/streams", "")
	var all map[string]struct{ Active bool }
	if err := json.Unmarshal([]byte(answer), &all); err != nil {
		s.Fatalf("%s: %v", answer, err)
	}
	active := map[string]bool{}
	for name, stream := range all {
		active[name] = stream.Active
	}
	return active
}

// awaitActive waits until a stream runs or does not.
func (s *streamer) awaitActive(name string, want bool) {
	s.Helper()
	kit.Eventually(s, patience, func() (bool, string) {
		active, there := s.active()[name]
		return active == want && (there || !want), name + " runs, or does not"
	})
}

// group is the consumer group of a shipped stream.
func group(name string) string { return "tidemark-" + strings.ReplaceAll(name, "_", "-") }

// generation is the lowest of a stream's three tasks: each reload adds one.
func (s *streamer) generation(name string) (n int64) {
	s.Helper()
	if err := s.pg.DB.QueryRowContext(s.Context(),
		"select case when count(*) = 3 then min(generation) else 0 end from tidemark_tasks where stream = $1", group(name)).Scan(&n); err != nil {
		s.Fatal(err)
	}
	return n
}

func (s *streamer) awaitGeneration(name string, n int64) {
	s.Helper()
	p := s.pipeline
	p.await(n, "select case when count(*) = 3 then min(generation) else 0 end from tidemark_tasks where stream = $1", group(name))
}

// says waits until the process has logged a line that holds all of parts.
func (s *streamer) says(parts ...string) {
	s.Helper()
	kit.Eventually(s, patience, func() (bool, string) {
		return mentions(s.process.Output(), parts...), "the log says " + strings.Join(parts, " … ")
	})
}

// untouched makes sure that something does not touch a stream: it is still the same run
// a while after what says that the thing is done.
func (s *streamer) untouched(names ...string) func() {
	s.Helper()
	before := map[string]int64{}
	for _, name := range names {
		before[name] = s.generation(name)
	}
	return func() {
		s.Helper()
		active := s.active()
		for _, name := range names {
			if now := s.generation(name); now != before[name] || !active[name] {
				s.Errorf("%s was disturbed: generation %d became %d, it runs: %v", name, before[name], now, active[name])
			}
		}
	}
}

// refresh is a while in which the watcher has noticed any change, and a commit is made.
const refresh = 2500 * time.Millisecond
