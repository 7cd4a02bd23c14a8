package pgupsert

import (
	"slices"
	"sync"

	"github.com/tidemark-streams/tidemark/plugins/internal/fault"
)

// plan is what the check of the tables yields: statements that Postgres has
// agreed to, and the types of the columns.
type plan struct {
	ledger  bool // the rows belong to tasks and are guarded by their generation
	rows    upsert
	letters *upsert // nil without a dead letter table
	types   []columnType
	keys    []int // places of the key among the configured columns
	// ours are the tables that hold rows of a task: at the start of a generation
	// its uncommitted rows are removed from each.
	ours    []*tableInfo
	figures *tableInfo // where the figures of tasks go; nil for nowhere
	layouts layouts
	spare   sync.Pool // of fillers: several batches are written at a time
}

func (p *plan) filler() *filler {
	if f, ok := p.spare.Get().(*filler); ok {
		return f
	}
	return &filler{plan: p}
}

// column is the name of the i-th configured column.
func (p *plan) column(i int) string { return p.rows.cols[i].name }

// planOf compares the config with the tables; letters and ledger are nil where
// the config has none. What does not fit is a fatal error of one line.
func planOf(cfg config, target, letters, ledger *tableInfo) (*plan, error) {
	p := &plan{ledger: cfg.ledger, rows: upsert{table: cfg.table, key: cfg.conflictKey(), stamp: cfg.timestamp, guard: cfg.ledger}}
	var seq []column
	if cfg.ledger {
		own, err := target.need(column{colStream, typeText}, column{colTask, typeInteger}, column{colSeq, typeBigint})
		if err != nil {
			return nil, fatalf("%w; a table with a ledger has stream, task and seq: add them, or set %s: false", err, fieldLedger)
		}
		p.rows.consts, seq = own[:2], own[2:]
		if !fault.On(fault.LedgerOff) {
			p.rows.ledger = &cfg.ledgerTable
		}
		p.ours = append(p.ours, target)
	}
	for _, name := range cfg.columns {
		c, err := target.column(name)
		if err != nil {
			return nil, err
		}
		p.rows.cols = append(p.rows.cols, c)
		p.types = append(p.types, c.typ)
	}
	p.rows.cols = append(p.rows.cols, seq...)
	for _, k := range cfg.key {
		p.keys = append(p.keys, slices.Index(cfg.columns, k))
	}
	if cfg.timestamp != "" {
		if _, err := target.need(column{cfg.timestamp, typeTimestamp}); err != nil {
			return nil, err
		}
	}
	if err := target.fits(p.rows); err != nil {
		return nil, err
	}
	if err := p.addLetters(cfg, letters); err != nil {
		return nil, fatalf("%s: %w", fieldDeadLetters, err)
	}
	if err := checkLedger(ledger); err != nil {
		return nil, fatalf("%s: %w", fieldLedgerTable, err)
	}
	return p, nil
}

func (p *plan) addLetters(cfg config, t *tableInfo) error {
	if t == nil {
		return nil
	}
	cols, err := t.need(letterColumns...)
	if err != nil {
		return err
	}
	p.letters = &upsert{table: t.name, cols: cols, key: letterKey, ledger: p.rows.ledger}
	if cfg.ledger && !slices.ContainsFunc(p.ours, func(o *tableInfo) bool { return o.oid == t.oid }) {
		p.ours = append(p.ours, t)
	}
	return t.fits(*p.letters)
}

func checkLedger(t *tableInfo) error {
	if t == nil {
		return nil
	}
	_, err := t.need(
		column{colStream, typeText}, column{colTask, typeInteger}, column{"generation", typeBigint},
		column{"committed_seq", typeBigint}, column{"watermark", typeTimestamp}, column{"updated_at", typeTimestamp})
	if err != nil {
		return err
	}
	return t.keyed([]string{colStream, colTask})
}
