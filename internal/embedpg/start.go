package embedpg

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"github.com/tidemark-streams/tidemark/internal/pg"
)

// portAttempts is how often a start picks another port when someone took the one
// that was free a moment before.
const portAttempts = 3

// pollEvery is the pause between two looks at a starting server.
const pollEvery = 20 * time.Millisecond

// StartAgain starts a server that StopKeep stopped, on the same port and data,
// and waits until it answers. On a running server it does nothing.
func (s *Server) StartAgain(ctx context.Context) error {
	if s.proc != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for attempt := 1; ; attempt++ {
		pick := s.port == 0
		if pick {
			port, err := freePort()
			if err != nil {
				return fmt.Errorf("start Postgres: find a free port: %w", err)
			}
			s.port = port
		}
		err := s.launch(ctx)
		if err == nil {
			return nil
		}
		if !pick {
			return err
		}
		s.port = 0
		if !errors.Is(err, errPortTaken) || attempt == portAttempts {
			return err
		}
	}
}

// launch starts the server process on s.port and waits for it.
func (s *Server) launch(ctx context.Context) error {
	args := []string{
		"-D", s.dir,
		"-c", "listen_addresses=127.0.0.1",
		"-c", "port=" + strconv.Itoa(s.port),
		"-c", "unix_socket_directories=",
		"-c", "timezone=UTC",
		"-c", "log_timezone=UTC",
	}
	if !s.syncs() {
		args = append(args, "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off")
	}
	proc, err := startProcess(filepath.Join(s.bin, "postgres"), args, s.opts.Log)
	if err != nil {
		return fmt.Errorf("start Postgres: %w", err)
	}
	if err := s.ready(ctx, proc); err != nil {
		return errors.Join(fmt.Errorf("start Postgres: %w", err), proc.stop(stopTimeout))
	}
	s.proc = proc
	return nil
}

// ready returns when the server lets us into its database, which it creates where
// missing. The password proves that it is our server that answers on the port.
func (s *Server) ready(ctx context.Context, proc *process) error {
	for {
		err := s.ensureDatabase(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-proc.exited:
			return proc.failure()
		case <-ctx.Done():
			return fmt.Errorf("no answer in time: %w", err)
		case <-time.After(pollEvery):
		}
	}
}

func (s *Server) ensureDatabase(ctx context.Context) error {
	db, err := pg.Open(ctx, s.dsn("postgres"))
	if err != nil {
		return err
	}
	defer db.Close()
	var exists bool
	err = db.QueryRowContext(ctx, "select exists (select from pg_database where datname = $1)", database).Scan(&exists)
	if err != nil || exists {
		return err
	}
	_, err = db.ExecContext(ctx, "create database "+database)
	return err
}

// Ports are picked below those that systems hand to outgoing connections: while
// the server is away, no client may be given its port by chance.
const (
	firstPort = 20000
	lastPort  = 32000
)

func freePort() (int, error) {
	const tries = 100
	var err error
	for range tries {
		var l net.Listener
		port := firstPort + rand.IntN(lastPort-firstPort)
		if l, err = net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, err
}
