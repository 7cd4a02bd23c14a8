package workload

import (
	"math"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/linkedin/goavro/v2"
)

var schemas = filepath.Join("..", "..", "..", "configs", "avro")

// Records are read with a library that did not write them, the oracle is computed
// again from what it reads, and the proportions are those that are promised.
func TestWorkload(t *testing.T) {
	const events = 20_000
	codecs := map[string]*goavro.Codec{}
	for topic, file := range schemaFiles {
		text, err := os.ReadFile(filepath.Join(schemas, file))
		if err != nil {
			t.Fatal(err)
		}
		if codecs[topic], err = goavro.NewCodec(string(text)); err != nil {
			t.Fatal(err)
		}
	}
	seen, latest := map[string]bool{}, map[string]int64{}
	orders, paid := map[string]int64{}, map[string]bool{}
	items := map[string]int64{}
	again := newOracle()
	displaced := 0
	o, err := Make(Config{Events: events, Seed: 1, Schemas: schemas}, func(r Record) {
		native, rest, err := codecs[r.Topic].NativeFromSingle(r.Value)
		if err != nil || len(rest) > 0 {
			t.Fatal(err, rest)
		}
		m := native.(map[string]any)
		if at := m["event_time"].(time.Time).UnixMilli(); at != r.Time || m["order_id"] != string(r.Key) {
			t.Fatalf("event time %d, record %d; order %v, key %s", at, r.Time, m["order_id"], r.Key)
		}
		if behind := latest[r.Topic] - r.Time; behind > 2*maxDisplacement {
			t.Fatalf("%d ms behind its topic", behind)
		} else if behind > 0 {
			displaced++
		}
		latest[r.Topic] = max(latest[r.Topic], r.Time)
		id := m["event_id"].(string)
		if seen[id] {
			return
		}
		seen[id] = true
		key := string(r.Key)
		switch r.Topic {
		case Orders:
			orders[key] = r.Time
		case Items:
			items[key] += inCents(m["price"])
		case Payments:
			paid[key] = true
			again.payment(r.Time, m["payment_type"].(string), inCents(m["payment_value"]))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for key, at := range orders {
		again.order(at, items[key] > 0, paid[key], items[key])
	}
	if !reflect.DeepEqual(o.orders, again.orders) || !reflect.DeepEqual(o.payments, again.payments) {
		t.Error("the oracle differs from what the records say")
	}
	if math.Abs(float64(o.Records)/events-1) > 0.02 {
		t.Errorf("%d records", o.Records)
	}
	if share := 1 - float64(len(seen))/float64(o.Records); math.Abs(share-repeated) > 0.01 {
		t.Errorf("%.4f of the records are repeated", share)
	}
	if displaced == 0 {
		t.Error("no record is displaced")
	}
}

// Equal seeds make equal workloads, others make others.
func TestSeed(t *testing.T) {
	first := func(seed uint64) string {
		var value string
		if _, err := Make(Config{Events: 100, Seed: seed, Schemas: schemas}, func(r Record) { value += string(r.Value) }); err != nil {
			t.Fatal(err)
		}
		return value
	}
	one := first(1)
	if one != first(1) {
		t.Error("one seed made two workloads")
	}
	if one == first(2) {
		t.Error("two seeds made one workload")
	}
}

func inCents(v any) int64 {
	r := new(big.Rat).Mul(v.(*big.Rat), big.NewRat(100, 1))
	return r.Num().Int64() / r.Denom().Int64()
}
