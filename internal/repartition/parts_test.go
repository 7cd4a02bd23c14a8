package repartition

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

var kerrInvalidTimestamp = kerr.InvalidTimestamp

func TestDigest(t *testing.T) {
	of := func(records ...kgo.Record) (d Digest) {
		for i := range records {
			d.add(&records[i])
		}
		return d
	}
	a := kgo.Record{Key: []byte("k"), Value: []byte("v"), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("x")}}, Timestamp: at(1)}
	b := kgo.Record{Key: []byte("l"), Timestamp: at(2)}
	if !of(a, b, a).Equal(of(a, a, b)) {
		t.Error("the order makes a difference")
	}
	moved := a
	moved.Partition, moved.Offset, moved.Topic = 3, 7, "t"
	if !of(a).Equal(of(moved)) {
		t.Error("the place makes a difference")
	}
	change := func(f func(*kgo.Record)) kgo.Record {
		r := a
		f(&r)
		return r
	}
	for i, other := range []Digest{
		of(), of(a, a), of(b),
		of(change(func(r *kgo.Record) { r.Key = nil })),
		of(change(func(r *kgo.Record) { r.Key, r.Value = []byte("kv"), []byte{} })),
		of(change(func(r *kgo.Record) { r.Value = nil })),
		of(change(func(r *kgo.Record) { r.Headers = nil })),
		of(change(func(r *kgo.Record) { r.Headers = []kgo.RecordHeader{{Key: "h"}} })),
		of(change(func(r *kgo.Record) { r.Headers = []kgo.RecordHeader{{Key: "hx", Value: []byte{}}} })),
		of(change(func(r *kgo.Record) { r.Timestamp = at(2) })),
	} {
		if of(a).Equal(other) || of(a).Checksum() == other.Checksum() {
			t.Errorf("digest %d is that of another record", i)
		}
	}
}

func TestFrontier(t *testing.T) {
	f := frontier{settle: 10}
	step := func(now int64, ends ...int64) bool { return f.see(look{time.Unix(0, now), ends}) }
	passes := func(want ...int64) { // of each partition, the first offset that must not pass
		t.Helper()
		for p, n := range want {
			if n > 0 && !f.passes(p, n-1) || f.passes(p, n) {
				t.Errorf("offsets of %d pass: up to %v, not %d; next look at %v", p, f.aged, n, f.due())
			}
		}
	}
	if step(0, 5, 5) {
		t.Error("it has grown before the first look")
	}
	passes(0, 0)
	if !step(9, 6, 5) { // too early to tell
		t.Error("it has not grown")
	}
	passes(0, 0)
	step(10, 7, 5)
	passes(5, 5) // what was there at 0
	if step(19, 7, 5) {
		t.Error("it has grown")
	}
	passes(5, 5)
	step(25, 9, 8)
	passes(7, 5) // what was there at 10
	step(35, 9, 8)
	passes(9, 8)
}
