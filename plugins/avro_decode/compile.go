package avrodecode

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"unsafe"

	"github.com/tidemark-streams/tidemark/plugins/internal/avro"
	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// Decoder turns the Avro binary form of one record type into the values of a row.
// It is compiled from the schema once: no map is made and no field name looked up
// per event. It belongs to one task.
type Decoder struct {
	// Schema of the rows; fields of nested records stand under dotted names.
	Schema *event.Schema
	reads  []reader
	steps  []step // in place of reads, where records were written with another schema
	in     input  // kept, so that decoding allocates nothing
}

// reader decodes one field.
type reader func(*input) event.Value

// input is what is left of a record; the first failure sticks.
type input struct {
	b     []byte
	err   error
	depth int // lists, maps and records around what is read
	free  int // items of lists so far that took no bytes
}

var (
	errShort  = errors.New("it ends in the middle of a field")
	errBranch = errors.New("a union has no such branch")
	errSymbol = errors.New("an enum has no such symbol")
	errBool   = errors.New("a boolean is neither 0 nor 1")
	errInt    = errors.New("a number does not fit its type")
	errFinite = errors.New("a number is not finite")
	errMoney  = errors.New("a decimal is too large")
	errTime   = errors.New("a time lies outside the years 1 to 9999")
	errSize   = errors.New("a length is negative")
	errDepth  = errors.New("it is nested too deeply")
	errFree   = errors.New("a list has too many empty items")
)

// Compile makes a decoder for a record type.
func Compile(s *avro.Schema) (*Decoder, error) {
	if s.Root.Kind != "record" {
		return nil, fmt.Errorf("schema %s is no record", s.Name)
	}
	d := &Decoder{}
	names, err := d.record(s.Root, "", nil, nil)
	if err != nil {
		return nil, fmt.Errorf("schema %s: %w", s.Name, err)
	}
	d.Schema = event.NewSchema(s.Name, names...)
	return d, nil
}

// record compiles the fields of t, which stands within the records around it.
func (d *Decoder) record(t *avro.Type, prefix string, names []string, around []*avro.Type) ([]string, error) {
	if slices.Contains(around, t) {
		return nil, fmt.Errorf("record %s contains itself without end", t.Name)
	}
	around = append(around, t)
	for _, f := range t.Fields {
		if f.Type.Kind != "record" {
			names = append(names, prefix+f.Name)
			d.reads = append(d.reads, compile(f.Type))
			continue
		}
		var err error
		if names, err = d.record(f.Type, prefix+f.Name+".", names, around); err != nil {
			return nil, err
		}
	}
	return names, nil
}

// Len is the number of values of a row.
func (d *Decoder) Len() int { return len(d.reads) }

// Decode fills values with the fields of a record. Texts share memory with b.
func (d *Decoder) Decode(b []byte, values []event.Value) error {
	in := &d.in
	*in = input{b: b}
	if d.steps != nil {
		return d.resolve(values)
	}
	for i, read := range d.reads {
		values[i] = read(in)
		if in.err != nil {
			return fmt.Errorf("not Avro of %s: field %s: %w", d.Schema.Name, d.Schema.Fields[i], in.err)
		}
	}
	if len(in.b) > 0 {
		return fmt.Errorf("not Avro of %s: %d bytes are left over", d.Schema.Name, len(in.b))
	}
	return nil
}

// resolve is Decode of a record that was written with another schema.
func (d *Decoder) resolve(values []event.Value) error {
	in := &d.in
	for i := range d.steps {
		if d.steps[i].do(in, values); in.err != nil {
			return fmt.Errorf("not Avro of %s: field %s: %w", d.Schema.Name, d.steps[i].name, in.err)
		}
	}
	if len(in.b) > 0 {
		return fmt.Errorf("not Avro of %s: %d bytes are left over", d.Schema.Name, len(in.b))
	}
	return nil
}

func compile(t *avro.Type) reader {
	if inner := t.Nullable(); inner != nil {
		read, null := compile(inner), int64(0)
		if t.Branches[1].Kind == "null" {
			null = 1
		}
		return func(in *input) event.Value {
			switch n := in.long(); {
			case in.err != nil || n == null:
				return event.Value{}
			case n == 1-null:
				return read(in)
			}
			in.fail(errBranch)
			return event.Value{}
		}
	}
	switch t.Kind {
	case "null":
		return func(*input) event.Value { return event.Value{} }
	case "boolean":
		return func(in *input) event.Value { return event.BoolOf(in.bool()) }
	case "int", "long":
		return compileLong(t)
	case "float":
		return func(in *input) event.Value {
			if b := in.take(4); b != nil {
				return in.float(float64(math.Float32frombits(binary.LittleEndian.Uint32(b))))
			}
			return event.Value{}
		}
	case "double":
		return func(in *input) event.Value {
			if b := in.take(8); b != nil {
				return in.float(math.Float64frombits(binary.LittleEndian.Uint64(b)))
			}
			return event.Value{}
		}
	case "string":
		return func(in *input) event.Value { return event.StringOf(in.text()) }
	case "bytes", "fixed":
		return compileBytes(t)
	case "enum":
		return func(in *input) event.Value {
			n := in.long()
			if n < 0 || n >= int64(len(t.Symbols)) {
				in.fail(errSymbol)
				return event.Value{}
			}
			return event.StringOf(t.Symbols[n])
		}
	case "union":
		return compileUnion(t)
	}
	// Arrays, maps and optional records: no operator looks inside, so they travel as JSON.
	return func(in *input) event.Value {
		return in.json(in.any(t))
	}
}

// compileUnion reads the value of whichever branch is there, as a field of that type would be.
func compileUnion(t *avro.Type) reader {
	var branches []reader
	for _, b := range t.Branches {
		branches = append(branches, compile(b))
	}
	return func(in *input) event.Value {
		n := in.long()
		if n < 0 || n >= int64(len(branches)) {
			in.fail(errBranch)
			return event.Value{}
		}
		return branches[n](in)
	}
}

const millisPerDay = 24 * 60 * 60 * 1000

// The years 1 to 9999, in milliseconds since the Unix epoch: neither JSON nor SQL
// knows others, and what lies outside is mostly a time in another unit.
const (
	firstMilli = -62_135_596_800_000
	lastMilli  = 253_402_300_799_999
)

func compileLong(t *avro.Type) reader {
	switch t.Logical {
	case "timestamp-millis", "local-timestamp-millis":
		return func(in *input) event.Value { return in.instant(in.long()) }
	case "timestamp-micros", "local-timestamp-micros":
		return func(in *input) event.Value {
			n := in.long()
			ms := n / 1000
			if n%1000 < 0 {
				ms--
			}
			return in.instant(ms)
		}
	case "date":
		return func(in *input) event.Value { return in.instant(in.int() * millisPerDay) }
	}
	if t.Kind == "int" {
		return func(in *input) event.Value { return event.IntOf(in.int()) }
	}
	return func(in *input) event.Value { return event.IntOf(in.long()) }
}

func compileBytes(t *avro.Type) reader {
	take := func(in *input) []byte { return in.take(in.long()) }
	if t.Kind == "fixed" {
		size := int64(t.Size)
		take = func(in *input) []byte { return in.take(size) }
	}
	switch {
	case t.Logical == "decimal" && t.Scale > event.MaxScale:
		return func(in *input) event.Value { return in.bigDecimal(t, take(in)) }
	case t.Logical == "decimal":
		scale := uint8(t.Scale)
		return func(in *input) event.Value {
			n, ok := twosComplement(take(in))
			if !ok {
				in.fail(errMoney)
			}
			return event.DecimalOf(n, scale)
		}
	}
	return func(in *input) event.Value { return event.StringOf(string(take(in))) }
}

// twosComplement reads a big-endian integer of any length; false where it does not fit.
func twosComplement(b []byte) (int64, bool) {
	var n int64
	if len(b) > 0 && b[0]&0x80 != 0 {
		n = -1
	}
	for len(b) > 8 { // sign extension
		if b[0] != byte(n) {
			return 0, false
		}
		b = b[1:]
		if len(b) == 8 && (b[0]&0x80 != 0) != (n < 0) {
			return 0, false
		}
	}
	for _, c := range b {
		n = n<<8 | int64(c)
	}
	return n, true
}

func (in *input) fail(err error) {
	if in.err == nil {
		in.err, in.b = err, nil
	}
}

func (in *input) long() int64 {
	v, n := binary.Varint(in.b)
	if n <= 0 {
		in.fail(errShort)
		return 0
	}
	in.b = in.b[n:]
	return v
}

// int reads a number of 32 bits.
func (in *input) int() int64 {
	n := in.long()
	if n != int64(int32(n)) {
		in.fail(errInt)
		return 0
	}
	return n
}

func (in *input) instant(ms int64) event.Value {
	if ms < firstMilli || ms > lastMilli {
		in.fail(errTime)
		return event.Value{}
	}
	return event.TimestampOf(event.Time(ms))
}

// float refuses what JSON has no word for.
func (in *input) float(f float64) event.Value {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		in.fail(errFinite)
		return event.Value{}
	}
	return event.FloatOf(f)
}

func (in *input) bool() bool {
	b := in.take(1)
	if b == nil {
		return false
	}
	if b[0] > 1 {
		in.fail(errBool)
	}
	return b[0] == 1
}

func (in *input) take(n int64) []byte {
	if n < 0 {
		in.fail(errSize)
		return nil
	}
	if n > int64(len(in.b)) {
		in.fail(errShort)
		return nil
	}
	b := in.b[:n]
	in.b = in.b[n:]
	return b
}

// text shares memory with the record, which nobody writes to again.
func (in *input) text() string {
	b := in.take(in.long())
	if len(b) == 0 {
		return ""
	}
	return unsafe.String(&b[0], len(b))
}

// Bounds on lists, so that a record of a few bytes cannot ask for endless memory:
// how deep they nest, and how many of their items may take no bytes, as nulls do.
const (
	maxDepth = 500
	maxFree  = 1 << 14
)

// any decodes a value of any type as JSON knows it.
func (in *input) any(t *avro.Type) any {
	if in.depth++; in.depth > maxDepth {
		in.fail(errDepth)
		return nil
	}
	defer func() { in.depth-- }()
	switch t.Kind {
	case "record":
		m := make(map[string]any, len(t.Fields))
		for _, f := range t.Fields {
			m[f.Name] = in.any(f.Type)
			if in.err != nil {
				return nil
			}
		}
		return m
	case "array":
		list := []any{}
		in.blocks(func() { list = append(list, in.any(t.Elem)) })
		return list
	case "map":
		m := map[string]any{}
		in.blocks(func() { k := in.text(); m[k] = in.any(t.Elem) })
		return m
	case "union":
		n := in.long()
		if n < 0 || n >= int64(len(t.Branches)) {
			in.fail(errBranch)
			return nil
		}
		return in.any(t.Branches[n])
	}
	return compile(t)(in).Any()
}

// bigDecimal reads a decimal of more places than a number of a row has. It travels
// as JSON, exact and out of reach of sums.
func (in *input) bigDecimal(t *avro.Type, b []byte) event.Value {
	if len(b) > t.Precision/2+8 { // 2.4 digits fit a byte
		in.fail(errMoney)
		return event.Value{}
	}
	v := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0]&0x80 != 0 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(len(b)*8)))
	}
	ten := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(t.Scale)), nil)
	return event.JSONOf(new(big.Rat).SetFrac(v, ten).FloatString(t.Scale))
}

func (in *input) blocks(item func()) {
	for in.err == nil {
		n := in.long()
		if n < 0 { // a negative count is followed by the block's size in bytes
			n = -n
			in.long()
		}
		if n < 0 {
			in.fail(errSize)
		}
		if n == 0 {
			return
		}
		for ; n > 0 && in.err == nil; n-- {
			left := len(in.b)
			item()
			if len(in.b) == left {
				if in.free++; in.free > maxFree {
					in.fail(errFree)
				}
			}
		}
	}
}
