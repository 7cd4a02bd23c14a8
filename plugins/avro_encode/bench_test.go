package avroencode

import (
	"encoding/json"
	"testing"

	"github.com/tidemark-streams/tidemark/plugins/internal/avro"
)

// BenchmarkEncode encodes a payment as it comes from JSON.
func BenchmarkEncode(b *testing.B) {
	s, err := avro.Load("../../configs/avro/payment.avsc")
	if err != nil {
		b.Fatal(err)
	}
	single, err := avro.ParseFraming(avro.FramingSingleObject, 0)
	if err != nil {
		b.Fatal(err)
	}
	e, err := NewEncoder(s, single)
	if err != nil {
		b.Fatal(err)
	}
	payment := map[string]any{
		"event_id": "d6ce70d5-c477-5493-a4f9-fccef14f3db9", "event_time": "2017-10-02T10:56:33Z",
		"order_id": "e481f51cbdc54678b7cc49136f2d6af7", "payment_sequential": json.Number("1"), "payment_type": "credit_card",
		"payment_installments": json.Number("3"), "payment_value": "129.90", "payment_status": "approved",
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Encode(payment); err != nil {
			b.Fatal(err)
		}
	}
}
