// Package pgupsert is the output pg_upsert: it writes rows to a Postgres table,
// the newest value of each key, exactly once for the rows of a stateful input.
//
// A batch becomes one bulk upsert per task:
//
//	messages ─► convert.go   each field becomes the text of its column's type,
//	         ─► wire.go      and that what is sent
//	bundles  ─► quick.go     the same, for rows that come without a message for each
//	         ─► coalesce.go  of the rows with one key only the newest is kept
//	         ─► sql.go       one statement for all rows, its columns as arrays, which
//	                         holds the ledger too
//	         ─► bisect.go    a value that Postgres refuses is searched by halving
//	         ─► letters.go   the refused rows go to the dead letter table
//
// What exactly-once rests on is in ledger.go; plan.go compares the config with the
// tables before the first write; verdict.go tells trouble that passes from values
// that are refused and from errors that no retry can mend; retry.go waits out the
// first. The files named *output.go connect this to Benthos and to the database.
package pgupsert

// cell is one value as it is sent, see wire.go, or null.
type cell struct {
	text string // or, of some types, Postgres's binary form
	null bool
}

// row is one row on its way into the table: a message, or one of many in a message.
type row struct {
	index int    // place of the message in its batch
	at    int    // place of the row in its message
	seq   int64  // the task's count of emissions; 0 without a ledger
	key   string // equal for rows that Postgres takes for the same one
	cells []cell // one for each configured column
	older *row   // the row that this one replaces, see coalesce
	first bool   // probably the first of its key
}

// refusal is a row that cannot be written as it is, and why.
type refusal struct {
	row   *row
	cause error
}

// newer says whether r replaces o, a row with the same key: the task's count
// decides, and the order in the batch where it is equal.
func (r *row) newer(o *row) bool {
	if r.seq != o.seq {
		return r.seq > o.seq
	}
	if r.index != o.index {
		return r.index > o.index
	}
	return r.at > o.at
}
