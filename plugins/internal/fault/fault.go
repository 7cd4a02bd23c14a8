// Package fault has switches that break a promise on purpose, and points at which a
// process kills itself, so that tests can show that they would notice. Only a binary
// built with the tag chaos has them; in any other they cost nothing.
package fault

// Switch is a promise that a test build can break.
type Switch string

// The switches.
const (
	// DedupOff lets dedup pass every event as if it were new.
	DedupOff Switch = "dedup_off"
	// LedgerOff lets every generation write rows, and withdraws none.
	LedgerOff Switch = "ledger_off"
	// StateFirst commits state before the outputs have taken what follows from it.
	StateFirst Switch = "state_first"
)

// Point is a place in the code at which a test build can end its process.
type Point string

// The points, in the order of a commit.
const (
	BetweenOutputAndCommit Point = "between_output_and_commit"
	BeforeAck              Point = "before_ack" // of the messages of an input without positions
	AfterCommit            Point = "after_commit"
	BeforeLedger           Point = "before_ledger"
)
