package event

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

func drawValue(t *rapid.T) Value {
	switch rapid.IntRange(0, 7).Draw(t, "kind") {
	case 0:
		return Value{}
	case 1:
		return BoolOf(rapid.Bool().Draw(t, "bool"))
	case 2:
		return IntOf(rapid.Int64().Draw(t, "int"))
	case 3:
		return DecimalOf(rapid.Int64().Draw(t, "unscaled"), rapid.Uint8Range(0, MaxScale).Draw(t, "scale"))
	case 4:
		return FloatOf(rapid.Float64().Draw(t, "float"))
	case 5:
		return StringOf(rapid.String().Draw(t, "text"))
	case 6:
		return TimestampOf(Time(rapid.Int64().Draw(t, "time")))
	}
	return JSONOf(rapid.SampledFrom([]string{"[]", `{"a":1}`}).Draw(t, "json"))
}

func TestStoredValuesComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Custom(drawValue), 0, 5).Draw(t, "values")
		var b []byte
		for _, v := range values {
			b = v.Append(b)
		}
		b = AppendText(b, "end")
		lent := bytes.Clone(b)
		r := NewReader(lent)
		got := make([]Value, len(values))
		for i := range values {
			got[i] = r.Value()
		}
		if text := r.Text(); text != "end" || r.Err() != nil {
			t.Fatalf("text %q, error %v", text, r.Err())
		}
		clear(lent) // what was read shares no memory with it
		for i := range values {
			if got[i] != values[i] {
				t.Fatalf("value %d: %+v came back as %+v", i, values[i], got[i])
			}
		}
	})
}

// TestCorruptBytes: whatever bytes are read, nothing panics, and an error sticks.
func TestCorruptBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")
		r := NewReader(b)
		for range 4 {
			r.Value()
			r.Text()
			r.Count()
		}
		if r.Err() == nil && len(b) > 0 && r.Len() > 0 {
			t.Fatal("bytes are left over and nobody says so")
		}
		if r.bad && (r.Varint() != 0 || r.Uvarint() != 0 || r.Bytes(1) != nil || r.Err() == nil) {
			t.Fatal("the error did not stick")
		}
	})
}

// TestUnpackReadsAsAReaderDoes: of stored values, and of any other bytes, both read the
// same or refuse the same.
func TestUnpackReadsAsAReaderDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 5).Draw(t, "n")
		var b []byte
		for range n {
			b = rapid.Custom(drawValue).Draw(t, "value").Append(b)
		}
		switch rapid.IntRange(0, 3).Draw(t, "damage") {
		case 0:
			b = rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")
		case 1:
			b = b[:rapid.IntRange(0, len(b)).Draw(t, "cut")]
		case 2:
			if len(b) > 0 {
				b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
			}
		}
		r := NewReader(b)
		want := make([]Value, n)
		for i := range want {
			want[i] = r.Value()
		}
		got := make([]Value, n)
		err := Unpack(b, got)
		if (err != nil) != (r.Err() != nil) {
			t.Fatalf("%x: Unpack says %v, a reader %v", b, err, r.Err())
		}
		for i := range want {
			if err == nil && got[i] != want[i] {
				t.Fatalf("%x: value %d is %+v, a reader has %+v", b, i, got[i], want[i])
			}
		}
	})
}
