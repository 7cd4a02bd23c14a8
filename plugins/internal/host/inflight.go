package host

import (
	"context"
	"sync"
)

// inflight counts batches that the outputs have not taken yet.
type inflight struct {
	mu   sync.Mutex
	n    int
	done chan struct{} // holds a token when n came to 0
}

// add counts a batch; the function that it returns is called once, when it is taken.
func (f *inflight) add() func() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	var once sync.Once
	return func() {
		once.Do(func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.n--; f.n == 0 {
				select {
				case f.done <- struct{}{}:
				default:
				}
			}
		})
	}
}

// none tells whether everything that was counted is taken.
func (f *inflight) none() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n == 0
}

// wait returns when everything that was counted is taken; errQuit if quit closes. A
// batch that was refused is not taken: ctx has ended before it is no longer counted.
func (f *inflight) wait(ctx context.Context, quit <-chan struct{}) error {
	for !f.none() {
		select {
		case <-f.done:
		case <-quit:
			return errQuit
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return ctx.Err()
}
