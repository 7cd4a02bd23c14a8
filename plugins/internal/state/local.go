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
const FormatVersion = 2

// Local is the backend that keeps the state of one task in a Pebble folder. The
// folder is only a copy of the task's changelog: it may be dropped at any time. One
// that was opened by OpenDurable is the only place that has the state.
//
// Keys are label 00 table 00 key, so that an operator's state, and a table's, lie
// together. Labels and table names have no zero byte. What is below the first
// label (a single 00) is the store's own: its identity, and the marker of the
// commit up to which it is a copy.
//
// Pebble's errors in the background stick: the store then refuses to be read or
// written, and the task drops it.
type Local struct {
	db      *pebble.DB
	lock    *pebble.Lock
	cache   *Cache
	trouble *trouble
	tables  []*shelf
	reader  *pebble.Iterator // of what was written last; nil before it is asked
	flushed <-chan struct{}  // closed when that has come to a file; nil where the reader knows
	drops   []drop           // labels that were dropped, until the store is written

	// The commits that are not written yet: their number, the bytes that were handed out
	// for them, and the marker of the last one.
	commits, handed int
	marker          []byte
	uncommitted     bool // more was handed out
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
// time can do, once: for the others the error is ErrLocked. Identity names what it
// is a copy of: a store with another identity or format is emptied. Cache is the
// memory in bytes of a task that shares it with none. After any other error the
// folder is of no use, and RemoveLocal is what is left to do.
func OpenLocal(fs vfs.FS, dir, identity string, cache int64) (*Local, error) {
	return NewCache(cache).Open(fs, dir, identity)
}

// Open is OpenLocal for a task that shares the cache with others.
func (c *Cache) Open(fs vfs.FS, dir, identity string) (*Local, error) {
	return c.open(fs, dir, func(l *Local) error { return l.adopt(identity) })
}

func (c *Cache) open(fs vfs.FS, dir string, adopt func(*Local) error) (_ *Local, err error) {
	l := &Local{cache: c, trouble: newTrouble()}
	if l.lock, err = lockFolder(fs, dir); err != nil {
		return nil, fmt.Errorf("local store %s: %w", dir, err)
	}
	blocks := c.take()
	l.db, err = pebble.Open(dir, l.options(fs, blocks))
	blocks.Unref()
	if err == nil {
		err = errors.Join(adopt(l), l.trouble.err())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("local store %s: %w", dir, err), l.close())
	}
	return l, nil
}

// options: what must not be lost stands in the changelog, or is flushed at once. So
// there is no log, which would be the same bytes once more and whose errors are panics
// of Pebble's: a process that dies leaves the store as of an earlier commit.
func (l *Local) options(fs vfs.FS, blocks *pebble.Cache) *pebble.Options {
	return &pebble.Options{
		FS: fs, Lock: l.lock, Cache: blocks, Logger: l.trouble, EventListener: l.trouble.listener(),
		FormatMajorVersion: pebble.FormatNewest,
		DisableWAL:         true,
		MemTableSize:       memTable,
		// Several, so that the task hears of a disk that takes nothing before it has to wait for it.
		MemTableStopWritesThreshold: 6,
		// Keys come in no order: each compaction of new files rewrites what they fall upon.
		L0CompactionThreshold: 8,
		L0StopWritesThreshold: 32,
		Levels:                [7]pebble.LevelOptions{{FilterPolicy: bloom.FilterPolicy(10)}},
		// Filters of larger files would push one another out of a small cache.
		TargetFileSizes: [7]int64{fileSize, fileSize, fileSize, fileSize, fileSize, fileSize, fileSize},
	}
}

// memTable is the most bytes of changes that wait in memory for a file.
const memTable = 4 << 20

const fileSize = 4 << 20

// adopt empties a store that is a copy of something else.
func (l *Local) adopt(identity string) error {
	want := append([]byte{FormatVersion}, identity...)
	have, err := l.get(keyIdentity)
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

func (l *Local) get(key []byte) ([]byte, error) {
	v, closer, err := l.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return slices.Clone(v), closer.Close()
}

// Marker is the marker of the last commit that was written, nil for an empty store.
func (l *Local) Marker() ([]byte, error) { return l.get(keyMarker) }

// Close writes what waits in memory, and closes the folder.
func (l *Local) Close() error {
	return errors.Join(l.Write(), l.flush(), l.close())
}

// flush does not wait for a disk that takes nothing, as Pebble's own would.
func (l *Local) flush() error {
	if err := l.trouble.err(); err != nil {
		return err
	}
	flushed, err := l.db.AsyncFlush()
	if err != nil {
		return err
	}
	select {
	case <-flushed:
	case <-l.trouble.met:
	}
	return l.trouble.err()
}

func (l *Local) close() (err error) {
	if l.db != nil {
		err = errors.Join(l.unread(), l.db.Close())
	}
	l.cache.give()
	return errors.Join(err, l.lock.Close())
}

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

// stored is a key of the table as the store has it, valid until the next is asked for.
func (s *shelf) stored(key []byte) []byte {
	s.key = append(append(s.key[:0], s.prefix...), key...)
	return s.key
}

// Get gives fn the stored value of a key.
func (s *shelf) Get(key []byte, fn func(value []byte) error) (ok bool, err error) {
	it, err := s.local.read()
	if err != nil {
		return false, err
	}
	stored := s.stored(key)
	if !it.SeekPrefixGE(stored) || !bytes.Equal(it.Key(), stored) {
		return false, errors.Join(it.Error(), s.local.trouble.err())
	}
	v, err := it.ValueAndErr()
	if err != nil {
		return false, err
	}
	return true, errors.Join(fn(v), s.local.trouble.err())
}

// read is an iterator for single keys. Unlike Pebble's Get it asks the filters of the
// last level too: most keys that are looked for are new, and need no block read.
func (l *Local) read() (*pebble.Iterator, error) {
	if err := l.trouble.err(); err != nil {
		return nil, err
	}
	select {
	case <-l.flushed: // the reader holds in memory what it could read from the file
		l.flushed = nil
		if err := l.unread(); err != nil {
			return nil, err
		}
	default:
	}
	if l.reader == nil {
		it, err := l.db.NewIter(&pebble.IterOptions{UseL6Filters: true})
		if err != nil {
			return nil, err
		}
		l.reader = it
	}
	return l.reader, nil
}

// unread drops the iterator, which does not see what is written after it was made.
func (l *Local) unread() (err error) {
	if l.reader != nil {
		err = l.reader.Close()
		l.reader = nil
	}
	return err
}

// Each calls fn for every key of the table, in their order.
func (s *shelf) Each(fn func(key, value []byte) error) (err error) {
	if s.local.dropped(s.prefix) {
		return nil
	}
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
	return errors.Join(it.Error(), s.local.trouble.err())
}

// after is the first key behind all that begin with prefix; prefixes end in 00.
func after(prefix []byte) []byte {
	end := slices.Clone(prefix)
	end[len(end)-1] = 1
	return end
}

// Shrink lets the hot keys of all cached tables take at most limit bytes, each
// table in proportion to what it has.
func (l *Local) Shrink(limit int) {
	size := 0
	for _, s := range l.tables {
		size += s.table.Size()
	}
	if size <= limit {
		return
	}
	share := float64(limit) / float64(size)
	for _, s := range l.tables {
		s.table.Shrink(int(share * float64(s.table.Size())))
	}
}

// Err is the first error that Pebble met, or a table on its shelf.
func (l *Local) Err() error {
	if err := l.trouble.err(); err != nil {
		return err
	}
	for _, s := range l.tables {
		if err := s.table.Err(); err != nil {
			return err
		}
	}
	return nil
}
