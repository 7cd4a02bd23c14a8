package replay

import (
	"bytes"
	"hash/maphash"
)

// Dict finds strings again that it has put into Texts, each with a number. It is a
// hash table with linear probing that keeps 12 to 24 bytes for a string beside its
// text, a third of what a map of strings would.
type Dict struct {
	texts   *Texts
	seed    maphash.Seed
	slots   []slot // their number is a power of two
	n       int
	scratch []byte
}

type slot struct {
	text  Text // 0: free
	value int32
}

// NewDict makes an empty dictionary over texts, which it may share with others.
func NewDict(texts *Texts) *Dict {
	return &Dict{texts: texts, seed: maphash.MakeSeed(), slots: make([]slot, 64)}
}

// Put returns the one copy of s and its number, which is 0 at first. The number may be
// set until the next call of Put. Known tells whether s was there before.
func (d *Dict) Put(s string) (text Text, number *int32, known bool) {
	at, found := d.find(s)
	if !found {
		if 3*d.n >= 2*len(d.slots) {
			d.grow()
			at, _ = d.find(s)
		}
		if d.slots[at] = (slot{text: d.texts.add(d.scratch)}); d.slots[at].text != 0 {
			d.n++
		}
	}
	return d.slots[at].text, &d.slots[at].value, found
}

// Get returns the number of s and its one copy.
func (d *Dict) Get(s string) (text Text, number int32, known bool) {
	at, found := d.find(s)
	return d.slots[at].text, d.slots[at].value, found
}

// Each calls change with every number.
func (d *Dict) Each(change func(number *int32)) {
	for i := range d.slots {
		if d.slots[i].text != 0 {
			change(&d.slots[i].value)
		}
	}
}

// find returns the slot of s, or the one where it belongs. It leaves the stored form
// of s in scratch.
func (d *Dict) find(s string) (at int, found bool) {
	d.scratch = appendText(d.scratch[:0], s)
	for i := maphash.Bytes(d.seed, d.scratch); ; i++ {
		at = int(i & uint64(len(d.slots)-1))
		switch text := d.slots[at].text; {
		case text == 0:
			return at, false
		case bytes.Equal(d.texts.stored(text), d.scratch):
			return at, true
		}
	}
}

func (d *Dict) grow() {
	old := d.slots
	d.slots = make([]slot, 2*len(old))
	for _, s := range old {
		if s.text == 0 {
			continue
		}
		for i := maphash.Bytes(d.seed, d.texts.stored(s.text)); ; i++ {
			if at := i & uint64(len(d.slots)-1); d.slots[at].text == 0 {
				d.slots[at] = s
				break
			}
		}
	}
}
