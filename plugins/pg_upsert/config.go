package pgupsert

import (
	"fmt"
	"slices"

	"github.com/lib/pq"
)

// Names of the config fields.
const (
	fieldDSN         = "dsn"
	fieldTable       = "table"
	fieldKey         = "key"
	fieldColumns     = "columns"
	fieldTaskKey     = "task_key"
	fieldShared      = "shared"
	fieldTimestamp   = "timestamp_column"
	fieldDeadLetters = "dead_letters"
	fieldLedger      = "ledger"
	fieldLedgerTable = "ledger_table"
	fieldMaxInFlight = "max_in_flight"
	fieldBatching    = "batching"
)

// config is the parsed and checked configuration of one output.
type config struct {
	dsn         string
	server      pq.Config // dsn, parsed
	table       tableName
	key         []string // as configured, without stream and task
	columns     []string
	taskKey     bool
	shared      bool
	timestamp   string     // "" for none
	deadLetters *tableName // nil: refused rows are nacked
	ledger      bool
	ledgerTable tableName
	maxInFlight int
}

// validate checks what the fields say together.
func (c config) validate() error {
	if err := checkNames(fieldColumns, c.columns); err != nil {
		return err
	}
	if err := checkNames(fieldKey, c.key); err != nil {
		return err
	}
	if c.ledger && slices.ContainsFunc(c.key, c.adds) {
		return fmt.Errorf("%s: %s and %s are added to it where %s is true, and %s belongs to no key",
			fieldKey, colStream, colTask, fieldLedger, colSeq)
	}
	for _, k := range c.key {
		if !slices.Contains(c.columns, k) {
			return fmt.Errorf("%s: %q is not among the columns", fieldKey, k)
		}
	}
	for _, name := range c.columns {
		if c.adds(name) {
			return fmt.Errorf("%s: %q is written by the output itself where %s is true", fieldColumns, name, fieldLedger)
		}
	}
	if c.timestamp != "" {
		if err := checkIdentifier(c.timestamp); err != nil {
			return fmt.Errorf("%s: %w", fieldTimestamp, err)
		}
		if slices.Contains(c.columns, c.timestamp) || c.adds(c.timestamp) {
			return fmt.Errorf("%s: %q has another source already", fieldTimestamp, c.timestamp)
		}
	}
	if !c.ledger && !c.taskKey {
		return fmt.Errorf("%s: false has a meaning only where %s is true", fieldTaskKey, fieldLedger)
	}
	if c.shared && (!c.ledger || !c.taskKey) {
		return fmt.Errorf("%s: has a meaning only where %s and %s are true", fieldShared, fieldLedger, fieldTaskKey)
	}
	if c.maxInFlight < 1 {
		return fmt.Errorf("%s: must be at least 1", fieldMaxInFlight)
	}
	return nil
}

// adds tells whether the ledger adds the column to the table's row.
func (c config) adds(name string) bool {
	return c.ledger && (name == colStream || name == colTask || name == colSeq)
}

// conflictKey is the whole key of a row.
func (c config) conflictKey() []string {
	switch {
	case !c.ledger:
		return c.key
	case c.taskKey:
		return append([]string{colStream, colTask}, c.key...)
	}
	return append([]string{colStream}, c.key...)
}

func checkNames(field string, names []string) error {
	if len(names) == 0 {
		return fmt.Errorf("%s: is empty", field)
	}
	seen := map[string]bool{}
	for _, n := range names {
		if err := checkIdentifier(n); err != nil {
			return fmt.Errorf("%s: %w", field, err)
		}
		if seen[n] {
			return fmt.Errorf("%s: %q stands there twice", field, n)
		}
		seen[n] = true
	}
	return nil
}
