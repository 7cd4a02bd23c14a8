package task

// Cap is the number of records that the queue has room for.
func (s *Source) Cap() int { return cap(s.queue) }
