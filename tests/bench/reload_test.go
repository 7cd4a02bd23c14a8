package bench

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-streams/tidemark/tests/bench/report"
	"github.com/tidemark-streams/tidemark/tests/kit"
)

// BenchmarkReload reloads the funnel while orders come in, with the state of the Olist
// orders, and measures from the request, or from when the changed file is there, to the
// first row of a window that had none, written by the stream's next run.
func BenchmarkReload(b *testing.B) {
	const reloads, day = 9, 1440
	s := newSite(b)
	dir, found := kit.FindOlist(b)
	if !found {
		dir = filepath.Join(b.TempDir(), "dataset")
		s.run("generate", "--orders", "8000", "--seed", "1", "--out", dir)
	}
	text, err := os.ReadFile(filepath.Join(kit.Root(b), "streams", "analytics", "funnel.yaml"))
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(b.TempDir(), "funnel.yaml")
	write := func(version int) {
		b.Helper()
		if err := os.WriteFile(path, fmt.Appendf(nil, "# version %d\n%s", version, text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	replace := func(version int) {
		b.Helper()
		fresh := path + ".new"
		if err := os.WriteFile(fresh, fmt.Appendf(nil, "# version %d\n%s", version, text), 0o600); err != nil {
			b.Fatal(err)
		}
		if err := os.Rename(fresh, path); err != nil {
			b.Fatal(err)
		}
	}
	write(0)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	put := func(int) {
		b.Helper()
		req, err := http.NewRequestWithContext(b.Context(), http.MethodPut, "http://"+address+"/streams/funnel", strings.NewReader(string(text)))
		if err != nil {
			b.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		defer resp.Body.Close()
		if answer, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
			b.Fatalf("%d %s", resp.StatusCode, answer)
		}
	}
	for range b.N {
		// A day of the data in a fifth of a second, but for the months in which there is next to nothing.
		producer := s.start("produce", "--dataset-dir", dir, "--speed", "400000", "--start-from", "2017-01-06", "--max-gap", "50ms")
		consumer := kit.Start(s, kit.Command{
			Args: []string{"streams", "-w", "-o", filepath.Join("configs", "tidemark.yaml"), path},
			Env:  append(s.env, "TIDEMARK_HTTP_ADDRESS="+address),
		})
		s.await(0)
		measure := func(reload func(version int)) float64 {
			var times []float64
			for i := range reloads {
				s.await(2 * day)
				times = append(times, 1000*s.progress().reload(func() { reload(i + 1) }).Seconds())
			}
			b.Log(times)
			return report.Median(times)
		}
		measured.Reload = &report.Reload{Request: measure(put), Written: measure(write), Replaced: measure(replace)}
		b.ReportMetric(measured.Reload.Request, "ms/reload-by-request")
		b.ReportMetric(measured.Reload.Written, "ms/reload-by-file-written")
		b.ReportMetric(measured.Reload.Replaced, "ms/reload-by-file-replaced")
		if !producer.Running() {
			b.Fatal("the producer was done before the last reload")
		}
		s.kill(producer)
		s.kill(consumer)
	}
}

// reload reloads the stream, and returns the time from there to its first row of a window
// that had none when the next run of all its tasks had begun.
func (p progress) reload(do func()) time.Duration {
	p.Helper()
	before := p.generation()
	began := time.Now()
	do()
	for p.generation() <= before {
		time.Sleep(glance)
	}
	newest := p.newest()
	for p.newest() <= newest {
		time.Sleep(glance)
	}
	return time.Since(began)
}

// generation is the lowest of the stream's tasks.
func (p progress) generation() (n int64) {
	p.Helper()
	query(p, p.pg, "select coalesce(min(generation), 0) from tidemark_tasks where stream = $1", []any{p.group}, &n)
	return n
}
