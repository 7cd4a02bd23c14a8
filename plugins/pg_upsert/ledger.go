package pgupsert

import (
	"sync"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// How rows become exactly-once. The ledger has one row per (stream, task): the
// generation that may write and the seq up to which its state is committed.
//
//   - A write is one statement that holds the ledger row (for share) until it is
//     done and finds its own generation in it, or writes nothing.
//   - Begin changes the generation in that row, so it waits for the writes of
//     older generations that are under way, and none can follow. In the same
//     transaction it removes what they wrote and never committed.
//   - The new generation then emits its open windows again, which brings back
//     the values that the removed rows had replaced.
//
// So the rows of a task are always those of its committed state plus what the
// running generation has added. A row's own seq lets writes of one generation
// overtake each other: an older value never replaces a newer one. All of this
// may be repeated, so a commit whose answer is lost does no harm.
type ledgerSQL struct{ table string }

// notIdle ends a transaction whose process is silent for longer: frozen or cut off
// while it holds the ledger's row, it would keep its successor from beginning. It is
// shorter than a session of the consumer group, and ends with the transaction. A
// write needs none, as it is over with its only statement.
const notIdle = "length(set_config('idle_in_transaction_session_timeout', '5s', true))"

// hold locks the row of a task against Begin: $1 stream, $2 task, $3 generation.
// "For share" waits for a Begin that is under way, and sees then what that has stored;
// it conflicts with every update of the row; Advance comes when the task's
// writes are over, so only Begin meets them.
func (l ledgerSQL) hold() string {
	return "select from " + l.table + " where stream = $1 and task = $2 and generation = $3 for share"
}

// stored locks the row of a task and reads its generation.
func (l ledgerSQL) stored() string {
	return "select generation, " + notIdle + " from " + l.table + " where stream = $1 and task = $2 for update"
}

// begin sets the generation $3 and the committed seq $4 unless a greater
// generation is stored. The watermark of an older generation is withdrawn, with
// what it said about final windows. The same generation may begin once for every
// output of its stream, also late, and then takes nothing back.
func (l ledgerSQL) begin() string {
	return "insert into " + l.table + ` as stored (stream, task, generation, committed_seq, watermark, updated_at)
		values ($1, $2, $3, $4, null, now())
		on conflict (stream, task) do update set
			committed_seq = case when stored.generation = excluded.generation
				then greatest(stored.committed_seq, excluded.committed_seq) else excluded.committed_seq end,
			watermark = case when stored.generation = excluded.generation then stored.watermark end,
			generation = excluded.generation, updated_at = now()
		where stored.generation <= excluded.generation`
}

// withdraw removes a task's rows above the committed seq $3 from a table.
func (l ledgerSQL) withdraw(t tableName) string {
	return "delete from " + t.sql() + " where stream = $1 and task = $2 and (seq > $3 or seq is null)"
}

// advance sets the committed seq $4 and the watermark $5 of generation $3.
func (l ledgerSQL) advance() string {
	return "update " + l.table + " set committed_seq = $4, watermark = $5::timestamptz, updated_at = now()" +
		" where stream = $1 and task = $2 and generation = $3"
}

// figuresTable is the name of the table with the figures of tasks, in the ledger's schema.
const figuresTable = "tidemark_task_figures"

// figuresSQL stores the figures $4 of a task, for generation $3, beside the ledger. It holds
// the ledger's row against nothing but its deletion, so that a stream that is dropped leaves
// no figures behind: neither Begin nor Advance has to wait. So a Begin may come between;
// then the newer generation's figures replace these, and never the other way round.
func figuresSQL(ledger, figures tableName) string {
	return "with held as (select from " + ledger.sql() + ` where stream = $1 and task = $2 and generation = $3 for key share)
		insert into ` + figures.sql() + ` as stored (stream, task, generation, figures, updated_at)
		select $1::text, $2::integer, $3::bigint, $4::jsonb, now() from held
		on conflict (stream, task) do update set
			generation = excluded.generation, figures = excluded.figures, updated_at = excluded.updated_at
		where stored.generation <= excluded.generation`
}

// begunRuns remembers which generation has begun on which table. Outputs of one
// stream may share a table (the dead letters), and one of them may attach after
// another has written to it: only the first may remove rows. One process runs a
// task's generation from its start to its end, so its memory suffices.
type begunRuns struct {
	mu   sync.Mutex
	runs map[begunKey]int64
}

type begunKey struct {
	server string // host, port and database
	table  uint32 // the table's oid, whatever the config calls it
	stream string
	task   int32
}

func (b *begunRuns) has(k begunKey, generation int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	g, ok := b.runs[k]
	return ok && g == generation
}

func (b *begunRuns) add(k begunKey, generation int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.runs[k] = generation
}

// watermarkText is null for a task that has seen nothing.
func watermarkText(t event.Time) any {
	switch t {
	case event.MinTime:
		return nil
	case event.MaxTime:
		return "infinity"
	}
	return t.UTC().Format("2006-01-02T15:04:05.999Z")
}
