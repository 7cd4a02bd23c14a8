package embedpg

import (
	"bytes"
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tidemark-streams/tidemark/internal/pg"
)

// syncBuffer takes the server's log while the test reads it.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// openDir is a folder that the server's user can enter, which t.TempDir is not.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "embedpg-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func start(t *testing.T, opts Options) *Server {
	t.Helper()
	s, err := Start(t.Context(), opts)
	if err != nil {
		if strings.Contains(err.Error(), "download failed") && os.Getenv("CI") != "true" {
			t.Skipf("install PostgreSQL %d or newer, or allow the download: %v", oldestMajor, err)
		}
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func exec1(t *testing.T, s *Server, statement string) {
	t.Helper()
	db, err := pg.Open(t.Context(), s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

func count(t *testing.T, s *Server, table string) int {
	t.Helper()
	db, err := pg.Open(t.Context(), s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var n int
	if err := db.QueryRow("select count(*) from " + table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTemporaryServer(t *testing.T) {
	log := &syncBuffer{}
	s := start(t, Options{Log: log})
	exec1(t, s, "create table kept as select 1")
	if !strings.Contains(log.String(), "ready to accept connections") {
		t.Errorf("the log does not tell of the start: %q", log.String())
	}

	dsn := s.DSN()
	if err := s.StopKeep(); err != nil {
		t.Fatal(err)
	}
	_, err := pg.Open(t.Context(), dsn)
	if err == nil || pg.Permanent(err) {
		t.Fatalf("a stopped server: %v, want an error that may pass", err)
	}
	if err := s.StartAgain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.DSN() != dsn {
		t.Error("the DSN has changed over a restart")
	}
	if n := count(t, s, "kept"); n != 1 {
		t.Errorf("%d rows after a restart, want 1", n)
	}

	scratch := s.scratch
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(scratch); !os.IsNotExist(err) {
		t.Errorf("the temporary folder is still there: %v", err)
	}
}

func TestOnlyWithPassword(t *testing.T) {
	s := start(t, Options{})
	_, err := pg.Open(t.Context(), strings.Replace(s.DSN(), s.password, "guess", 1))
	if err == nil || !pg.Permanent(err) || !strings.Contains(err.Error(), "authentication failed") {
		t.Errorf("wrong password: %v", err)
	}
}

func TestKeptDir(t *testing.T) {
	dir := filepath.Join(openDir(t), "a", "b")
	first := start(t, Options{Dir: dir, NoSync: true})
	exec1(t, first, "create table kept as select 1")

	if second, err := Start(t.Context(), Options{Dir: dir}); err == nil {
		_ = second.Stop()
		t.Fatal("a second server on the same folder has started")
	} else if !strings.Contains(err.Error(), "postmaster.pid") {
		t.Errorf("a second server on the same folder: %v", err)
	}
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}

	again := start(t, Options{Dir: dir})
	if n := count(t, again, "kept"); n != 1 {
		t.Errorf("%d rows in the kept folder, want 1", n)
	}
	db, err := sql.Open("postgres", again.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var fsync string
	if err := db.QueryRow("show fsync").Scan(&fsync); err != nil || fsync != "on" {
		t.Errorf("fsync of a kept folder is %q (%v), want on", fsync, err)
	}
}

func TestRefusals(t *testing.T) {
	foreign := openDir(t)
	if err := os.WriteFile(filepath.Join(foreign, "notes.txt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), Options{Dir: foreign}); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("a folder with other files: %v", err)
	}

	t.Setenv("PGBIN", foreign)
	if _, err := Start(t.Context(), Options{}); err == nil || !strings.Contains(err.Error(), "no program initdb") {
		t.Errorf("PGBIN without programs: %v", err)
	}
}

func TestClosedParent(t *testing.T) {
	if !isRoot() {
		t.Skip("needs root: only then does the server run as another user")
	}
	_, err := Start(t.Context(), Options{Dir: filepath.Join(t.TempDir(), "data")})
	if err == nil || !strings.Contains(err.Error(), "may not enter") {
		t.Errorf("a folder that the server's user cannot reach: %v", err)
	}
}

func TestCancelledStart(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s, err := Start(ctx, Options{}); err == nil {
		_ = s.Stop()
		t.Error("a cancelled start succeeded")
	}
}

// TestDownload fetches the programs from the network, so only when asked to.
func TestDownload(t *testing.T) {
	if os.Getenv("TIDEMARK_TEST_DOWNLOAD") == "" {
		t.Skip("set TIDEMARK_TEST_DOWNLOAD=1 to fetch Postgres from the network")
	}
	cache := filepath.Join(openDir(t), "cache")
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			s, err := Start(t.Context(), Options{Download: true, CacheDir: cache})
			if err != nil {
				t.Error(err)
				return
			}
			if !strings.HasPrefix(s.bin, cache) {
				t.Errorf("runs %s, want the downloaded one", s.bin)
			}
			if err := s.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	left, err := os.ReadDir(cache)
	if err != nil || len(left) != 1 {
		t.Errorf("the cache holds %v (%v), want the programs only", left, err)
	}
}

func TestLastComplaint(t *testing.T) {
	for _, c := range []struct{ output, want string }{
		{"LOG: starting\nFATAL:  data directory has wrong ownership\nHINT: chown\n", "data directory has wrong ownership"},
		{"creating\ninitdb: error: no such locale\ninitdb: hint: another\n", "no such locale"},
		{"one\ntwo\n", "two"},
		{"", ""},
	} {
		if got := lastComplaint(c.output); got != c.want {
			t.Errorf("lastComplaint(%q) = %q, want %q", c.output, got, c.want)
		}
	}
}

func TestTail(t *testing.T) {
	log := &tail{}
	for range 3 {
		if n, err := log.Write(bytes.Repeat([]byte("x"), tailSize-1)); n != tailSize-1 || err != nil {
			t.Fatal(n, err)
		}
	}
	if _, err := log.Write([]byte("end")); err != nil {
		t.Fatal(err)
	}
	if got := log.String(); len(got) != tailSize || !strings.HasSuffix(got, "xend") {
		t.Errorf("kept %d bytes that end with %q", len(got), got[len(got)-4:])
	}
}
