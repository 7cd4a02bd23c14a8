package olistcsv

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
)

const (
	// keepEvery is how often the position is written, and so how much is sent again
	// after a kill.
	keepEvery = time.Second
	// keepLogEvery is the time between two lines about writes that fail.
	keepLogEvery = 30 * time.Second
)

// keeper writes the position of a replay to its file.
type keeper struct {
	path string
	log  *service.Logger
	take func() Position // as it stands

	mu      sync.Mutex // one write at a time
	written int        // the position in the file
	nextLog time.Time

	stop    chan struct{}
	stopped chan struct{}
}

// newKeeper writes the first position, so that a path that cannot be written is found
// at once, and the next ones from time to time.
func newKeeper(path string, log *service.Logger, take func() Position) (*keeper, error) {
	k := &keeper{path: path, log: log, take: take, written: -1, stop: make(chan struct{}), stopped: make(chan struct{})}
	if err := k.write(); err != nil {
		return nil, err
	}
	go k.run()
	return k, nil
}

func (k *keeper) run() {
	defer close(k.stopped)
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for {
		select {
		case <-k.stop:
			return
		case <-tick.C:
			k.save()
		}
	}
}

// close writes the last position. It is called once.
func (k *keeper) close() {
	close(k.stop)
	<-k.stopped
	k.save()
}

// save goes on without a position that can be written: the replay matters more.
func (k *keeper) save() {
	err := k.write()
	if err == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if now := time.Now(); !now.Before(k.nextLog) {
		k.nextLog = now.Add(keepLogEvery)
		k.log.With("file", k.path, "error", err).Error("The position of the replay is not kept, and after a restart more will be sent again")
	}
}

func (k *keeper) write() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	p := k.take()
	if p.Done == k.written {
		return nil
	}
	if err := writePosition(k.path, p); err != nil {
		return fmt.Errorf("write position: %w", err)
	}
	k.written = p.Done
	return nil
}

// writePosition replaces the file as a whole: whatever happens, it holds this position
// or the one before, and the one before only repeats more.
func writePosition(path string, p Position) error {
	text, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// readPosition returns false where there is no position.
func readPosition(path string) (p Position, found bool, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return p, false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil {
		return p, false, fmt.Errorf("position %s cannot be read: %w", path, err)
	}
	if p.Tally.Delivered == nil {
		p.Tally.Delivered = map[string]int{}
	}
	return p, true, nil
}
