// Package state holds what operators remember: typed tables of one task, hot in
// memory as decoded values, written back to a store at each commit.
package state

// Backend keeps the state of one task.
type Backend interface {
	// Operator is the part of the state that belongs to the operator with this label.
	Operator(label string) Store
}

// Store is the state of one operator of one task. A table attaches itself when its
// operator is made.
type Store interface {
	// Attach adds a table under the name that the operator gave it. It returns where
	// the table's changes are kept, nil where nothing outlives the task.
	Attach(t Keyed) Shelf
}

// Shelf is where one table's keys lie that are not hot.
type Shelf interface {
	// Get gives fn the stored value of a key, valid during the call; false where there
	// is none.
	Get(key []byte, fn func(value []byte) error) (ok bool, err error)
	// Each calls fn for every stored key in their order, until fn fails. What it is
	// given is valid during the call.
	Each(fn func(key, value []byte) error) error
}

// Keyed is a table as its store sees it.
type Keyed interface {
	// Name is the table's name within its operator.
	Name() string
	// Len is the number of hot keys.
	Len() int
	// Keys is the number of all keys, hot or not. Deleted ones may be among them until the
	// shelf knows.
	Keys() int
	// Lookups are how many keys were looked for and found: hits in memory, misses on the shelf.
	Lookups() (hits, misses int64)
	// Memory is about how many bytes the hot keys take.
	Memory() int
	// Dirty is the number of keys that changed since they were handed out.
	Dirty() int
	// Changes hands out every key that changed since Committed was called, with its value
	// as it stands, nil for a deleted key, until fn returns false, and then does so. Fresh
	// leaves out what was handed out before. The slices are valid during the call.
	Changes(fresh bool, fn func(key, value []byte) bool) bool
	// Committed tells that what was handed out is committed.
	Committed()
	// Shelve hands out what Changes has handed out since Shelved was called, each key
	// once, but for those that are deleted and not on the shelf. No key has changed since.
	Shelve(fn func(key, value []byte) bool)
	// Unshelved is how many keys Shelve will hand out, and how many bytes with their values.
	Unshelved() (keys, bytes int)
	// Shelved tells that what Shelve handed out has come to the shelf.
	Shelved()
	// Size is about how many bytes the hot keys of a cached table take, 0 for others.
	Size() int
	// Shrink evicts clean keys of a cached table until the hot ones take at most limit bytes.
	Shrink(limit int)
	// Err is the first error that the table met on its shelf.
	Err() error
}

// Codec gives the keys and values of a table their stored form. Keys keep their
// order where their order matters.
type Codec[K comparable, V any] interface {
	AppendKey(b []byte, k K) []byte
	Key(b []byte) (K, error)
	AppendValue(b []byte, v V) []byte
	// Value reads the value of the key k, which the value may keep.
	Value(k K, b []byte) (V, error)
}
