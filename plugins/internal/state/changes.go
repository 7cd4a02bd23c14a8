package state

import (
	"errors"
	"iter"

	"github.com/cockroachdb/pebble/v2"
)

// Change is a key that a commit sets, or deletes where Value is nil.
type Change struct{ Key, Value []byte }

// Changes are what has changed in all tables since the last commit: each key once, with
// a nil value where it is deleted, valid until the next. They may be gone through
// again, as long as nothing changes, when their commit did not come about.
func (l *Local) Changes() iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		l.uncommitted = true
		if !l.handOutDrops(yield) {
			return
		}
		for pass := range 2 { // encoding a row may file its schema, in a table that had its turn
			for _, s := range l.tables {
				if !s.table.Changes(pass > 0, func(key, value []byte) bool {
					key = s.stored(key)
					l.handed += len(key) + len(value)
					return yield(key, value)
				}) {
					return
				}
			}
		}
	}
}

// Keys change again and again, and most of them for a short time. So the store is not
// written at each commit but when so much has been handed out, or after so many
// commits: then each key is written once, and nothing of one that has come and gone
// meanwhile. Until then the keys are hot, and the changelog has them for whoever finds
// the store of a process that died: at a commit a second, half a minute of it.
const (
	writeBytes   = 8 << 20
	writeCommits = 30
)

// Apply takes the marker of a commit whose changes were the last to be handed out.
func (l *Local) Apply(marker []byte) error {
	l.marker, l.uncommitted = marker, false
	l.commits++
	l.committedDrops()
	for _, s := range l.tables {
		s.table.Committed()
	}
	if l.handed < writeBytes && l.commits < writeCommits {
		return l.trouble.err()
	}
	return l.Write()
}

// Write writes the commits since the last time, and the marker of the last one. Apply
// does so now and then, and Close. Where keys have changed after the last commit, or
// were handed out for one that did not come about, what they were is not known any
// more: then nothing is written.
func (l *Local) Write() error {
	if l.commits == 0 || l.uncommitted {
		return l.trouble.err()
	}
	for _, s := range l.tables {
		if s.table.Dirty() > 0 {
			return l.trouble.err()
		}
	}
	b := l.db.NewBatchWithSize(l.batchSize())
	defer b.Close()
	err := l.writeDrops(b)
	if err != nil {
		return err
	}
	for _, s := range l.tables {
		s.table.Shelve(func(key, value []byte) bool {
			err = set(b, s.stored(key), value)
			return err == nil
		})
		if err != nil {
			return err
		}
	}
	if err := l.load(b, l.marker); err != nil {
		return err
	}
	l.marker, l.commits, l.handed, l.drops = nil, 0, 0, nil
	for _, s := range l.tables {
		s.table.Shelved()
	}
	l.flushed, err = l.db.AsyncFlush() // on its way to a file, where the death of the process leaves it
	return err
}

// batchSize is just more than what a batch of all that is not written yet takes: one that
// has to grow doubles.
func (l *Local) batchSize() int {
	size := len(keyMarker) + len(l.marker) + 2*batchOverhead
	for _, d := range l.drops {
		size += 2 * (len(d.prefix) + batchOverhead)
	}
	for _, s := range l.tables {
		keys, bytes := s.table.Unshelved()
		size += bytes + keys*(len(s.prefix)+batchOverhead)
	}
	return size
}

// batchOverhead is more than what Pebble adds to a key and a value, and what it puts in
// front of all.
const batchOverhead = 12

// Reset empties the store, but for its identity. No table may have been opened.
func (l *Local) Reset() error {
	// The marker's is the first key behind the identity.
	return errors.Join(l.unread(), l.db.DeleteRange(keyMarker, []byte{0xff}, pebble.NoSync), l.trouble.err())
}

// Load writes changes that come from elsewhere and the marker at once. No table may
// have been opened.
func (l *Local) Load(changes []Change, marker []byte) error {
	b := l.db.NewBatch()
	defer b.Close()
	for _, c := range changes {
		if err := set(b, c.Key, c.Value); err != nil {
			return err
		}
	}
	return l.load(b, marker)
}

func (l *Local) load(b *pebble.Batch, marker []byte) error {
	if err := errors.Join(l.unread(), l.trouble.err(), b.Set(keyMarker, marker, nil)); err != nil {
		return err
	}
	return errors.Join(b.Commit(pebble.NoSync), l.trouble.err())
}

// set sets a key, or deletes it where the value is nil.
func set(b *pebble.Batch, key, value []byte) error {
	if value == nil {
		return b.Delete(key, nil)
	}
	return b.Set(key, value, nil)
}
