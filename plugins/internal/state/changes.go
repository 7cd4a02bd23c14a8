package state

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// Change is a key that a commit sets, or deletes where Value is nil.
type Change struct{ Key, Value []byte }

// Changes collects what has changed in all tables since the last call.
func (l *Local) Changes() []Change {
	n := 0
	for _, s := range l.tables {
		n += s.table.Dirty()
	}
	list := collector{list: make([]Change, 0, n)}
	for range 2 { // encoding a row may file its schema, in a table that had its turn
		for _, s := range l.tables {
			list.prefix = s.prefix
			s.table.Changes(list.add)
		}
	}
	l.handed += list.bytes
	l.uncommitted = true
	return list.list
}

// collector copies keys and values, many in one piece of memory.
type collector struct {
	list   []Change
	bytes  int
	prefix []byte
	block  []byte
}

const blockSize = 64 << 10

func (c *collector) add(key, value []byte) {
	n := len(c.prefix) + len(key)
	if cap(c.block)-len(c.block) < n+len(value) {
		c.block = make([]byte, 0, max(n+len(value), blockSize))
	}
	at := len(c.block)
	c.block = append(append(append(c.block, c.prefix...), key...), value...)
	change := Change{Key: c.block[at : at+n : at+n]}
	if value != nil {
		change.Value = c.block[at+n : len(c.block) : len(c.block)]
	}
	c.list = append(c.list, change)
	c.bytes += n + len(value)
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
	list := collector{}
	for _, s := range l.tables {
		list.prefix = s.prefix
		s.table.Shelve(list.add)
	}
	if err := l.Load(list.list, l.marker); err != nil {
		return err
	}
	l.marker, l.commits, l.handed = nil, 0, 0
	for _, s := range l.tables {
		s.table.Shelved()
	}
	_, err := l.db.AsyncFlush() // on its way to a file, where the death of the process leaves it
	return err
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
