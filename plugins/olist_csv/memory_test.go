package olistcsv

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"testing/fstest"
	"time"

	"github.com/tidemark-streams/tidemark/plugins/internal/replay"
)

// shaped is a dataset in the proportions of the full one: 99,441 orders, each with a
// customer, 112,650 items of 32,951 products and 3,095 sellers, 103,886 payments.
func shaped(orders int) fstest.MapFS {
	random := rand.New(rand.NewPCG(1, 2))
	id := func() string {
		var b [16]byte
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		return hex.EncodeToString(b[:])
	}
	ids := func(n int) (all []string) {
		for range n {
			all = append(all, id())
		}
		return all
	}
	products, sellers := ids(orders/3+1), ids(orders/32+1)
	var o, i, p, c bytes.Buffer
	o.WriteString(ordersHead)
	i.WriteString(itemsHead)
	p.WriteString(paymentsHead)
	c.WriteString("customer_id,customer_unique_id,customer_zip_code_prefix,customer_city,customer_state\n")
	for n := range orders {
		order, customer := id(), id()
		at := time.Unix(1_480_000_000+random.Int64N(60_000_000), 0).UTC()
		fmt.Fprintf(&o, "%s,%s,delivered,%s,%s,,,%s\n", order, customer, at.Format(time.DateTime),
			at.Add(20*time.Minute).Format(time.DateTime), at.AddDate(0, 0, 20).Format(time.DateTime))
		fmt.Fprintf(&c, "%s,u,01234,sao paulo,%s\n", customer, []string{"SP", "RJ", "MG"}[random.IntN(3)])
		for k := range 1 + min(1, 8*(n%61)/(8*60)+(n%9)/8) { // 1.13 an order
			fmt.Fprintf(&i, "%s,%d,%s,%s,,%d.90,12.3\n", order, k+1, products[random.IntN(len(products))], sellers[random.IntN(len(sellers))], n%500)
		}
		for k := range 1 + (n%22)/21 { // 1.045 an order
			fmt.Fprintf(&p, "%s,%d,credit_card,%d,%d.20\n", order, k+1, n%10, n%500+12)
		}
	}
	var described, placed bytes.Buffer
	described.WriteString("product_id,product_category_name\n")
	for n, product := range products {
		fmt.Fprintf(&described, "%s,category_%d\n", product, n%71)
	}
	placed.WriteString("seller_id,seller_state\n")
	for _, seller := range sellers {
		fmt.Fprintf(&placed, "%s,SP\n", seller)
	}
	return fstest.MapFS{ProductsFile: {Data: described.Bytes()}, SellersFile: {Data: placed.Bytes()}, OrdersFile: {Data: o.Bytes()}, ItemsFile: {Data: i.Bytes()}, PaymentsFile: {Data: p.Bytes()}, CustomersFile: {Data: c.Bytes()}}
}

// maxOrderBytes is what docs/events.md promises of what an order may keep in memory,
// with its items, payments, customer and products.
const maxOrderBytes = 280

func TestMemoryOfADataset(t *testing.T) {
	const orders = 20_000
	fsys := shaped(orders)
	for name, in := range map[string]replay.Injection{
		"as it is":  {},
		"disturbed": {Duplicates: 0.02, Disorder: 60_000, Late: 0.001, Seed: 1},
	} {
		t.Run(name, func(t *testing.T) {
			opts := options()
			opts.Injection = in
			before := heap()
			d, err := Load(context.Background(), fsys, opts)
			if err != nil {
				t.Fatal(err)
			}
			perOrder := (heap() - before) / orders
			t.Logf("%d bytes an order, %d events", perOrder, d.Len())
			if perOrder > maxOrderBytes {
				t.Errorf("an order takes %d bytes, at most %d are promised", perOrder, maxOrderBytes)
			}
			runtime.KeepAlive(d)
		})
	}
	runtime.KeepAlive(fsys)
}

// heap is what is in use once the collector has run.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func BenchmarkLoad(b *testing.B) {
	fsys := shaped(20_000)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Load(context.Background(), fsys, options()); err != nil {
			b.Fatal(err)
		}
	}
}
