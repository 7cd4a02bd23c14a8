package workload

import (
	"maps"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/linkedin/goavro/v2"
)

var schemas = filepath.Join("..", "..", "..", "configs", "avro")

const events = 20_000

// Records are read with a library that did not write them, the oracle is computed
// again from what it reads, and the proportions are those that are promised.
func TestWorkload(t *testing.T) {
	for name, c := range map[string]Config{
		"as it is":       {},
		"a short span":   {Span: Within},
		"a long span":    {Span: 300 * Day},
		"hot orders":     {Hot: true},
		"late approvals": {LateApprovals: true},
	} {
		t.Run(name, func(t *testing.T) {
			c.Events, c.Seed, c.Schemas = events, 1, schemas
			check(t, c)
		})
	}
}

func check(t *testing.T, c Config) {
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
	items, ofOrder := map[string]int64{}, map[string]int{}
	var delays []int64
	again := newOracle()
	displaced := 0
	o, err := Make(c, func(r Record) {
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
		key := string(r.Key)
		ofOrder[key]++
		id := m["event_id"].(string)
		if seen[id] {
			return
		}
		seen[id] = true
		at, known := orders[key]
		if known && r.Topic != Orders && r.Time-at > Within {
			t.Fatalf("%s: %d ms after its order", r.Topic, r.Time-at)
		}
		switch r.Topic {
		case Orders:
			orders[key] = r.Time
		case Items:
			items[key] += inCents(m["price"])
		case Payments:
			paid[key] = true
			if known {
				delays = append(delays, r.Time-at)
			}
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
	near := func(what string, got, want, by float64) {
		t.Helper()
		if math.Abs(got-want) > by {
			t.Errorf("%s: %.4f, want %.4f", what, got, want)
		}
	}
	near("records", float64(o.Records)/events, 1, 0.03)
	near("repeated", 1-float64(len(seen))/float64(o.Records), repeated, 0.01)
	near("live orders", float64(live(orders))/float64(c.LiveOrders()), 1, 0.1)
	hottest := 0.02
	if c.Hot {
		hottest = 0.2
	}
	near("of the most frequent 1 %", shareOfHottest(ofOrder), hottest, 0.03)
	slices.Sort(delays)
	median := 20.0 / 1440
	if c.LateApprovals {
		median = 2.5
	}
	near("days to the payment", float64(delays[len(delays)/2])/float64(Day), median, 0.1)
	if displaced == 0 {
		t.Error("no record is displaced")
	}
}

// live is the most orders that lie within the time that they are remembered.
func live(orders map[string]int64) (most int) {
	times := slices.Sorted(maps.Values(orders))
	first := 0
	for i, t := range times {
		for t-times[first] > Within {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// shareOfHottest is the share of the records that the 1 % of the orders with the most have.
func shareOfHottest(ofOrder map[string]int) float64 {
	counts := slices.Sorted(maps.Values(ofOrder))
	all, hot := 0, 0
	for i, n := range counts {
		all += n
		if i >= len(counts)-len(counts)/100 {
			hot += n
		}
	}
	return float64(hot) / float64(all)
}

func TestSpanFor(t *testing.T) {
	c := Config{Events: 1_000_000}
	for _, want := range []int64{1000, 100_000, c.orders()} {
		c.Span = c.SpanFor(want)
		if got := c.LiveOrders(); math.Abs(float64(got-want)) > 1 {
			t.Errorf("%d live orders, want %d", got, want)
		}
	}
}

// A probe is a record that can be read, and a row of the oracle's.
func TestProbe(t *testing.T) {
	o := newOracle()
	p, err := NewProber(schemas, o)
	if err != nil {
		t.Fatal(err)
	}
	r := p.Payment(7*Minute, "probe 1")
	text, err := os.ReadFile(filepath.Join(schemas, schemaFiles[Payments]))
	if err != nil {
		t.Fatal(err)
	}
	codec, err := goavro.NewCodec(string(text))
	if err != nil {
		t.Fatal(err)
	}
	native, _, err := codec.NativeFromSingle(r.Value)
	if err != nil {
		t.Fatal(err)
	}
	m := native.(map[string]any)
	want := payment{1, inCents(m["payment_value"])}
	if got := o.payments[paymentKey{7, m["payment_type"].(string)}]; o.Records != 1 || got == nil || *got != want {
		t.Errorf("%d records, row %v, want %v", o.Records, got, want)
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
