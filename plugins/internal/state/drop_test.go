package state

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestLabels: a store tells whose state it has, whatever their keys.
func TestLabels(t *testing.T) {
	local, err := OpenLocal(vfs.NewMem(), "state", "it", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"a", "a b", "ab", "ü"}
	for _, label := range want {
		for _, name := range []string{"x", "y"} {
			table := NewTable(local.Operator(label), name, intCodec{})
			for _, k := range []string{"", "k", "\x00", "\xff"} {
				table.Put(k, 1)
			}
		}
	}
	handOut(local)
	if err := errors.Join(local.Apply([]byte("m")), local.Write()); err != nil {
		t.Fatal(err)
	}
	if got, err := local.Labels(); err != nil || !slices.Equal(got, want) {
		t.Errorf("labels %q, %v; want %q", got, err, want)
	}
	if err := local.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestDropLastsWithWhatFollows: the keys of a label that was dropped are deleted by the
// next commit and by no other, and stand in the store until that is written.
func TestDropLastsWithWhatFollows(t *testing.T) {
	fs := vfs.NewMem()
	local, table := openTable(t, fs)
	commit := func(put ...string) (changes []string) {
		for _, k := range put {
			table.Put(k, 1)
		}
		for k, v := range local.Changes() {
			_, key, _ := strings.Cut(string(k), "\x00x\x00")
			if v == nil {
				key = "-" + key
			}
			changes = append(changes, key)
		}
		if err := local.Apply([]byte("m")); err != nil {
			t.Fatal(err)
		}
		return changes
	}
	want := func(got []string, want ...string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	reopen := func(drop bool) {
		if err := local.Close(); err != nil {
			t.Fatal(err)
		}
		var err error
		if local, err = OpenLocal(fs, "state", "it", 1<<20); err != nil {
			t.Fatal(err)
		}
		if drop {
			if err := local.Drop("a"); err != nil {
				t.Fatal(err)
			}
		}
		table = NewTable(local.Operator("a"), "x", intCodec{})
		if err := table.Open(func(*Entry[string, int]) bool { return true }); err != nil {
			t.Fatal(err)
		}
	}
	stored := func() (keys []string) {
		for e := range entries(table) {
			keys = append(keys, e.Key)
		}
		slices.Sort(keys)
		return keys
	}
	reopen(false)
	want(commit("k", "l"), "k", "l")
	reopen(true)
	want(stored())
	reopen(false) // nothing was committed
	want(stored(), "k", "l")
	reopen(true)
	want(commit("l", "m"), "-k", "-l", "l", "m")
	want(commit("n"), "n")
	reopen(false)
	want(stored(), "l", "m", "n")
	if err := local.Close(); err != nil {
		t.Fatal(err)
	}
}
