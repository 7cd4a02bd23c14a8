package state

import (
	"testing"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// BenchmarkRows is the stored form of a row with its schema, as the join keeps orders.
func BenchmarkRows(b *testing.B) {
	schema := event.NewSchema("olist.OrderCreated", "event_id", "event_time", "order_id", "customer_id", "customer_state", "order_status")
	values := []event.Value{
		event.StringOf("d6ce70d5-c477-5493-a4f9-fccef14f3db9"), event.TimestampOf(1_506_941_793_000), event.StringOf("e481f51cbdc54678b7cc49136f2d6af7"),
		event.StringOf("9ef432eb6251297304e76186b10a928d"), event.StringOf("SP"), event.StringOf("delivered"),
	}
	schemas := NewSchemas(NewMemory().Operator("a"))
	stored := schemas.AppendRow(nil, schema, values)
	b.Run("append", func(b *testing.B) {
		var buf []byte
		b.ReportAllocs()
		for b.Loop() {
			buf = schemas.AppendRow(buf[:0], schema, values)
		}
	})
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := schemas.ReadRow(event.NewReader(stored)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
