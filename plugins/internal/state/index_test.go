package state

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// collide makes hashes of which many share shard and home slots, so that probing is
// tried, and some are the same in the part that is kept.
func collide(n int) uint64 { return uint64(n%3)<<56 | uint64(n)<<22 }

// TestIndexIsAMultimap: under a hash are the numbers that were added and, where
// another has the same part of it, the other's.
func TestIndexIsAMultimap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var x Index
		type hash struct {
			shard *shard
			rest  uint32
		}
		model := map[hash][]uint32{}
		hashOf := func(k uint64) hash {
			s, h := x.find(k)
			return hash{s, h}
		}
		key := func(t *rapid.T) uint64 { return collide(rapid.IntRange(0, 40).Draw(t, "id")) }
		chunk := func(t *rapid.T) uint32 { return rapid.Uint32Range(1, 4).Draw(t, "chunk") }
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				k, c := key(t), chunk(t)
				x.Add(k, c)
				model[hashOf(k)] = append(model[hashOf(k)], c)
			},
			"remove": func(t *rapid.T) {
				k, c := key(t), chunk(t)
				x.Remove(k, c)
				if list := model[hashOf(k)]; slices.Contains(list, c) {
					model[hashOf(k)] = slices.Delete(list, slices.Index(list, c), slices.Index(list, c)+1)
				}
			},
			"": func(t *rapid.T) {
				n := 0
				for _, list := range model {
					n += len(list)
				}
				for i := range 41 {
					k := collide(i)
					var got []uint32
					x.Each(k, func(c uint32) bool { got = append(got, c); return true })
					want := slices.Clone(model[hashOf(k)])
					if x.Has(k) != (len(got) > 0) {
						t.Fatalf("%x is there: %v, where it has %v", k, x.Has(k), got)
					}
					slices.Sort(got)
					slices.Sort(want)
					if !slices.Equal(got, want) {
						t.Fatalf("%v: %v, want %v", k, got, want)
					}
				}
				if x.Len() != n {
					t.Fatalf("%d numbers, want %d", x.Len(), n)
				}
			},
		})
	})
}

// BenchmarkIndex adds and finds keys, and tells the bytes that one takes.
func BenchmarkIndex(b *testing.B) {
	const keys = 1 << 20
	b.ReportAllocs()
	for b.Loop() {
		var x Index
		for i := range uint64(keys) {
			hash := i * 0x9E3779B97F4A7C15
			x.Each(hash, func(uint32) bool { return true })
			x.Add(hash, uint32(i/512+1))
		}
		slots := 0
		for i := range x.shards {
			slots += cap(x.shards[i].slots)
		}
		b.ReportMetric(float64(8*slots)/keys, "B/key")
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/keys, "ns/key")
}
