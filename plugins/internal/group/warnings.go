package group

import (
	"sync"
	"time"
)

// warnEvery is how often the same warning is given.
const warnEvery = 30 * time.Second

// warnings keeps a trouble that lasts from filling the log.
type warnings struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// due says whether text was not given lately.
func (w *warnings) due(text string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	for t, at := range w.last {
		if now.Sub(at) >= warnEvery {
			delete(w.last, t)
		}
	}
	if _, ok := w.last[text]; ok {
		return false
	}
	if w.last == nil {
		w.last = make(map[string]time.Time)
	}
	w.last[text] = now
	return true
}
