package pgupsert

import (
	"errors"
	"fmt"
	"strings"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/tidemark-streams/tidemark/plugins/internal/postgres"
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
	if e := pq.As(err); e != nil && valueRefused(e.Code) {
		return refused
	}
	if postgres.Hopeless(err) {
		return fatal
	}
	return passing
}

// valueRefused tells whether a value is the cause of a server's error.
func valueRefused(code pqerror.Code) bool {
	if code == "P0001" { // a trigger of the table raised an exception
		return true
	}
	switch code[:min(2, len(code))] {
	case "22", "23", // data exception, integrity constraint violation
		"21", // two spellings of one key in a statement: parted by bisect
		"44", // check option of a view
		"54": // a value that is too long for its index
		return true
	}
	return false
}

// taken tells that a key is stored already.
func taken(err error) bool {
	e := pq.As(err)
	return e != nil && e.Code == "23505" // unique_violation
}

// describe is an error in one line, its own where it has one.
func describe(err error) string {
	if _, ok := errors.AsType[told](err); ok {
		return strings.TrimPrefix(err.Error(), "pq: ")
	}
	return postgres.Describe(err)
}
