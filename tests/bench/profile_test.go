package bench

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

// profiled gives the working folder for a run of Tidemark. Where a profile is asked
// for, it is a copy of the repository's configs with Benthos' debug endpoints on, and a
// profile of each second goes to a file; done ends that when the run has ended.
func (d *drains) profiled(run int) (dir string, done func()) {
	d.Helper()
	target := os.Getenv(profileEnv)
	if target == "" {
		return "", func() {}
	}
	dir = d.TempDir()
	for _, folder := range []string{"configs", "streams"} {
		if err := os.CopyFS(filepath.Join(dir, folder), os.DirFS(filepath.Join(kit.Root(d), folder))); err != nil {
			d.Fatal(err)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		d.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		d.Fatal(err)
	}
	service := strings.Replace(d.read("configs", "tidemark.yaml"), "${TIDEMARK_HTTP_ADDRESS:127.0.0.1:4195}",
		address+"\n  debug_endpoints: true", 1)
	if err := os.WriteFile(filepath.Join(dir, "configs", "tidemark.yaml"), []byte(service), 0o644); err != nil {
		d.Fatal(err)
	}
	ctx, cancel := context.WithCancel(d.Context())
	var wait sync.WaitGroup
	taken := 0
	wait.Go(func() {
		for ctx.Err() == nil {
			profile, err := fetchProfile(ctx, address)
			if err != nil {
				time.Sleep(20 * time.Millisecond) // not up yet, or gone
				continue
			}
			if err := os.WriteFile(filepath.Join(target, fmt.Sprintf("tidemark-%d-%d.pprof", run, taken)), profile, 0o644); err != nil {
				d.Errorf("profile: %v", err)
				return
			}
			taken++
		}
	})
	return dir, func() {
		cancel()
		wait.Wait()
		if taken == 0 {
			d.Error("the run was too short for a profile")
		}
	}
}

// fetchProfile takes a profile of a second; the one that the run's end interrupts is lost.
func fetchProfile(ctx context.Context, address string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/debug/pprof/profile?seconds=1", nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	profile, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, profile)
	}
	return profile, err
}
