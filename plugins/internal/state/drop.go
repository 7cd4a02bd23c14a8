package state

import (
	"bytes"
	"errors"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// Labels are those of the operators that have anything in the store, in their order.
func (l *Local) Labels() (labels []string, err error) {
	it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: []byte{1}}) // behind the store's own keys
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; {
		label, _, _ := bytes.Cut(it.Key(), []byte{0})
		labels = append(labels, string(label))
		ok = it.SeekGE(append(label[:len(label):len(label)], 1))
	}
	return labels, errors.Join(it.Error(), l.trouble.err())
}

// Drop empties what lies under a label: the tables that are opened from now on find
// nothing. It must come before any of these changes. Its deletions are the first of the
// next changes, so that they last together with what follows, or not at all.
func (l *Local) Drop(label string) (err error) {
	prefix := []byte(label + "\x00")
	it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	d := drop{prefix: prefix}
	for ok := it.First(); ok; ok = it.Next() {
		d.keys = append(d.keys, slices.Clone(it.Key()))
	}
	if err := errors.Join(it.Error(), l.trouble.err()); err != nil {
		return err
	}
	l.drops = append(l.drops, d)
	return nil
}

// drop is a label whose keys the store has and shall not have.
type drop struct {
	prefix []byte
	keys   [][]byte // to hand out; nil once they are committed
}

// dropped tells whether a key of the store belongs to a label that was dropped.
func (l *Local) dropped(key []byte) bool {
	return slices.ContainsFunc(l.drops, func(d drop) bool { return bytes.HasPrefix(key, d.prefix) })
}

// handOutDrops is the part of Changes that deletes what was dropped.
func (l *Local) handOutDrops(yield func(key, value []byte) bool) bool {
	for _, d := range l.drops {
		for _, key := range d.keys {
			l.handed += len(key)
			if !yield(key, nil) {
				return false
			}
		}
	}
	return true
}

// committedDrops tells that what handOutDrops has handed out is committed. Until the
// store is written the labels stay: of keys that came and went meanwhile the tables
// tell nothing.
func (l *Local) committedDrops() {
	for i := range l.drops {
		l.drops[i].keys = nil
	}
}

// writeDrops deletes what was dropped, in front of what is written of the tables.
func (l *Local) writeDrops(b *pebble.Batch) error {
	for _, d := range l.drops {
		if err := b.DeleteRange(d.prefix, after(d.prefix), nil); err != nil {
			return err
		}
	}
	return nil
}
