package avro

import (
	"encoding/binary"
	"fmt"
)

// Framing is what stands before the Avro binary data in a record's value.
type Framing struct {
	kind     framingKind
	schemaID uint32
}

type framingKind uint8

const (
	singleObject framingKind = iota
	confluent
	raw
)

// The names of the framings.
const (
	// FramingSingleObject is Avro's own: C3 01 and the schema's fingerprint.
	FramingSingleObject = "single_object"
	// FramingConfluent is the schema registry's: 00 and the schema's id.
	FramingConfluent = "confluent"
	// FramingRaw is none.
	FramingRaw = "raw"
)

// ParseFraming makes a framing from its name; an empty name is single_object.
// schemaID is the id that the schema registry gave to the schema; only confluent
// has one, and there 0 means any when reading and is refused when writing.
func ParseFraming(name string, schemaID int) (Framing, error) {
	if schemaID < 0 || int64(schemaID) > 1<<31-1 {
		return Framing{}, fmt.Errorf("schema id %d is out of range", schemaID)
	}
	switch name {
	case FramingSingleObject, "":
		return Framing{kind: singleObject}, nil
	case FramingConfluent:
		return Framing{kind: confluent, schemaID: uint32(schemaID)}, nil
	case FramingRaw:
		return Framing{kind: raw}, nil
	}
	return Framing{}, fmt.Errorf("framing %q is not one of %s, %s, %s",
		name, FramingSingleObject, FramingConfluent, FramingRaw)
}

// IsRaw tells whether nothing stands before the data.
func (f Framing) IsRaw() bool { return f.kind == raw }

const (
	singleObjectHeader = 10 // marker, fingerprint
	confluentHeader    = 5  // magic byte, schema id
)

// appendHeader appends what f puts before data of s.
func (s *Schema) appendHeader(f Framing, dst []byte) []byte {
	switch f.kind {
	case singleObject:
		return binary.LittleEndian.AppendUint64(append(dst, 0xC3, 0x01), s.Fingerprint)
	case confluent:
		return binary.BigEndian.AppendUint32(append(dst, 0), f.schemaID)
	}
	return dst
}

// Frame appends payload, the binary encoding of a value of s, to dst within its framing.
func (s *Schema) Frame(f Framing, dst, payload []byte) []byte {
	return append(s.appendHeader(f, dst), payload...)
}

// Unframe returns the binary encoding within a record's value. It shares memory
// with b. The error tells what was found in place of the header.
func (s *Schema) Unframe(f Framing, b []byte) (payload []byte, err error) {
	switch f.kind {
	case singleObject:
		if len(b) < singleObjectHeader {
			return nil, fmt.Errorf("%d bytes are too short for an Avro single object", len(b))
		}
		if b[0] != 0xC3 || b[1] != 0x01 {
			return nil, fmt.Errorf("no Avro single object: it begins with %02x %02x, not c3 01", b[0], b[1])
		}
		// goavro, like all that build on it, keeps {"type":"long"} where the canonical
		// form says "long", and so has another fingerprint for schemas with logical types.
		got := binary.LittleEndian.Uint64(b[2:])
		if got != s.Fingerprint && got != s.codec.Rabin {
			return nil, fmt.Errorf("written with another schema: fingerprint %016x, %s has %016x", got, s.Name, s.Fingerprint)
		}
		return b[singleObjectHeader:], nil
	case confluent:
		if len(b) < confluentHeader {
			return nil, fmt.Errorf("%d bytes are too short for Confluent framing", len(b))
		}
		if b[0] != 0 {
			return nil, fmt.Errorf("no Confluent framing: it begins with %02x, not 00", b[0])
		}
		if id := binary.BigEndian.Uint32(b[1:]); f.schemaID != 0 && id != f.schemaID {
			return nil, fmt.Errorf("written with another schema: id %d, %s has %d", id, s.Name, f.schemaID)
		}
		return b[confluentHeader:], nil
	}
	return b, nil
}

// ConfluentID is the schema's id in front of a value in Confluent framing, and what
// stands behind it; ok is false where the value has no such framing.
func ConfluentID(b []byte) (id uint32, payload []byte, ok bool) {
	if len(b) < confluentHeader || b[0] != 0 {
		return 0, nil, false
	}
	return binary.BigEndian.Uint32(b[1:]), b[confluentHeader:], true
}

// SingleObject is the schema's fingerprint in front of a value in single-object encoding,
// and what stands behind it; ok is false where the value has no such framing.
func SingleObject(b []byte) (fingerprint uint64, payload []byte, ok bool) {
	if len(b) < singleObjectHeader || b[0] != 0xC3 || b[1] != 0x01 {
		return 0, nil, false
	}
	return binary.LittleEndian.Uint64(b[2:]), b[singleObjectHeader:], true
}

// Fingerprints are those that stand in front of values of s: its own, and the one that
// goavro makes, which keeps {"type":"long"} where the canonical form says "long".
func (s *Schema) Fingerprints() [2]uint64 { return [2]uint64{s.Fingerprint, s.codec.Rabin} }
