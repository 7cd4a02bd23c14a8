package main

import (
	"encoding/binary"
	"errors"
)

var errShort = errors.New("the record is too short")

// header is the marker and fingerprint of Avro's single-object encoding. The floor
// trusts the topic to hold one schema.
const header = 10

// decoder reads fields in the order of the schema. The first failure stays.
type decoder struct {
	rest []byte
	err  error
}

func decode(value []byte) decoder {
	if len(value) < header {
		return decoder{err: errShort}
	}
	return decoder{rest: value[header:]}
}

func (d *decoder) fail() { d.rest, d.err = nil, errShort }

func (d *decoder) long() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

// bytes shares memory with the record.
func (d *decoder) bytes() []byte {
	n := d.long()
	if n < 0 || n > int64(len(d.rest)) {
		d.fail()
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

// optional skips a text that may be null.
func (d *decoder) optional() {
	if d.long() == 1 {
		d.bytes()
	}
}

// cents is a decimal of scale 2.
func (d *decoder) cents() int64 {
	var v int64
	for i, b := range d.bytes() {
		if i == 0 {
			v = int64(int8(b))
		} else {
			v = v<<8 | int64(b)
		}
	}
	return v
}
