package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

// held is what the process holds on to: goroutines, open files, and memory that is in use
// once the collector has run.
type held struct{ goroutines, files, heap int }

func (s *streamer) holds() held {
	s.Helper()
	number := func(path, pattern string) int {
		s.Helper()
		_, answer := s.request(http.MethodGet, path, "")
		m := regexp.MustCompile(pattern).FindStringSubmatch(answer)
		if m == nil {
			s.Fatalf("%s does not tell %s", path, pattern)
		}
		n, err := strconv.Atoi(m[1])
		if err != nil {
			s.Fatal(err)
		}
		return n
	}
	http.DefaultClient.CloseIdleConnections()
	h := held{heap: number("/debug/pprof/heap?gc=1&debug=1", `# HeapAlloc = (\d+)`)}
	h.goroutines = number("/debug/pprof/goroutine?debug=1", `goroutine profile: total (\d+)`)
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.process.PID()))
	if err != nil {
		s.Skip("the system does not tell the open files: ", err)
	}
	h.files = len(files)
	return h
}

// Two hundred reloads of the funnel leave goroutines, open files and memory of the process
// where they were, with everything that is Benthos' own.
func TestReloadsLeaveNothing(t *testing.T) {
	const reloads = 200
	p := newPipeline(t, 3)
	p.produce(dataset(t), "--limit", "300")
	s := newStreamer(p, []string{"TIDEMARK_LOG_LEVEL=WARN"}, "funnel")
	p.await(1, counted)
	reload := func(n int) {
		for range n {
			generation := s.generation("funnel")
			s.asks(http.MethodPut, "/streams/funnel", shipped(t, "funnel"), http.StatusOK, "")
			for s.generation("funnel") == generation {
				if !s.process.Running() {
					t.Fatal("it has ended")
				}
			}
		}
	}
	settled := func(within func(held) bool) held {
		var h held
		kit.Eventually(t, patience/6, func() (bool, string) {
			h = s.holds()
			return within(h), fmt.Sprintf("it holds %+v", h)
		})
		return h
	}
	reload(reloads / 10)
	before := settled(func(held) bool { return true })
	reload(reloads)
	// A reload that was a moment ago is still ending.
	after := settled(func(h held) bool {
		return h.goroutines < before.goroutines+reloads/10 && h.files < before.files+reloads/10 && h.heap < before.heap+reloads*leftHeap
	})
	t.Logf("%d reloads: %+v became %+v", reloads, before, after)
}

// leftHeap is what a reload may leave of memory on average: noise, and far less than a
// client or a store.
const leftHeap = 32 << 10

// debugging is the shipped config of the process, with Benthos' debug endpoints.
func debugging(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(kit.Root(t), "configs", "tidemark.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "tidemark.yaml")
	if err := os.WriteFile(path, []byte(change(t, string(text), "http:\n", "http:\n  debug_endpoints: true\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
