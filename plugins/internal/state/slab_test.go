package state

import (
	"testing"

	"pgregory.net/rapid"
)

// TestSlab: entries that are taken stay where they are and as they are whatever others
// are taken and given back, and chunks without any take no memory, but for one.
func TestSlab(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s slab[int, int]
		var taken []*Entry[int, int]
		next := 0
		t.Repeat(map[string]func(*rapid.T){
			"take": func(t *rapid.T) {
				for range rapid.IntRange(1, 3*chunkEntries).Draw(t, "n") {
					e := s.take()
					if e.lost || e.Key != 0 || e.Value != 0 {
						t.Fatalf("taken: %+v", *e)
					}
					next++
					e.Key, e.Value = next, next
					taken = append(taken, e)
				}
			},
			"give": func(t *rapid.T) {
				for range min(len(taken), rapid.IntRange(1, 3*chunkEntries).Draw(t, "n")) {
					i := rapid.IntRange(0, len(taken)-1).Draw(t, "which")
					s.give(taken[i])
					if !taken[i].lost {
						t.Fatal("who has it still does not see that it is lost")
					}
					taken[i] = taken[len(taken)-1]
					taken = taken[:len(taken)-1]
				}
			},
			"": func(t *rapid.T) {
				for _, e := range taken {
					if s.at(e.id) != e || e.Key == 0 || e.Value != e.Key {
						t.Fatalf("%d is %+v", e.id, *e)
					}
				}
				idle := 0
				for _, c := range s.chunks {
					if c.used == 0 && c.entries != nil {
						idle++
					}
				}
				if idle > 1 {
					t.Fatalf("%d chunks lie idle", idle)
				}
			},
		})
	})
}
