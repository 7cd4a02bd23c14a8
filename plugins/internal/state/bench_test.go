package state

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// BenchmarkTable is what the operators and the host do with a table of 100,000 keys
// on a folder; a commit has 20,000 changes.
func BenchmarkTable(b *testing.B) {
	const size, batch = 100_000, 20_000
	keys := make([]string, size)
	absent := make([]string, size)
	for i := range keys {
		keys[i] = fmt.Sprintf("%032x", uint64(i)*0x9E3779B97F4A7C15)
		absent[i] = keys[i] + "x"
	}
	open := func(b *testing.B) (*Local, *Table[string, int]) {
		local, err := OpenLocal(vfs.Default, b.TempDir(), "it", 32<<20)
		if err != nil {
			b.Fatal(err)
		}
		table := NewTable(local.Operator("a"), "x", intCodec{}).Cached()
		for i, k := range keys {
			table.Put(k, i)
		}
		handOut(local)
		if err := local.Apply([]byte("m")); err != nil {
			b.Fatal(err)
		}
		if err := local.db.Flush(); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() {
			if err := local.Close(); err != nil {
				b.Error(err)
			}
		})
		b.ReportAllocs()
		return local, table
	}
	b.Run("get hot", func(b *testing.B) {
		_, table := open(b)
		for i := 0; b.Loop(); i++ {
			table.Get(keys[i%size])
		}
	})
	b.Run("get absent", func(b *testing.B) {
		local, table := open(b)
		local.Shrink(0)
		for i := 0; b.Loop(); i++ {
			table.Get(absent[i%size])
		}
	})
	b.Run("get cold", func(b *testing.B) {
		local, table := open(b)
		for i := 0; b.Loop(); i++ {
			if table.Len() == 0 || i%size == 0 {
				b.StopTimer()
				local.Shrink(0)
				b.StartTimer()
			}
			table.Get(keys[i%size])
		}
	})
	b.Run("put", func(b *testing.B) {
		_, table := open(b)
		for i := 0; b.Loop(); i++ {
			table.Put(keys[i%size], i)
		}
	})
	b.Run("changes", func(b *testing.B) {
		local, table := open(b)
		for n := 0; b.Loop(); n++ {
			b.StopTimer()
			put(table, keys, n*batch, batch)
			b.StartTimer()
			handOut(local)
			b.StopTimer()
			if err := errors.Join(local.Apply([]byte("m")), local.Write()); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch), "ns/key")
	})
	b.Run("write", func(b *testing.B) {
		local, table := open(b)
		for n := 0; b.Loop(); n++ {
			b.StopTimer()
			put(table, keys, n*batch, batch)
			handOut(local)
			b.StartTimer()
			if err := errors.Join(local.Apply([]byte("m")), local.Write()); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch), "ns/key")
	})
}

func put(table *Table[string, int], keys []string, from, n int) {
	for i := range n {
		table.Put(keys[(from+i)%len(keys)], from)
	}
}
