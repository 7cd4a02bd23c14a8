package task

// Cap is the number of records that the source keeps in memory.
func (s *Source) Cap() int {
	n := 0
	for _, batch := range s.queue[:cap(s.queue)] {
		n += batch.Len()
	}
	return n
}
