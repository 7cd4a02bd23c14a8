package changelog

import (
	"context"
	"encoding/binary"
	"testing"

	"github.com/tidemark-streams/tidemark/plugins/internal/state"
)

// BenchmarkCommit is a commit of 20,000 changes to a broker in the same process, whose
// work is counted in.
func BenchmarkCommit(b *testing.B) {
	const perCommit = 20_000
	ctx := context.Background()
	_, local, l := openBench(b)
	changes := make([]state.Change, perCommit)
	value := make([]byte, 40)
	id, seq := uint64(0), int64(0)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		for i := range changes {
			id += 0x9E3779B97F4A7C15 // scattered over the key space, as hashed ids are
			changes[i] = state.Change{Key: binary.BigEndian.AppendUint64([]byte("join\x00anchors\x00"), id), Value: value}
		}
		seq++
		b.StartTimer()
		if err := l.Commit(ctx, each(changes), marker(seq), nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*perCommit), "ns/key")
	l.Close()
	if err := local.Close(); err != nil {
		b.Fatal(err)
	}
}
