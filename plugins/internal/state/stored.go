package state

import (
	"bytes"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// Stored calls fn for every key of the operator with the label as it is stored, with its
// value, in their order; for those of all operators where the label is empty. The slices
// are valid during the call. What tables hold and have not written is not among it.
func (l *Local) Stored(label string, fn func(key, value []byte) error) (err error) {
	within := &pebble.IterOptions{LowerBound: []byte{1}} // behind the store's own keys
	if label != "" {
		within.LowerBound = append([]byte(label), 0)
		within.UpperBound = after(within.LowerBound)
	}
	it, err := l.db.NewIter(within)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		v, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		if err := fn(it.Key(), v); err != nil {
			return err
		}
	}
	return errors.Join(it.Error(), l.trouble.err())
}

// Split tells the parts of a key as it is stored.
func Split(stored []byte) (label, table string, key []byte, err error) {
	l, rest, ok := bytes.Cut(stored, []byte{0})
	t, key, ok2 := bytes.Cut(rest, []byte{0})
	if !ok || !ok2 || len(l) == 0 || len(t) == 0 {
		return "", "", nil, event.ErrCorrupt
	}
	return string(l), string(t), key, nil
}
