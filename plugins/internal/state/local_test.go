package state

import (
	"encoding/binary"
	"fmt"
	"maps"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// intCodec stores numbers under texts.
type intCodec struct{ TextKey }

func (intCodec) AppendValue(b []byte, v int) []byte { return binary.AppendVarint(b, int64(v)) }

func (intCodec) Value(_ string, b []byte) (int, error) {
	r := event.NewReader(b)
	return int(r.Varint()), r.Err()
}

// TestLocalKeepsWhatWasCommitted puts, deletes, evicts, commits and crashes at
// random: a table always answers like the model, and after a crash like the model
// of the last commit.
func TestLocalKeepsWhatWasCommitted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fs := vfs.NewMem()
		var local *Local
		var tables []*Table[string, int]
		open := func() {
			var err error
			if local, err = OpenLocal(fs, "state", "it", 1<<20); err != nil {
				t.Fatal(err)
			}
			tables = []*Table[string, int]{
				NewTable(local.Operator("a"), "x", intCodec{}).Cached(),
				NewTable(local.Operator("a"), "xx", intCodec{}),
				NewTable(local.Operator("ab"), "x", intCodec{}).Cached(),
			}
			for _, table := range tables {
				hot := rapid.Bool().Draw(t, "hot")
				if err := table.Open(func(string, int) bool { return hot }); err != nil {
					t.Fatal(err)
				}
			}
		}
		open()
		now := []map[string]int{{}, {}, {}}
		committed := []map[string]int{{}, {}, {}}
		marker := ""
		keys := []string{"", "a", "b", "\x00", "a\x00b", "\xff"}
		which := func(t *rapid.T) int { return rapid.IntRange(0, 2).Draw(t, "table") }
		key := func(t *rapid.T) string { return rapid.SampledFrom(keys).Draw(t, "key") }
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				i, k, v := which(t), key(t), rapid.Int().Draw(t, "v")
				tables[i].Put(k, v)
				now[i][k] = v
			},
			"delete": func(t *rapid.T) {
				i, k := which(t), key(t)
				tables[i].Delete(k)
				delete(now[i], k)
			},
			"shrink": func(t *rapid.T) { tables[which(t)].Shrink(rapid.IntRange(0, 3).Draw(t, "limit")) },
			"commit": func(t *rapid.T) {
				changes := local.Changes()
				marker = fmt.Sprint("m", rapid.Int().Draw(t, "marker"))
				if err := local.Apply(changes, []byte(marker)); err != nil {
					t.Fatal(err)
				}
				for i := range now {
					committed[i] = maps.Clone(now[i])
				}
			},
			"crash": func(t *rapid.T) {
				if err := local.Close(); err != nil {
					t.Fatal(err)
				}
				open()
				for i := range now {
					now[i] = maps.Clone(committed[i])
				}
				if m, err := local.Marker(); err != nil || string(m) != marker {
					t.Fatalf("marker %q, %v; want %q", m, err, marker)
				}
			},
			"": func(t *rapid.T) {
				for i, table := range tables {
					for _, k := range keys {
						got, ok := table.Get(k)
						want, there := now[i][k]
						if ok != there || got != want {
							t.Fatalf("table %d, key %q: %d, %v; want %d, %v", i, k, got, ok, want, there)
						}
					}
					if table.Err() != nil {
						t.Fatal(table.Err())
					}
				}
			},
		})
		if err := local.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestLocalIsEmptiedForAnotherIdentity(t *testing.T) {
	fs := vfs.NewMem()
	for i, step := range []struct {
		identity string
		want     bool
	}{{"one", false}, {"one", true}, {"two", false}, {"two", true}} {
		local, err := OpenLocal(fs, "state", step.identity, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		table := NewTable(local.Operator("a"), "x", intCodec{})
		if err := table.Open(func(string, int) bool { return true }); err != nil {
			t.Fatal(err)
		}
		if _, ok := table.Get("k"); ok != step.want {
			t.Errorf("step %d: key is there: %v, want %v", i, ok, step.want)
		}
		table.Put("k", 1)
		if err := local.Apply(local.Changes(), []byte("m")); err != nil {
			t.Fatal(err)
		}
		if err := local.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
