package dedup

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// collide makes ids that share shard and home slots, so that probing is tried.
func collide(n int) id { return id{8: byte(n % 3), 15: byte(n)} }

// TestIndexIsAMultimap: an id is said to stand in the chunks that it was added with
// and, where another has its hash, in the other's.
func TestIndexIsAMultimap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var x index
		type hash struct {
			shard *shard
			rest  uint32
		}
		model := map[hash][]uint32{}
		hashOf := func(k id) hash {
			s, h := x.find(k)
			return hash{s, h}
		}
		key := func(t *rapid.T) id { return collide(rapid.IntRange(0, 40).Draw(t, "id")) }
		chunk := func(t *rapid.T) uint32 { return rapid.Uint32Range(1, 4).Draw(t, "chunk") }
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				k, c := key(t), chunk(t)
				x.add(k, c)
				model[hashOf(k)] = append(model[hashOf(k)], c)
			},
			"remove": func(t *rapid.T) {
				k, c := key(t), chunk(t)
				x.remove(k, c)
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
					x.each(k, func(c uint32) bool { got = append(got, c); return true })
					want := slices.Clone(model[hashOf(k)])
					slices.Sort(got)
					slices.Sort(want)
					if !slices.Equal(got, want) {
						t.Fatalf("%v: %v, want %v", k, got, want)
					}
				}
				if x.n != n {
					t.Fatalf("%d ids, want %d", x.n, n)
				}
			},
		})
	})
}

func TestIDsOfUUIDsArePacked(t *testing.T) {
	const uuid = "d6ce70d5-c477-5493-a4f9-fccef14f3db9"
	if got := idOf(uuid).String(); got != "d6ce70d5c4775493a4f9fccef14f3db9" {
		t.Error(got)
	}
	// Other spellings are other keys.
	seen := map[id]string{idOf(uuid): uuid}
	for _, k := range []string{"", "a", "D6CE70D5-C477-5493-A4F9-FCCEF14F3DB9", "d6ce70d5c4775493a4f9fccef14f3db9", uuid + " "} {
		if other, ok := seen[idOf(k)]; ok {
			t.Errorf("%q and %q share an id", k, other)
		}
		seen[idOf(k)] = k
	}
}

// BenchmarkIndex adds and finds ids, and tells the bytes that one takes.
func BenchmarkIndex(b *testing.B) {
	keys := make([]id, 1<<20)
	for i := range keys {
		keys[i] = idOf(fmt.Sprint(i))
	}
	b.ResetTimer()
	for b.Loop() {
		var x index
		for i, k := range keys {
			x.each(k, func(uint32) bool { return true })
			x.add(k, uint32(i/chunkIDs+1))
		}
		slots := 0
		for i := range x.shards {
			slots += cap(x.shards[i].slots)
		}
		b.ReportMetric(float64(slots*8)/float64(len(keys)), "B/id")
	}
}
