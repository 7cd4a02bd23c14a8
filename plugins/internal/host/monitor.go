package host

import (
	"sync"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/task"
)

// Monitor is told when streams of the process fail or finish. The command line
// waits for it; in a process without one, nobody does.
type Monitor struct {
	mu       sync.Mutex
	failures []Failure
	finished map[string]Summary
	changed  chan struct{}
}

// Failure is a stream that stopped for good.
type Failure struct {
	StreamID string
	Err      error
}

// Summary is the closing account of a bounded run.
type Summary struct {
	// Stream is the name of the stream: its consumer group, where it has one.
	Stream string
	// Lines are the accounts of its operators, added up over the tasks.
	Lines []task.Line
}

type monitorKey struct{}

// MonitorOf returns the monitor of the process that res belongs to.
func MonitorOf(res *service.Resources) *Monitor {
	m, _ := res.GetOrSetGeneric(monitorKey{}, &Monitor{finished: map[string]Summary{}, changed: make(chan struct{})})
	return m.(*Monitor)
}

// Changed is closed when a stream fails or finishes after this call.
func (m *Monitor) Changed() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changed
}

// State tells what has failed and what has finished so far, by stream id.
func (m *Monitor) State() (failures []Failure, finished map[string]Summary) {
	m.mu.Lock()
	defer m.mu.Unlock()
	finished = make(map[string]Summary, len(m.finished))
	for k, v := range m.finished {
		finished[k] = v
	}
	return append(failures, m.failures...), finished
}

func (m *Monitor) failed(streamID string, err error) {
	m.update(func() { m.failures = append(m.failures, Failure{streamID, err}) })
}

// Finish tells that the input of a stream has read all that it will read and that
// its outputs have taken everything.
func (h *Hub) Finish(s Summary) {
	h.monitor.update(func() { h.monitor.finished[h.streamID] = s })
}

func (m *Monitor) update(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
	close(m.changed)
	m.changed = make(chan struct{})
}
