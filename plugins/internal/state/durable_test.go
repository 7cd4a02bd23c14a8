package state

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func openDurable(t *testing.T, fs vfs.FS) (*Local, *Table[string, int]) {
	t.Helper()
	local, err := NewCache(testCache).OpenDurable(fs, "some/where/state", "it")
	if err != nil {
		t.Fatal(err)
	}
	table := NewTable(local.Operator("a"), "x", intCodec{}).Cached()
	if err := table.Open(func(*Entry[string, int]) bool { return false }); err != nil {
		t.Fatal(err)
	}
	return local, table
}

// TestDurableCrash: whatever part of what was not synced a crash leaves, the store is as
// of the last commit.
func TestDurableCrash(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	disk := vfs.NewCrashableMem()
	committed, marker := map[string]int{}, ""
	for life := range 40 {
		local, table := openDurable(t, disk)
		stored, err := local.Marker()
		if err != nil || string(stored) != marker {
			t.Fatalf("life %d: marker %q, %v, want %q", life, stored, err, marker)
		}
		got := map[string]int{}
		for k := range 50 {
			key := fmt.Sprint("k", k)
			if e := table.Find(key); e != nil {
				got[key] = e.Value
			}
		}
		if !maps.Equal(got, committed) {
			t.Fatalf("life %d: %v, want %v", life, got, committed)
		}
		now := maps.Clone(committed)
		for n := range dice.IntN(6) {
			for range dice.IntN(40) {
				key, v := fmt.Sprint("k", dice.IntN(50)), dice.Int()
				if dice.IntN(3) == 0 {
					table.Delete(key)
					delete(now, key)
				} else {
					table.Put(key, v)
					now[key] = v
				}
			}
			if dice.IntN(4) == 0 {
				break // the crash comes before the commit
			}
			marker = fmt.Sprint(life, ".", n)
			if err := local.Commit([]byte(marker)); err != nil {
				t.Fatal(err)
			}
			committed = maps.Clone(now)
			local.Shrink(dice.IntN(3000))
		}
		after := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: dice.IntN(101), RNG: dice})
		if err := local.Close(); err != nil {
			t.Fatal(err)
		}
		disk = after
	}
	if marker == "" || len(committed) == 0 {
		t.Error("nothing was committed")
	}
}

// TestDurableIdentity: a store of something else is left as it is.
func TestDurableIdentity(t *testing.T) {
	disk := vfs.NewMem()
	local, table := openDurable(t, disk)
	table.Put("k", 1)
	if err := errors.Join(local.Commit([]byte("m")), local.Close()); err != nil {
		t.Fatal(err)
	}
	_, err := NewCache(testCache).OpenDurable(disk, "some/where/state", "other")
	var other *OtherIdentityError
	if !errors.As(err, &other) || other.Have != "it" {
		t.Errorf("opened as another: %v", err)
	}
	local, table = openDurable(t, disk)
	if e := table.Find("k"); e == nil || e.Value != 1 {
		t.Error("what was stored is gone")
	}
	if _, err := LockFolder(disk, "some/where/state"); !errors.Is(err, ErrLocked) {
		t.Errorf("an open store is not locked: %v", err)
	}
	if err := local.Close(); err != nil {
		t.Fatal(err)
	}
}
