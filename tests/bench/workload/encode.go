package workload

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"

	"github.com/linkedin/goavro/v2"
)

// The topics, in the order of the events of one order.
const (
	Orders   = "olist.orders"
	Items    = "olist.order_items"
	Payments = "olist.payments"
)

// Topics lists them.
var Topics = []string{Orders, Items, Payments}

var schemaFiles = map[string]string{
	Orders: "order.avsc", Items: "order_item.avsc", Payments: "payment.avsc",
}

// headers are the first bytes of the records of each topic: those of Avro's
// single-object encoding with the repository's schemas.
func headers(schemas string) (map[string][]byte, error) {
	h := map[string][]byte{}
	for topic, file := range schemaFiles {
		text, err := os.ReadFile(filepath.Join(schemas, file))
		if err != nil {
			return nil, err
		}
		codec, err := goavro.NewCodec(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		h[topic] = binary.LittleEndian.AppendUint64([]byte{0xC3, 0x01}, codec.Rabin)
	}
	return h, nil
}

// encoder appends fields in the Avro binary encoding.
type encoder []byte

func (e *encoder) long(v int64) { *e = binary.AppendVarint(*e, v) }

func (e *encoder) text(s string) {
	e.long(int64(len(s)))
	*e = append(*e, s...)
}

// some is the second branch of a union with null, none its first.
func (e *encoder) some() { e.long(1) }
func (e *encoder) none() { e.long(0) }

// money is a decimal of scale 2: the cents as the shortest big-endian number in
// two's complement.
func (e *encoder) money(cents int64) {
	size := 1
	for size < 8 && cents>>(8*size-1) != 0 && cents>>(8*size-1) != -1 {
		size++
	}
	e.long(int64(size))
	for i := size - 1; i >= 0; i-- {
		*e = append(*e, byte(cents>>(8*i)))
	}
}
