package state

// Memory is the backend that keeps nothing: state lives in the tables alone and
// ends with the task, which begins anew from the start of its input.
type Memory struct{ tables []Keyed }

// NewMemory makes a backend without durability.
func NewMemory() *Memory { return &Memory{} }

// Operator is the same for all: nothing is filed under the label.
func (m *Memory) Operator(string) Store { return m }

// Attach remembers the table for Keys.
func (m *Memory) Attach(t Keyed) Shelf {
	m.tables = append(m.tables, t)
	return nil
}

// Keys is the number of keys in all tables.
func (m *Memory) Keys() int {
	n := 0
	for _, t := range m.tables {
		n += t.Len()
	}
	return n
}
