package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"maps"
	"strings"
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

// TestLocalKeepsWhatWasCommitted puts, deletes, evicts, hands out changes, commits,
// writes, ends and drops labels at random: a table always answers like the model, and
// after an end like the model of the commit that the marker names. That is the last one,
// unless something changed after it. What is handed out makes the same of a changelog.
func TestLocalKeepsWhatWasCommitted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fs := vfs.NewMem()
		var local *Local
		var tables []*Table[string, int]
		open := func(drop ...string) {
			var err error
			if local, err = OpenLocal(fs, "state", "it", 1<<20); err != nil {
				t.Fatal(err)
			}
			for _, label := range drop {
				if err := local.Drop(label); err != nil {
					t.Fatal(err)
				}
			}
			tables = []*Table[string, int]{
				NewTable(local.Operator("a"), "x", intCodec{}).Cached(),
				NewTable(local.Operator("a"), "xx", intCodec{}),
				NewTable(local.Operator("ab"), "x", intCodec{}).Cached(),
			}
			for _, table := range tables {
				hot := rapid.Bool().Draw(t, "hot")
				if err := table.Open(func(*Entry[string, int]) bool { return hot }); err != nil {
					t.Fatal(err)
				}
			}
		}
		open()
		now := []map[string]int{{}, {}, {}}
		committed := []map[string]int{{}, {}, {}}
		var handed []map[string]int // by Changes, and not committed
		marker, clean := "", true   // of the last commit; whether nothing has changed since
		touched := false            // something has changed since the changes were handed out
		commits := map[string][]map[string]int{"": clones(now)}
		logs := map[string]map[string]string{"": {}} // what the changelog has at each commit
		var log map[string]string                    // and with what is handed out
		handOut := func() {
			log = maps.Clone(logs[marker])
			for k, v := range local.Changes() {
				if log[string(k)] = string(v); v == nil {
					delete(log, string(k))
				}
			}
		}
		stands := func() { // the store has some commit, and the last one if it could be written
			m, err := local.Marker()
			if at, ok := commits[string(m)]; err != nil || !ok || clean && string(m) != marker {
				t.Fatalf("marker %q, %v, after commit %q; clean: %v", m, err, marker, clean)
			} else {
				committed, marker = at, string(m)
			}
		}
		commit := func() {
			marker = fmt.Sprint("m", len(commits))
			logs[marker] = log
			if want := logOf(handed); !maps.Equal(log, want) {
				t.Fatalf("the changelog has %q, want %q", log, want)
			}
			if err := local.Apply([]byte(marker)); err != nil {
				t.Fatal(err)
			}
			clean = !touched
			commits[marker], handed = handed, nil
		}
		keys := []string{"", "a", "b", "\x00", "a\x00b", "\xff"}
		which := func(t *rapid.T) int { return rapid.IntRange(0, 2).Draw(t, "table") }
		key := func(t *rapid.T) string { return rapid.SampledFrom(keys).Draw(t, "key") }
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				i, k, v := which(t), key(t), rapid.Int().Draw(t, "v")
				tables[i].Put(k, v)
				now[i][k], clean, touched = v, false, true
			},
			"delete": func(t *rapid.T) {
				i, k := which(t), key(t)
				if _, there := now[i][k]; there && rapid.Bool().Draw(t, "known") {
					tables[i].Drop(k)
				} else {
					tables[i].Delete(k)
				}
				delete(now[i], k)
				clean, touched = false, true
			},
			"shrink": func(t *rapid.T) { local.Shrink(rapid.IntRange(0, 5*entrySize).Draw(t, "limit")) },
			"hand out": func(t *rapid.T) {
				if handed != nil {
					return // a host commits before it asks again
				}
				handOut()
				handed, clean, touched = clones(now), false, false
				if rapid.Bool().Draw(t, "again") {
					for range local.Changes() { // some of them, for a commit that does not come about
						break
					}
					handOut()
				}
			},
			"commit": func(t *rapid.T) {
				if handed != nil {
					commit()
				}
			},
			"put away": func(t *rapid.T) { // all that it takes for keys to be on the shelf only
				if handed == nil {
					handOut()
					handed, touched = clones(now), false
					commit()
				}
				if err := local.Write(); err != nil {
					t.Fatal(err)
				}
				local.Shrink(0)
			},
			"write": func(t *rapid.T) {
				if err := local.Write(); err != nil {
					t.Fatal(err)
				}
			},
			"end": func(t *rapid.T) {
				if err := local.Close(); err != nil {
					t.Fatal(err)
				}
				open()
				stands()
				handed, now, clean = nil, clones(committed), true
			},
			"end and drop": func(t *rapid.T) {
				if err := local.Close(); err != nil {
					t.Fatal(err)
				}
				open("a")
				stands()
				handed, now = nil, clones(committed)
				now[0], now[1] = map[string]int{}, map[string]int{}
				clean, touched = false, true
			},
			"": func(t *rapid.T) {
				look := keys
				if rapid.Bool().Draw(t, "leave keys where they are") {
					look = nil
				}
				for i, table := range tables {
					for _, k := range look {
						got, ok := table.Get(k)
						want, there := now[i][k]
						if ok != there || got != want {
							t.Fatalf("table %d, key %q: %d, %v; want %d, %v", i, k, got, ok, want, there)
						}
					}
					if table.Err() != nil {
						t.Fatal(table.Err())
					}
					size := 0
					for e := range entries(table) {
						size += int(e.size)
					}
					if table.size != size {
						t.Fatalf("table %d says its keys take %d bytes, they take %d", i, table.size, size)
					}
				}
			},
		})
		if err := local.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// logOf is what a changelog has of the tables of the test.
func logOf(tables []map[string]int) map[string]string {
	log := map[string]string{}
	for i, prefix := range []string{"a\x00x\x00", "a\x00xx\x00", "ab\x00x\x00"} {
		for k, v := range tables[i] {
			log[prefix+k] = string(intCodec{}.AppendValue(nil, v))
		}
	}
	return log
}

// handOut goes through the changes of a store, as a commit does.
func handOut(l *Local) {
	for range l.Changes() {
	}
}

// entries are those of the hot keys.
func entries(t *Table[string, int]) iter.Seq[*Entry[string, int]] {
	return func(yield func(*Entry[string, int]) bool) {
		for n := range t.slab.chunks {
			for i := range uint32(chunkEntries) {
				if t.slab.chunks[n].used>>i&1 == 1 && !yield(t.slab.at(uint32(n)*chunkEntries+i)) {
					return
				}
			}
		}
	}
}

func clones(from []map[string]int) []map[string]int {
	var to []map[string]int
	for _, m := range from {
		to = append(to, maps.Clone(m))
	}
	return to
}

// TestDeathLeavesAnEarlierCommit: what a process had not written to files when it died
// is gone, and the rest stands as it did at some commit.
func TestDeathLeavesAnEarlierCommit(t *testing.T) {
	fs := vfs.NewCrashableMem()
	local, table := openTable(t, fs)
	for commit := range 50 {
		for i := range 2000 {
			table.Put(strings.Repeat(fmt.Sprint(i, "-"), 20), commit)
		}
		handOut(local)
		if err := local.Apply([]byte(fmt.Sprint(commit))); err != nil {
			t.Fatal(err)
		}
		if commit == 40 { // what was written so far has come to files
			if err := local.flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	copied := fs.CrashClone(vfs.CrashCloneCfg{})
	if err := local.Close(); err != nil {
		t.Fatal(err)
	}
	local, table = openTable(t, copied)
	defer func() {
		if err := local.Close(); err != nil {
			t.Error(err)
		}
	}()
	m, err := local.Marker()
	if err != nil || len(m) == 0 {
		t.Fatalf("marker %q, %v: nothing was written in 50 commits", m, err)
	}
	for i := range 2000 {
		if v, ok := table.Get(strings.Repeat(fmt.Sprint(i, "-"), 20)); !ok || fmt.Sprint(v) != string(m) {
			t.Fatalf("key %d is %d, %v; at commit %s it was that number", i, v, ok, m)
		}
	}
}

// TestShrink: a cached table keeps what is dirty and what is in use, and what it
// remembers of keys does not grow with those that have gone.
func TestShrink(t *testing.T) {
	local, table := openTable(t, vfs.NewMem())
	defer func() {
		if err := local.Close(); err != nil {
			t.Error(err)
		}
	}()
	commit := func() {
		if err := errors.Join(local.Apply([]byte("m")), local.Write()); err != nil {
			t.Fatal(err)
		}
	}
	whole := NewTable(local.Operator("b"), "y", intCodec{})
	key := func(i int) string { return fmt.Sprintf("k%03d", i) }
	for i := range 100 {
		table.Put(key(i), i)
		whole.Put(key(i), i)
	}
	local.Shrink(0)
	if table.Len() != 100 {
		t.Fatalf("%d keys are hot of 100 that are nowhere else", table.Len())
	}
	handOut(local)
	local.Shrink(0)
	if table.Len() != 100 {
		t.Fatalf("%d keys are hot of 100 that are handed out and not committed", table.Len())
	}
	commit()
	half := table.Size() / 2
	local.Shrink(half) // takes their marks of use
	if table.Size() > half || table.Size() < half-2*int(sizeOf(10)) {
		t.Fatalf("the keys take %d bytes, want just below %d", table.Size(), half)
	}
	if whole.Len() != 100 {
		t.Errorf("a table that is not cached keeps %d keys of 100", whole.Len())
	}
	local.Shrink(table.Size())
	for e := range entries(table) {
		e.used = false
	}
	for i := range 10 {
		table.Get(key(i))
	}
	local.Shrink(10 * int(sizeOf(10)))
	for i := range 10 {
		if k := key(i); table.lookUp(k, table.Hash(k)) == nil {
			t.Errorf("%s was in use and is gone, where others were not", key(i))
		}
	}
	for i := range 100 {
		table.Delete(key(i))
	}
	handOut(local)
	commit()
	if table.Len() != 0 || table.Size() != 0 || len(table.dirty)+len(table.out) != 0 {
		t.Errorf("of deleted keys %d are left, %d bytes, %d to commit", table.Len(), table.Size(), len(table.dirty)+len(table.out))
	}
}

// TestDrop: a key that is on the shelf only is deleted there without being read.
func TestDrop(t *testing.T) {
	fs := vfs.NewMem()
	for _, want := range []bool{true, false} {
		local, table := openTable(t, fs)
		if want {
			table.Put("k", 1)
		} else {
			table.Drop("k")
		}
		handOut(local)
		if err := errors.Join(local.Apply([]byte("m")), local.Close()); err != nil {
			t.Fatal(err)
		}
		local, table = openTable(t, fs)
		if _, there := table.Get("k"); there != want {
			t.Errorf("the key is there: %v", there)
		}
		if err := local.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCacheIsShared: the open stores of a cache have the same part of it each.
func TestCacheIsShared(t *testing.T) {
	cache := NewCache(12 << 20)
	fs := vfs.NewMem()
	var stores []*Local
	for n := 1; n <= 3; n++ {
		local, err := cache.Open(fs, fmt.Sprint("task", n), "it")
		if err != nil {
			t.Fatal(err)
		}
		stores = append(stores, local)
		if got := cache.Share(); got != 6<<20/n {
			t.Errorf("%d stores have %d bytes each", n, got)
		}
	}
	if _, err := cache.Open(fs, "task1", "it"); !errors.Is(err, ErrLocked) {
		t.Error(err)
	}
	for n, local := range stores {
		if got := cache.Share(); got != 6<<20/(3-n) {
			t.Errorf("%d stores have %d bytes each", 3-n, got)
		}
		if err := local.Close(); err != nil {
			t.Error(err)
		}
	}
	if cache.blocks != nil {
		t.Error("no store is open, and the blocks are still there")
	}
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
		if err := table.Open(func(*Entry[string, int]) bool { return true }); err != nil {
			t.Fatal(err)
		}
		if _, ok := table.Get("k"); ok != step.want {
			t.Errorf("step %d: key is there: %v, want %v", i, ok, step.want)
		}
		table.Put("k", 1)
		handOut(local)
		if err := local.Apply([]byte("m")); err != nil {
			t.Fatal(err)
		}
		if err := local.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
