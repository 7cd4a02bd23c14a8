// Package embedpg runs a private Postgres server as a child process, for
// `tidemark demo` and for tests.
//
// The binaries are those installed on the machine, or else downloaded once. The
// server listens on loopback only and asks for a random password, so nobody else
// on the machine gets in. Postgres refuses to run as root: started by root, it
// runs as the unprivileged user 65534.
package embedpg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

const (
	user     = "tidemark"
	database = "tidemark"

	// startTimeout bounds one start, crash recovery included.
	startTimeout = time.Minute
	// stopTimeout is how long a fast shutdown may take before a harder one.
	stopTimeout = 20 * time.Second
)

// Options says which Postgres runs where. The zero value is a throw-away server.
type Options struct {
	// Dir is the data folder; it is created where missing and kept at Stop. Empty:
	// a temporary folder that Stop removes.
	Dir string
	// Port is the TCP port on 127.0.0.1; 0 picks a free one.
	Port int
	// Log gets the server's own log; nil drops it.
	Log io.Writer
	// NoSync lets a kept Dir do without fsync: faster, but a crash of the machine
	// (not of the process) may destroy it. A temporary folder never syncs.
	NoSync bool
	// Download takes downloaded binaries even where Postgres is installed.
	Download bool
	// CacheDir is where downloaded binaries are kept; empty: the user's cache
	// folder, for root /var/cache.
	CacheDir string
}

// Server is a running, or for a while stopped, Postgres. Its methods must not be
// called concurrently.
type Server struct {
	opts     Options
	bin      string // folder with initdb and postgres
	dir      string // data folder
	scratch  string // removed at Stop; empty for a kept Dir
	password string
	port     int
	proc     *process // nil while stopped
}

// Start finds or downloads Postgres, creates the data folder where it is new,
// starts the server and waits until its database answers. Cancelling ctx aborts
// the start only; the server runs until Stop, or until this process dies (on
// Linux also by SIGKILL).
func Start(ctx context.Context, opts Options) (*Server, error) {
	bin, err := findBinaries(ctx, opts)
	if err != nil {
		return nil, err
	}
	s := &Server{opts: opts, bin: bin, dir: opts.Dir, port: opts.Port}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(err, s.cleanUp())
	}
	if err := s.StartAgain(ctx); err != nil {
		return nil, errors.Join(err, s.cleanUp())
	}
	return s, nil
}

// prepare makes the data folder ready for the server.
func (s *Server) prepare(ctx context.Context) error {
	if s.dir == "" {
		scratch, err := os.MkdirTemp("", "tidemark-postgres-")
		if err != nil {
			return fmt.Errorf("create a folder for Postgres: %w", err)
		}
		s.scratch, s.dir = scratch, filepath.Join(scratch, "data")
		if err := giveAway(scratch); err != nil {
			return err
		}
	}
	dir, err := filepath.Abs(s.dir)
	if err != nil {
		return fmt.Errorf("data folder %s: %w", s.dir, err)
	}
	s.dir = dir
	s.password, err = openDataDir(ctx, dir, s.bin, !s.syncs())
	return err
}

// syncs reports whether the data must survive a crash of the machine.
func (s *Server) syncs() bool { return s.scratch == "" && !s.opts.NoSync }

// DSN is the connection string of the server's database, a URL with the password
// in it. It stays the same over StopKeep and StartAgain.
func (s *Server) DSN() string { return s.dsn(database) }

func (s *Server) dsn(db string) string {
	return fmt.Sprintf("postgres://%s:%s@127.0.0.1:%d/%s?sslmode=disable", user, s.password, s.port, db)
}

// Port is the TCP port on 127.0.0.1.
func (s *Server) Port() int { return s.port }

// Stop shuts the server down and removes a temporary data folder. A second call
// does nothing.
func (s *Server) Stop() error { return errors.Join(s.StopKeep(), s.cleanUp()) }

// StopKeep shuts the server down, open connections included, and keeps data and
// port for StartAgain. On a stopped server it does nothing.
func (s *Server) StopKeep() error {
	if s.proc == nil {
		return nil
	}
	err := s.proc.stop(stopTimeout)
	s.proc = nil
	if err != nil {
		return fmt.Errorf("stop Postgres: %w", err)
	}
	return nil
}

func (s *Server) cleanUp() error {
	if s.scratch == "" {
		return nil
	}
	if err := os.RemoveAll(s.scratch); err != nil {
		return fmt.Errorf("remove the folder of Postgres: %w", err)
	}
	return nil
}
