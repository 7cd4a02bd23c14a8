package state

import (
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Tables of operators are made in any order; hits and misses are told apart.
func TestUsage(t *testing.T) {
	fs := vfs.NewMem()
	l, err := OpenLocal(fs, "u", "me", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var tables [3]*Table[string, int]
	for i, at := range [][2]string{{"a", "x"}, {"b", "x"}, {"a", "y"}} {
		tables[i] = NewTable(l.Operator(at[0]), at[1], intCodec{}).Cached()
	}
	for i, k := range []string{"1", "2", "3"} {
		tables[0].Put(k, 1)
		tables[i%2+1].Put(k, 1)
	}
	tables[0].Get("1")
	tables[0].Get("none")
	want := func(want ...Usage) {
		t.Helper()
		got := l.Usage()
		for i := range got {
			if got[i].Memory < 0 {
				t.Errorf("%+v takes less than no memory", got[i])
			}
			got[i].Memory = 0
		}
		if !slices.Equal(got, want) {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	want(Usage{Operator: "a", Keys: 4, Hits: 1}, Usage{Operator: "b", Keys: 2})
	if l.DiskUsage() <= 0 {
		t.Error("a folder takes disk")
	}

	// What leaves memory is there all the same, and costs a read.
	for range l.Changes() {
	}
	if err := l.Apply([]byte("m")); err != nil {
		t.Fatal(err)
	}
	if err := l.Write(); err != nil {
		t.Fatal(err)
	}
	l.Shrink(0)
	tables[0].Get("2")
	tables[0].Get("2")
	tables[0].Get("none")
	want(Usage{Operator: "a", Keys: 4, Hits: 2, Misses: 1}, Usage{Operator: "b", Keys: 2})
}
