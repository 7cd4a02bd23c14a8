// Package pg is Tidemark's side of Postgres: connecting, migrating, and the
// queries behind `tidemark db`.
package pg

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/lib/pq"
)

const (
	// connectTimeout bounds one attempt to connect where the DSN sets no
	// connect_timeout: a host that swallows packets must not look like a slow one.
	connectTimeout = 10 * time.Second
	appName        = "tidemark"
)

// Open connects to the database that dsn names (a URL or key=value pairs, as
// libpq reads them) and returns a pool that has answered once. The error is one
// line that names the server but never the password. Permanent tells whether
// trying again can help.
func Open(ctx context.Context, dsn string) (*sql.DB, error) {
	cfg, err := parseDSN(dsn)
	if err != nil {
		return nil, err
	}
	return open(ctx, cfg)
}

func open(ctx context.Context, cfg pq.Config) (*sql.DB, error) {
	connector, err := pq.NewConnectorConfig(cfg)
	if err != nil {
		return nil, &openError{target: target(cfg), err: err}
	}
	db := sql.OpenDB(connector)
	if err := db.PingContext(ctx); err != nil {
		_ = db.Close()
		return nil, &openError{target: target(cfg), err: err}
	}
	return db, nil
}

// openBriefly is Open for one question. It gives up when ctx ends: the driver heeds only
// its own timeout while a server that took the connection says nothing.
func openBriefly(ctx context.Context, dsn string) (*sql.DB, error) {
	cfg, err := parseDSN(dsn)
	if err != nil {
		return nil, err
	}
	if end, ok := ctx.Deadline(); ok {
		cfg.ConnectTimeout = max(time.Millisecond, min(cfg.ConnectTimeout, time.Until(end)))
	}
	return open(ctx, cfg)
}

// errDSN marks connection strings that cannot be understood.
var errDSN = errors.New("the Postgres connection string cannot be read")

func parseDSN(dsn string) (pq.Config, error) {
	if strings.TrimSpace(dsn) == "" {
		return pq.Config{}, fmt.Errorf("%w: it is empty", errDSN)
	}
	cfg, err := pq.NewConfig(dsn)
	if err != nil {
		return pq.Config{}, fmt.Errorf("%w: %s", errDSN, dsnHint(err))
	}
	if cfg.ConnectTimeout <= 0 {
		cfg.ConnectTimeout = connectTimeout
	}
	if cfg.ApplicationName == "" {
		cfg.ApplicationName = appName
	}
	return cfg, nil
}

// dsnHint says what is wrong with a connection string. Most parse errors quote
// the place where parsing stopped, which is a piece of the password when that
// holds an unescaped character: only errors that quote a known setting pass.
func dsnHint(err error) string {
	msg := strings.TrimPrefix(err.Error(), "pq: ")
	for _, safe := range []string{"wrong value for", "unsupported ", "weak sslmode", "environment variable"} {
		if strings.HasPrefix(msg, safe) && !strings.Contains(msg, "password") {
			return oneLine(msg)
		}
	}
	return "want postgres://user:password@host:port/database?sslmode=disable, special characters percent-encoded"
}

// Target names the server and database of a connection string, without user and password.
func Target(dsn string) (string, error) {
	cfg, err := parseDSN(dsn)
	return target(cfg), err
}

// target names the server and database of cfg, without user and password.
func target(cfg pq.Config) string {
	host := cfg.Host
	if cfg.Hostaddr.IsValid() {
		host = cfg.Hostaddr.String()
	}
	database := cfg.Database
	if database == "" {
		database = cfg.User
	}
	return net.JoinHostPort(host, strconv.Itoa(int(cfg.Port))) + "/" + database
}

// openError is a failed attempt to connect, told in one line.
type openError struct {
	target string
	err    error
}

func (e *openError) Error() string {
	return fmt.Sprintf("Postgres at %s: %s", e.target, reason(e.err))
}

func (e *openError) Unwrap() error { return e.err }

// reason strips err of what only a driver's author wants to read.
func reason(err error) string {
	var refused *net.OpError
	var unresolved *net.DNSError
	var server *pq.Error
	switch {
	case errors.As(err, &server):
		return oneLine(server.Message)
	case errors.Is(err, pq.ErrSSLNotSupported):
		return "the server does not offer TLS; add sslmode=disable to the connection string to go without"
	case errors.As(err, &unresolved):
		return "host " + strconv.Quote(unresolved.Name) + " cannot be resolved"
	case errors.As(err, &refused):
		return "not reachable: " + oneLine(refused.Err.Error())
	case errors.Is(err, context.DeadlineExceeded):
		return "not reachable: no answer in time"
	}
	return oneLine(strings.TrimPrefix(err.Error(), "pq: "))
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
