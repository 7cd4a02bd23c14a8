package state

import "bytes"

// Usage is what an operator has stored, and how it is found.
type Usage struct {
	Operator string
	Keys     int64
	Memory   int64 // about how many bytes the hot keys take
	// Lookups of keys that were there: hits in memory, misses on the disk.
	Hits, Misses int64
}

// Usage is that of each operator that has tables, in the order of their first ones. It is
// for the goroutine that the tables belong to.
func (l *Local) Usage() []Usage {
	var all []Usage
	at := map[string]int{}
	for _, s := range l.tables {
		label := string(s.prefix[:bytes.IndexByte(s.prefix, 0)])
		i, ok := at[label]
		if !ok {
			i = len(all)
			at[label] = i
			all = append(all, Usage{Operator: label})
		}
		u := &all[i]
		hits, misses := s.table.Lookups()
		u.Keys += int64(s.table.Keys())
		u.Memory += int64(s.table.Memory())
		u.Hits += hits
		u.Misses += misses
	}
	return all
}

// DiskUsage is how many bytes the folder takes. Any goroutine may ask until Close is called.
func (l *Local) DiskUsage() int64 { return int64(l.db.Metrics().DiskSpaceUsage()) }
