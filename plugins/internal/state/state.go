// Package state holds what operators remember: typed tables of one task, hot in
// memory as decoded values.
package state

// Backend keeps the state of one task.
type Backend interface {
	// Operator is the part of the state that belongs to the operator with this label.
	Operator(label string) Store
}

// Store is the state of one operator of one task. It is told of every table when
// the operator is made.
type Store interface {
	// Attach adds a table under the name that the operator gave it.
	Attach(t Keyed)
}

// Keyed is a table as its store sees it.
type Keyed interface {
	// Name is the table's name within its operator.
	Name() string
	// Len is the number of keys.
	Len() int
}

// Memory is the backend that keeps nothing: state lives in the tables alone and
// ends with the task, which begins anew from the start of its input.
type Memory struct{ tables []Keyed }

// NewMemory makes a backend without durability.
func NewMemory() *Memory { return &Memory{} }

// Operator is the same for all: nothing is filed under the label.
func (m *Memory) Operator(string) Store { return m }

// Attach remembers the table for Keys.
func (m *Memory) Attach(t Keyed) { m.tables = append(m.tables, t) }

// Keys is the number of keys in all tables.
func (m *Memory) Keys() int {
	n := 0
	for _, t := range m.tables {
		n += t.Len()
	}
	return n
}

// Table is a map of one operator of one task. It is not safe for concurrent use.
type Table[K comparable, V any] struct {
	name string
	hot  map[K]V
}

// NewTable makes a table and attaches it to its store.
func NewTable[K comparable, V any](s Store, name string) *Table[K, V] {
	t := &Table[K, V]{name: name, hot: map[K]V{}}
	s.Attach(t)
	return t
}

// Name is the table's name within its operator.
func (t *Table[K, V]) Name() string { return t.name }

// Len is the number of keys.
func (t *Table[K, V]) Len() int { return len(t.hot) }

// Get is the value of a key.
func (t *Table[K, V]) Get(k K) (V, bool) {
	v, ok := t.hot[k]
	return v, ok
}

// Put sets the value of a key. Where V is a pointer, Put is also how the table
// learns that what it points to has changed.
func (t *Table[K, V]) Put(k K, v V) { t.hot[k] = v }

// Delete removes a key; removing an absent one does nothing.
func (t *Table[K, V]) Delete(k K) { delete(t.hot, k) }
