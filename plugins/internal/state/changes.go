package state

import (
	"errors"
	"unsafe"

	"github.com/cockroachdb/pebble/v2"
)

// Change is a key that a commit sets, or deletes where Value is nil.
type Change struct {
	Key, Value []byte
	// fresh: the store has nothing under the key.
	fresh bool
}

// Changes collects what has changed in all tables since the last call.
func (l *Local) Changes() []Change {
	var list []Change
	var block []byte // many keys and values in one piece of memory
	for range 2 {    // encoding a row may file its schema, in a table that had its turn
		for _, s := range l.tables {
			s.table.Changes(func(key, value []byte, fresh bool) {
				n := len(s.prefix) + len(key)
				if cap(block)-len(block) < n+len(value) {
					block = make([]byte, 0, max(n+len(value), blockSize))
				}
				at := len(block)
				block = append(append(append(block, s.prefix...), key...), value...)
				c := Change{Key: block[at : at+n : at+n], fresh: fresh}
				if value != nil {
					c.Value = block[at+n : len(block) : len(block)]
				}
				list = append(list, c)
			})
		}
	}
	return list
}

const blockSize = 64 << 10

// waiting are commits that are in the changelog and not in the store yet. Keys change
// again and again, and most of them for a short time, so writing the store rarely
// writes little: of each key what it is in the end, and nothing of one that has come
// and gone meanwhile. Until then the keys are hot.
type waiting struct {
	changes []Change // in their order
	marker  []byte   // of the last commit
	bytes   int
	commits int
}

// A store is written when so much waits, or for so many commits: at one a second, the
// changelog has to tell half a minute at most to who finds the store of a process that
// died.
const (
	writeBytes   = 4 << 20
	writeCommits = 30
)

// Apply takes the changes of a commit and its marker, which the store will have at
// once, together with those before.
func (l *Local) Apply(changes []Change, marker []byte) error {
	w := &l.waiting
	w.changes = append(w.changes, changes...)
	w.marker = marker
	w.commits++
	for _, c := range changes {
		w.bytes += len(c.Key) + len(c.Value)
	}
	if w.bytes < writeBytes && w.commits < writeCommits {
		return l.trouble.err()
	}
	return l.Write()
}

// Write writes the commits that wait. Apply does so now and then, and Close.
func (l *Local) Write() error {
	if l.waiting.commits == 0 {
		return nil
	}
	if err := l.Load(last(l.waiting.changes), l.waiting.marker); err != nil {
		return err
	}
	l.waiting = waiting{}
	for _, s := range l.tables {
		s.table.Shelved()
	}
	_, err := l.db.AsyncFlush() // on its way to a file, where the death of the process leaves it
	return err
}

// last keeps of the changes of each key the last one, and none where that deletes what
// the store does not have.
func last(changes []Change) []Change {
	seen := make(map[string]struct{}, len(changes))
	at := len(changes)
	for i := at - 1; i >= 0; i-- {
		c := changes[i]
		key := unsafe.String(unsafe.SliceData(c.Key), len(c.Key))
		if _, later := seen[key]; later {
			continue
		}
		seen[key] = struct{}{}
		if c.Value == nil && c.fresh {
			continue
		}
		at--
		changes[at] = c
	}
	return changes[at:]
}

// changeOverhead is what a change takes in a batch beside key and value, and more.
const changeOverhead = 16

// Reset empties the store, but for its identity. No table may have been opened.
func (l *Local) Reset() error {
	// The marker's is the first key behind the identity.
	return errors.Join(l.unread(), l.db.DeleteRange(keyMarker, []byte{0xff}, pebble.NoSync), l.trouble.err())
}

// Load writes changes and the marker at once. Where they come from elsewhere, no table
// may have been opened.
func (l *Local) Load(changes []Change, marker []byte) error {
	if err := errors.Join(l.unread(), l.trouble.err()); err != nil {
		return err
	}
	size := 0
	for _, c := range changes {
		size += len(c.Key) + len(c.Value) + changeOverhead
	}
	b := l.db.NewBatchWithSize(size + len(marker) + changeOverhead)
	defer b.Close()
	for _, c := range changes {
		var err error
		if c.Value == nil {
			err = b.Delete(c.Key, nil)
		} else {
			err = b.Set(c.Key, c.Value, nil)
		}
		if err != nil {
			return err
		}
	}
	if err := b.Set(keyMarker, marker, nil); err != nil {
		return err
	}
	return errors.Join(b.Commit(pebble.NoSync), l.trouble.err())
}
