package changelog

import (
	"context"
	"encoding/binary"
	"iter"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidemark-streams/tidemark/plugins/internal/state"
)

// BenchmarkRestore restores a million small keys from the changelog alone into a
// folder on the disk.
func BenchmarkRestore(b *testing.B) {
	const keys, perCommit = 1_000_000, 50_000
	ctx := context.Background()
	cfg, local, l := openBench(b)
	value := make([]byte, 40)
	for done := 0; done < keys; {
		changes := make([]state.Change, perCommit)
		for i := range changes {
			// Scattered over the key space, as hashed ids are.
			id := uint64(done) * 0x9E3779B97F4A7C15
			changes[i] = state.Change{Key: binary.BigEndian.AppendUint64([]byte("join\x00anchors\x00"), id), Value: value}
			done++
		}
		if err := l.Commit(ctx, each(changes), marker(int64(done)), nil); err != nil {
			b.Fatal(err)
		}
	}
	l.Close()
	if err := local.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		local, err := state.OpenLocal(vfs.Default, b.TempDir(), "it", 8<<20)
		if err != nil {
			b.Fatal(err)
		}
		cfg.Local = local
		l, last, err := Open(ctx, cfg)
		if err != nil || last.Seq != keys {
			b.Fatal(last, err)
		}
		l.Close()
		if err := local.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(keys)*float64(b.N)/b.Elapsed().Seconds(), "keys/s")
}

// openBench opens a log on a broker of its own.
func openBench(b *testing.B) (Config, *state.Local, *Log) {
	b.Helper()
	f := setup(b)
	b.Cleanup(f.close)
	local := f.openLocal(b, vfs.NewMem())
	cfg := f.config(local)
	cfg.KgoOpts = nil
	l, _, err := Open(context.Background(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	return cfg, local, l
}

func each(changes []state.Change) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		for _, c := range changes {
			if !yield(c.Key, c.Value) {
				return
			}
		}
	}
}
