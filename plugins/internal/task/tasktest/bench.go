package tasktest

import (
	"errors"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
	"github.com/tidemark-streams/tidemark/plugins/internal/state"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// What a benchmark of operators does: so many events, in such batches, and where there
// is a store a commit now and then, all as a task does under load.
const (
	benchEvents = 100_000
	benchBatch  = 1024
	benchCommit = 20_480
	benchCache  = 64 << 20
)

// Bench measures operators that make makes, on the events of a Shop:
//
//	process   the events alone, state in memory
//	commit    with a local store, and a commit now and then, of which the encoding of
//	          the changes and their writing to the store are told apart as well
//	restore   the taking up of all that is left: opening, decoding
//
// Each tells nanoseconds per event.
func Bench(b *testing.B, make func(state.Backend) []task.Stage) {
	rows := Shop(benchEvents)
	perEvent := func(b *testing.B) {
		b.ReportMetric(0, "ns/op") // of as many events as there are
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(rows)), "ns/event")
	}
	b.Run("process", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			bench(b, make(state.NewMemory())).drive(rows, func() {})
		}
		perEvent(b)
	})
	b.Run("commit", func(b *testing.B) {
		b.ReportAllocs()
		var encoded, written time.Duration
		for b.Loop() {
			b.StopTimer()
			local := openLocal(b, vfs.NewMem())
			p := bench(b, make(local))
			b.StartTimer()
			p.drive(rows, func() {
				e, w := apply(b, local)
				encoded, written = encoded+e, written+w
			})
			b.StopTimer()
			closeLocal(b, local)
			b.StartTimer()
		}
		perEvent(b)
		b.ReportMetric(float64(encoded.Nanoseconds())/float64(b.N*len(rows)), "encode-ns/event")
		b.ReportMetric(float64(written.Nanoseconds())/float64(b.N*len(rows)), "write-ns/event")
	})
	b.Run("restore", func(b *testing.B) {
		fs := vfs.NewMem()
		local := openLocal(b, fs)
		bench(b, make(local)).drive(rows, func() {})
		apply(b, local)
		closeLocal(b, local)
		b.ReportAllocs()
		for b.Loop() {
			local := openLocal(b, fs)
			if err := bench(b, make(local)).chain.Restore(); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			closeLocal(b, local)
			b.StartTimer()
		}
		perEvent(b)
	})
}

// pass is one run of a chain over events.
type pass struct {
	chain *task.Chain
	sink  task.Sink
}

func bench(b *testing.B, stages []task.Stage) *pass {
	b.Helper()
	chain, _, err := task.NewChain(stages, ShopShape)
	if err != nil {
		b.Fatal(err)
	}
	return &pass{chain: chain}
}

func (p *pass) drive(rows []event.Row, commit func()) {
	for from := 0; from < len(rows); from += benchBatch {
		batch := rows[from:min(from+benchBatch, len(rows))]
		p.chain.Process(batch, &p.sink)
		for p.chain.Flush(batch[len(batch)-1].Watermark, &p.sink) {
		}
		p.sink.Own()
		p.sink.Reset()
		p.chain.Release()
		if (from+benchBatch)%benchCommit == 0 {
			commit()
		}
	}
}

func openLocal(b *testing.B, fs vfs.FS) *state.Local {
	b.Helper()
	local, err := state.OpenLocal(fs, "state", "bench", benchCache)
	if err != nil {
		b.Fatal(err)
	}
	return local
}

func apply(b *testing.B, local *state.Local) (encoded, written time.Duration) {
	b.Helper()
	began := time.Now()
	for range local.Changes() {
	}
	encoded = time.Since(began)
	if err := errors.Join(local.Apply([]byte("marker")), local.Write()); err != nil {
		b.Fatal(err)
	}
	local.Shrink(benchCache / 2)
	return encoded, time.Since(began) - encoded
}

func closeLocal(b *testing.B, local *state.Local) {
	b.Helper()
	if err := local.Close(); err != nil {
		b.Fatal(err)
	}
}
