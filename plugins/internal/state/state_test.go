package state

import (
	"maps"
	"testing"

	"pgregory.net/rapid"
)

// TestTable compares with a map, and the backend's count with the sum over all tables.
func TestTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := NewMemory()
		var backend Backend = m
		tables := []*Table[string, int]{
			NewTable(backend.Operator("a"), "seen", intCodec{}),
			NewTable(backend.Operator("b"), "seen", intCodec{}),
		}
		models := []map[string]int{{}, {}}
		which := func(t *rapid.T) int { return rapid.IntRange(0, 1).Draw(t, "table") }
		key := func(t *rapid.T) string { return rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "key") }
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				i, k, v := which(t), key(t), rapid.Int().Draw(t, "v")
				tables[i].Put(k, v)
				models[i][k] = v
			},
			"delete": func(t *rapid.T) {
				i, k := which(t), key(t)
				tables[i].Delete(k)
				delete(models[i], k)
			},
			"": func(t *rapid.T) {
				for i, table := range tables {
					got := map[string]int{}
					for _, k := range []string{"", "a", "b"} {
						if v, ok := table.Get(k); ok {
							got[k] = v
						}
					}
					if !maps.Equal(got, models[i]) || table.Len() != len(got) || table.Name() != "seen" {
						t.Fatalf("table %d (%s) holds %v, want %v", i, table.Name(), got, models[i])
					}
				}
				if n := len(models[0]) + len(models[1]); m.Keys() != n {
					t.Fatalf("%d keys in all, want %d", m.Keys(), n)
				}
			},
		})
	})
}
