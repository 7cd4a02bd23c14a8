package kit

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	_ "github.com/lib/pq" // the driver

	"github.com/tidemark-streams/tidemark/internal/embedpg"
)

var postgres struct {
	sync.Mutex
	server *embedpg.Server
	admin  *sql.DB // the server's own database
	count  int     // databases made
}

// Database is an empty database of its own on the shared Postgres.
type Database struct {
	DSN string
	DB  *sql.DB // closed when the test ends
}

// Postgres makes a new database on the shared server, which it starts if need be.
func Postgres(t testing.TB) *Database {
	t.Helper()
	postgres.Lock()
	defer postgres.Unlock()
	if postgres.server == nil {
		startPostgres(t)
	}
	startAgain(t) // an earlier test may have left it stopped
	postgres.count++
	name := fmt.Sprintf("test_%d", postgres.count)
	ctx, cancel := context.WithTimeout(context.Background(), serverPatience)
	defer cancel()
	if _, err := postgres.admin.ExecContext(ctx, "create database "+name); err != nil {
		t.Fatal("kit: creating a database:", err)
	}
	dsn, err := url.Parse(postgres.server.DSN())
	if err != nil {
		t.Fatal("kit: the connection string of Postgres:", err)
	}
	dsn.Path = "/" + name
	d := &Database{DSN: dsn.String()}
	if d.DB, err = sql.Open("postgres", d.DSN); err != nil {
		t.Fatal("kit:", err)
	}
	t.Cleanup(func() { _ = d.DB.Close() }) // nothing is written any more
	return d
}

func startPostgres(t testing.TB) {
	t.Helper()
	dir := Scratch(t)
	// Not closed: the server writes to it until the test binary ends.
	log, err := os.Create(filepath.Join(dir, "postgres.log"))
	if err != nil {
		t.Fatal("kit:", err)
	}
	port, err := freePort()
	if err != nil {
		t.Fatal("kit:", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), serverPatience)
	defer cancel()
	server, err := embedpg.Start(ctx, embedpg.Options{Port: port, Log: log})
	if err != nil {
		Missing(t, "no Postgres: %v (Debian: apt-get install postgresql)", err)
	}
	atEnd(func() {
		if err := server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "kit: stopping Postgres:", err)
		}
	})
	if postgres.admin, err = sql.Open("postgres", server.DSN()); err != nil {
		t.Fatal("kit:", err)
	}
	atEnd(func() { _ = postgres.admin.Close() })
	postgres.server = server
}

func startAgain(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), serverPatience)
	defer cancel()
	if err := postgres.server.StartAgain(ctx); err != nil {
		t.Fatal("kit: starting Postgres:", err)
	}
}

// Stop shuts the server down with every database on it, open connections cut;
// data and port stay for Start.
func (d *Database) Stop(t testing.TB) {
	t.Helper()
	postgres.Lock()
	defer postgres.Unlock()
	if err := postgres.server.StopKeep(); err != nil {
		t.Fatal("kit: stopping Postgres:", err)
	}
}

// Start starts the server again, on the same port.
func (d *Database) Start(t testing.TB) {
	t.Helper()
	postgres.Lock()
	defer postgres.Unlock()
	startAgain(t)
}

// Outage stops the server for the given time, then starts it again.
func (d *Database) Outage(t testing.TB, length time.Duration) {
	t.Helper()
	d.Stop(t)
	<-time.After(length)
	d.Start(t)
}
