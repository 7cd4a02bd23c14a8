package event

import "testing"

// order is the values of an order of Olist's.
var order = []Value{
	StringOf("d6ce70d5-c477-5493-a4f9-fccef14f3db9"), TimestampOf(1_506_941_793_000), StringOf("e481f51cbdc54678b7cc49136f2d6af7"),
	StringOf("9ef432eb6251297304e76186b10a928d"), StringOf("SP"), StringOf("delivered"), {}, DecimalOf(12990, 2),
}

// BenchmarkAppend writes the stored form of a row's values.
func BenchmarkAppend(b *testing.B) {
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = buf[:0]
		for _, v := range order {
			buf = v.Append(buf)
		}
	}
	b.SetBytes(int64(len(buf)))
}

// BenchmarkRead reads them back, with texts of their own.
func BenchmarkRead(b *testing.B) {
	var buf []byte
	for _, v := range order {
		buf = v.Append(buf)
	}
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		r := NewReader(buf)
		for range order {
			r.Value()
		}
		if err := r.Err(); err != nil {
			b.Fatal(err)
		}
	}
}
