package pgupsert

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// verdict says what an error asks for.
type verdict uint8

const (
	// passing trouble: a lost connection, a restart, a deadlock. Try again.
	passing verdict = iota
	// refused: a value in the rows is the cause. Search it, write the others.
	refused
	// fatal: no retry can mend it, such as a table that does not exist.
	fatal
	// fenced: a newer generation owns the task's rows.
	fenced
)

// told is an error with a line for the user in place of its own text.
type told struct {
	line string
	err  error
}

func (e told) Error() string { return e.line }
func (e told) Unwrap() error { return e.err }

// judged is an error that knows what it asks for.
type judged struct {
	err     error
	verdict verdict
}

func (e judged) Error() string { return e.err.Error() }
func (e judged) Unwrap() error { return e.err }

// fatalf is an error that no retry can mend; its text is for the user.
func fatalf(format string, args ...any) error {
	return judged{fmt.Errorf(format, args...), fatal}
}

// judge sorts the errors of a transaction. What it does not know is passing:
// then nothing is lost and the log says why nothing moves.
func judge(err error) verdict {
	if e, ok := errors.AsType[judged](err); ok {
		return e.verdict
	}
	if e := pq.As(err); e != nil {
		return judgeState(e.Code)
	}
	if errors.Is(err, pq.ErrSSLNotSupported) || errors.Is(err, pq.ErrSSLKeyHasWorldPermissions) ||
		errors.Is(err, pq.ErrSSLKeyUnknownOwnership) || errors.Is(err, pq.ErrCouldNotDetectUsername) {
		return fatal
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fatal
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return fatal
	}
	return passing
}

func judgeState(code pqerror.Code) verdict {
	if code == "P0001" { // a trigger of the table raised an exception
		return refused
	}
	switch code[:min(2, len(code))] {
	case "22", "23", // data exception, integrity constraint violation
		"21", // two spellings of one key in a statement: parted by bisect
		"44", // check option of a view
		"54": // a value that is too long for its index
		return refused
	case "0A", "28", "3D", "3F", "42": // not supported, authorization, no such database, no such schema, access rule
		return fatal
	}
	return passing
}

// taken tells that a key is stored already.
func taken(err error) bool {
	e := pq.As(err)
	return e != nil && e.Code == "23505" // unique_violation
}

// describe is an error in one line, with the detail that Postgres gives and its
// SQLSTATE. It never holds a password: Postgres and lib/pq do not repeat it.
func describe(err error) string {
	s := strings.TrimPrefix(err.Error(), "pq: ")
	if _, ok := errors.AsType[told](err); ok {
		return s
	}
	if e := pq.As(err); e != nil {
		s = e.Message
		if e.Detail != "" {
			s += ": " + e.Detail
		}
		s += " (SQLSTATE " + string(e.Code) + ")"
	} else if errors.Is(err, pq.ErrSSLNotSupported) {
		s = "the server does not speak TLS: add sslmode=disable to the dsn"
	}
	return strings.Join(strings.Fields(s), " ")
}
