package postgres

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"

	"github.com/lib/pq"
)

// Hopeless tells an error that no retry can mend until someone changes the request, the
// schema or the permissions, such as a table that does not exist. What it does not know
// may pass: a server that is away, starting, full or on standby.
func Hopeless(err error) bool {
	if e := pq.As(err); e != nil {
		switch e.Code[:min(2, len(e.Code))] {
		case "0A", "28", "3D", "3F", "42": // not supported, authorization, no such database, no such schema, access rule
			return true
		}
		return false
	}
	if errors.Is(err, pq.ErrSSLNotSupported) || errors.Is(err, pq.ErrSSLKeyHasWorldPermissions) ||
		errors.Is(err, pq.ErrSSLKeyUnknownOwnership) || errors.Is(err, pq.ErrCouldNotDetectUsername) {
		return true
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	_, ok := errors.AsType[x509.UnknownAuthorityError](err)
	return ok
}

// Describe is an error in one line, with the detail that Postgres gives and its
// SQLSTATE. It never holds a password: Postgres and lib/pq do not repeat it.
func Describe(err error) string {
	s := strings.TrimPrefix(err.Error(), "pq: ")
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
