package pg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/lib/pq"
)

func TestUnreadableDSN(t *testing.T) {
	for _, c := range []struct{ dsn, want string }{
		{"", "it is empty"},
		{"localhost:5432", "want postgres://"},
		{"http://u:s3cret@host/db", "want postgres://"},
		{"postgres://u:s3cret/x@host/db", "want postgres://"},
		{"postgres://u:s3cret%zz@host/db", "want postgres://"},
		{"user=u password='s3cret", "want postgres://"},
		{"user=u password=pass s3cret", "want postgres://"},
		{"postgres://u:s3cret@host/db?sslmode=maybe", `wrong value for "sslmode": "maybe"`},
		{"host=h port=many password=s3cret", `wrong value for "port"`},
	} {
		_, err := Open(t.Context(), c.dsn)
		if err == nil {
			t.Errorf("%q was accepted", c.dsn)
			continue
		}
		line := err.Error()
		if !strings.Contains(line, c.want) || strings.Contains(line, "\n") {
			t.Errorf("%q: %q, want one line with %q", c.dsn, line, c.want)
		}
		if strings.Contains(line, "s3cret") {
			t.Errorf("%q: the error tells the password: %q", c.dsn, line)
		}
		if !Permanent(err) {
			t.Errorf("%q: the error is not permanent", c.dsn)
		}
	}
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), "postgres://u:s3cret@"+address+"/db?sslmode=disable")
	want := "Postgres at " + address + "/db: not reachable: connect: connection refused"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %q", err, want)
	}
	if Permanent(err) {
		t.Error("an unreachable server may come back")
	}
}

func TestPermanent(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{&pq.Error{Code: "28P01"}, true},
		{&pq.Error{Code: "28000"}, true},
		{&pq.Error{Code: "3D000"}, true},
		{&pq.Error{Code: "42501"}, true},
		{&pq.Error{Code: "42P01"}, true},
		{&pq.Error{Code: "42704"}, true},
		{&pq.Error{Code: "22003"}, true},
		{&pq.Error{Code: "23514"}, true},
		{pq.ErrSSLNotSupported, true},
		{&pq.Error{Code: "57P03"}, false}, // starting up
		{&pq.Error{Code: "57P01"}, false}, // shutting down
		{&pq.Error{Code: "53300"}, false}, // too many connections
		{&pq.Error{Code: "40P01"}, false}, // deadlock
		{&pq.Error{Code: "08006"}, false}, // connection lost
		{&pq.Error{Code: "25006"}, false}, // on standby
		{io.EOF, false},
		{context.Canceled, false},
		{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, false},
		{nil, false},
	} {
		if got := Permanent(c.err); got != c.want {
			t.Errorf("Permanent(%v) = %v, want %v", c.err, got, c.want)
		}
		if wrapped := fmt.Errorf("write: %w", c.err); c.err != nil && Permanent(wrapped) != c.want {
			t.Errorf("Permanent(%v) forgets what it wraps", wrapped)
		}
	}
}

func TestReason(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{&pq.Error{Message: "two\n  lines", Code: "XX000"}, "two lines"},
		{pq.ErrSSLNotSupported, "the server does not offer TLS; add sslmode=disable to the connection string to go without"},
		{&net.OpError{Op: "dial", Err: &net.DNSError{Name: "db"}}, `host "db" cannot be resolved`},
		{context.DeadlineExceeded, "not reachable: no answer in time"},
		{errors.New("pq: odd"), "odd"},
	} {
		if got := reason(c.err); got != c.want {
			t.Errorf("reason(%v) = %q, want %q", c.err, got, c.want)
		}
	}
}

func TestExplain(t *testing.T) {
	err := explain("latest", &pq.Error{Code: "42P01", Message: `relation "x" does not exist`})
	if !strings.Contains(err.Error(), "tidemark db migrate") || !Permanent(err) {
		t.Errorf("missing table: %v", err)
	}
	if err := explain("latest", io.EOF); !errors.Is(err, io.EOF) {
		t.Errorf("lost the cause: %v", err)
	}
}
