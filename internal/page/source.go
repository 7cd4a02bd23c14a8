package page

import (
	"context"
	"errors"
	"net/url"
)

// Source answers the snapshots of one view of the page. It is called by several
// goroutines.
type Source interface {
	// Snapshot reads everything as of one moment and returns what is sent as JSON. The
	// first field of the JSON is as_of, the time of the read, which does not count when
	// a snapshot is compared with the one before. An error is one line for the user; it
	// wraps ErrQuery where the query is at fault.
	Snapshot(ctx context.Context, query url.Values) (any, error)
}

// Canonical is a Source whose snapshots depend on the query. Queries that mean the same
// become one, and are read once for all who look. The query of any other Source is
// ignored.
type Canonical interface {
	Source
	// Canonical checks a query; its error wraps ErrQuery.
	Canonical(query url.Values) (url.Values, error)
}

// ErrQuery is wrapped by the errors of queries that ask for something that is not there.
var ErrQuery = errors.New("bad query")
