package state

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// FormatVersion is the version of every stored byte: keys, values and the marker.
const FormatVersion = 1

// Local is the backend that keeps the state of one task in a Pebble folder. The
// folder is only a copy of the task's changelog: it may be dropped at any time.
//
// Keys are label 00 table 00 key, so that an operator's state, and a table's, lie
// together. Labels and table names have no zero byte. What is below the first
// label (a single 00) is the store's own: its identity, and the marker of the
// commit up to which it is a copy.
type Local struct {
	db     *pebble.DB
	tables []*shelf
}

// MarkerKey is the store's key of the marker, and that of its record in the
// changelog.
const MarkerKey = "\x00m"

// Keys of the store itself.
var (
	keyIdentity = []byte{0, 'i'}
	keyMarker   = []byte(MarkerKey)
)

// OpenLocal opens or makes the store in a folder of fs, which one process at a
// time can do. Identity names what it is a copy of: a store with another identity
// or format is emptied. Cache is the size of Pebble's block cache in bytes.
func OpenLocal(fs vfs.FS, dir, identity string, cache int64) (*Local, error) {
	blocks := pebble.NewCache(cache)
	defer blocks.Unref()
	db, err := pebble.Open(dir, &pebble.Options{
		FS: fs, Cache: blocks, Logger: quiet{},
		FormatMajorVersion: pebble.FormatNewest,
		// The changelog is what must not be lost, so nothing here waits for the disk.
		DisableWAL: false, WALBytesPerSync: 1 << 20,
		MemTableSize: 8 << 20,
		Levels:       [7]pebble.LevelOptions{{FilterPolicy: bloom.FilterPolicy(10)}},
	})
	if err != nil {
		return nil, fmt.Errorf("local store %s: %w", dir, err)
	}
	l := &Local{db: db}
	if err := l.adopt(identity); err != nil {
		return nil, errors.Join(fmt.Errorf("local store %s: %w", dir, err), db.Close())
	}
	return l, nil
}

// adopt empties a store that is a copy of something else.
func (l *Local) adopt(identity string) error {
	want := append([]byte{FormatVersion}, identity...)
	have, err := l.read(keyIdentity)
	if err != nil || bytes.Equal(have, want) {
		return err
	}
	b := l.db.NewBatch()
	defer b.Close()
	if err := b.DeleteRange([]byte{0}, []byte{0xff}, nil); err != nil {
		return err
	}
	if err := b.Set(keyIdentity, want, nil); err != nil {
		return err
	}
	return b.Commit(pebble.NoSync)
}

func (l *Local) read(key []byte) ([]byte, error) {
	v, closer, err := l.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return slices.Clone(v), closer.Close()
}

// Marker is the marker of the last commit that was applied, nil for an empty store.
func (l *Local) Marker() ([]byte, error) { return l.read(keyMarker) }

// Close closes the folder.
func (l *Local) Close() error { return l.db.Close() }

// Operator is the part of the store under a label.
func (l *Local) Operator(label string) Store { return operatorStore{l, label} }

type operatorStore struct {
	local *Local
	label string
}

func (o operatorStore) Attach(t Keyed) Shelf {
	s := &shelf{local: o.local, table: t, prefix: []byte(o.label + "\x00" + t.Name() + "\x00")}
	o.local.tables = append(o.local.tables, s)
	return s
}

// shelf is the part of the store that belongs to one table.
type shelf struct {
	local  *Local
	table  Keyed
	prefix []byte
	key    []byte
}

// Get gives fn the stored value of a key.
func (s *shelf) Get(key []byte, fn func(value []byte) error) (ok bool, err error) {
	s.key = append(append(s.key[:0], s.prefix...), key...)
	v, closer, err := s.local.db.Get(s.key)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, errors.Join(fn(v), closer.Close())
}

// Each calls fn for every key of the table, in their order.
func (s *shelf) Each(fn func(key, value []byte) error) (err error) {
	it, err := s.local.db.NewIter(&pebble.IterOptions{LowerBound: s.prefix, UpperBound: after(s.prefix)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		v, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		if err := fn(it.Key()[len(s.prefix):], v); err != nil {
			return err
		}
	}
	return it.Error()
}

// after is the first key behind all that begin with prefix; prefixes end in 00.
func after(prefix []byte) []byte {
	end := slices.Clone(prefix)
	end[len(end)-1] = 1
	return end
}

// Change is a key that a commit sets, or deletes where Value is nil.
type Change struct{ Key, Value []byte }

// Changes collects what has changed in all tables since the last call.
func (l *Local) Changes() []Change {
	var list []Change
	for range 2 { // encoding a row may file its schema, in a table that had its turn
		for _, s := range l.tables {
			s.table.Changes(func(key, value []byte) {
				c := Change{Key: append(slices.Clone(s.prefix), key...)}
				if value != nil {
					c.Value = append(make([]byte, 0, len(value)), value...)
				}
				list = append(list, c)
			})
		}
	}
	return list
}

// Reset empties the store, but for its identity. No table may have been opened.
func (l *Local) Reset() error {
	// The marker's is the first key behind the identity.
	return l.db.DeleteRange(keyMarker, []byte{0xff}, pebble.NoSync)
}

// Apply writes the changes of a commit and its marker at once.
func (l *Local) Apply(changes []Change, marker []byte) error {
	if err := l.Load(changes, marker); err != nil {
		return err
	}
	for _, s := range l.tables {
		s.table.Committed()
	}
	return nil
}

// Load writes changes that come from elsewhere and the marker at once. No table may
// have been opened.
func (l *Local) Load(changes []Change, marker []byte) error {
	b := l.db.NewBatch()
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
	return b.Commit(pebble.NoSync)
}

// Shrink lets every cached table keep at most limit keys hot.
func (l *Local) Shrink(limit int) {
	for _, s := range l.tables {
		s.table.Shrink(limit)
	}
}

// Err is the first error that a table met on its shelf.
func (l *Local) Err() error {
	for _, s := range l.tables {
		if err := s.table.Err(); err != nil {
			return err
		}
	}
	return nil
}

// quiet drops what Pebble logs; its errors are returned.
type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(format string, args ...any) {
	panic(fmt.Sprintf(format, args...)) // Pebble calls this where it cannot go on
}
