package pg

import (
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/lib/pq"
)

// permanentClasses are the SQLSTATE classes that stay as they are until someone
// changes the request, the schema or the permissions.
var permanentClasses = map[string]bool{
	"0A": true, // feature not supported
	"22": true, // data exception
	"23": true, // integrity constraint violation
	"28": true, // invalid authorization: wrong password or role
	"3D": true, // no such database
	"3F": true, // no such schema
	"42": true, // no such table or column, no permission, syntax
}

// Permanent reports whether err will come again however often the same thing is
// tried: a connection string that cannot be read, a wrong password, a missing
// database or table, a refused value. Everything else, such as a server that is
// unreachable, starting, full or on standby, may pass by itself.
func Permanent(err error) bool {
	if errors.Is(err, errDSN) ||
		errors.Is(err, pq.ErrSSLNotSupported) ||
		errors.Is(err, pq.ErrSSLKeyUnknownOwnership) ||
		errors.Is(err, pq.ErrSSLKeyHasWorldPermissions) {
		return true
	}
	var cert *tls.CertificateVerificationError
	if errors.As(err, &cert) {
		return true
	}
	var server *pq.Error
	return errors.As(err, &server) && permanentClasses[string(server.Code.Class())]
}

const (
	undefinedTable    = "42P01"
	undefinedFunction = "42883"
)

// explain wraps the error of a statement on our own tables into one line.
func explain(doing string, err error) error {
	var server *pq.Error
	if !errors.As(err, &server) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if server.Code == undefinedTable || server.Code == undefinedFunction {
		return &statementError{doing + ": the tables are not there yet; create them with `tidemark db migrate`", err}
	}
	return &statementError{doing + ": " + oneLine(server.Message), err}
}

type statementError struct {
	line string
	err  error
}

func (e *statementError) Error() string { return e.line }

func (e *statementError) Unwrap() error { return e.err }
