package host

import (
	"strings"
	"sync"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/tidemark-streams/tidemark/plugins/internal/event"
)

// Reasons for which a task's life ends.
const (
	ReasonRevoked  = "revoked"  // it goes to another process
	ReasonStopped  = "stopped"  // the stream stops
	ReasonFinished = "finished" // its input has ended, and all of it is emitted as final
	ReasonLost     = "lost"     // it may be another's already, or took too long to close
	ReasonFailed   = "failed"   // an error that no retry can mend
)

// TaskLog logs the life of one task, one line a step. The texts are constant, so that
// they can be searched and counted; what differs stands in fields, which are named like
// the labels of the metrics. docs/logs.md lists both.
//
// Each step stands once in a run: what is done for every commit or record is none. Where
// a trouble that lasts ends run after run, they stand once behind every line that tells
// of it. Methods may be called by any goroutine.
type TaskLog struct {
	log *service.Logger

	mu    sync.Mutex
	told  map[string]bool // the steps since the last line of trouble: again, they are for who debugs
	begun time.Time       // when the step began that is under way
	over  bool            // Closed was the last line
}

// NewTaskLog begins the log of a life. The fields of log hold the stream already.
func NewTaskLog(log *service.Logger, task int32) *TaskLog {
	l := &TaskLog{log: log.With("task", task), told: map[string]bool{}}
	l.log.Info("Task created")
	return l
}

// run begins a run.
func (l *TaskLog) run() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begun = time.Now()
}

// step logs a step that a run has done, and how long that took.
func (l *TaskLog) step(message string, fields ...any) {
	if l == nil {
		return // a runner without a log
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	log := l.log.With(append(fields, "duration", Took(now.Sub(l.begun)))...)
	l.begun = now
	if l.told[message] {
		log.Debug(message)
		return
	}
	l.told[message] = true
	log.Info(message)
}

// Took is a duration as it stands in fields.
func Took(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

// Fenced says that no earlier owner can commit any more.
func (l *TaskLog) Fenced() { l.step("Task fenced its former owner") }

// Restoring tells of a restore that takes long.
func (l *TaskLog) Restoring(records, total int64) {
	l.log.With("records", records, "total", total).Info("Task is restoring its state")
}

// Restored says that the state of the last commit is there, after reading so many records
// of the changelog.
func (l *TaskLog) Restored(records int64) { l.step("Task restored its state", "records", records) }

// Torn says that the offset that the group has committed of a topic is of another commit
// than the state, which stands at an offset of its own.
func (l *TaskLog) Torn(topic string, committed, state int64) {
	l.log.With("topic", topic, "committed", committed, "state", state).Warn("Task goes on from its state: the broker has carried out only a part of a commit")
}

// Begun says that the generation is stored, and goes on behind an emission.
func (l *TaskLog) Begun(generation, seq int64) {
	l.step("Task began its generation", "generation", generation, "seq", seq)
}

// Dropped says that the state of operators goes with the next commit.
func (l *TaskLog) Dropped(labels []string) {
	const drops = "drops"
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(labels) == 0 || l.told[drops] {
		return
	}
	l.told[drops] = true
	l.log.With("operators", strings.Join(labels, ",")).Warn("Task drops the state of operators")
}

// running says that the ledgers know of the generation, and records are processed.
func (l *TaskLog) running(generation int64, w string) {
	l.step("Task is running", "generation", generation, "watermark", w)
}

// Closing says that the life is asked to end.
func (l *TaskLog) Closing(reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return // it has ended by itself meanwhile
	}
	l.begun = time.Now()
	l.log.With("reason", reason).Info("Task is closing")
}

// finished says that a bounded run has emitted everything as final.
func (l *TaskLog) finished(seq int64, w string) {
	l.step("Task finished its input", "seq", seq, "watermark", w)
}

// committed says that everything that the run has emitted is committed, and nothing follows.
func (l *TaskLog) committed(seq int64, w string) {
	l.step("Task made its last commit", "seq", seq, "watermark", w)
}

// uncommitted says that the process ends while outputs still have rows. The next run emits them
// again.
func (l *TaskLog) uncommitted(seq int64, w string) {
	l.step("Task left work to its successor", "seq", seq, "watermark", w)
}

// Lost says that what the task has not committed is dropped.
func (l *TaskLog) Lost(reason string) {
	l.log.With("reason", reason).Warn("Task is lost")
}

// failing says that a run ended with an error, and the next one starts from the last commit.
func (l *TaskLog) failing(err error, news bool) {
	log := l.log.With("error", err)
	if !news {
		log.Debug("Task starts again from its last commit")
		return
	}
	log.Warn("Task starts again from its last commit")
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.told)
}

// broken says that the life ends with an error in place of a last commit.
func (l *TaskLog) broken(err error) {
	l.log.With("error", err).Warn("Task ends without a last commit")
}

// Closed says that the life is over. Nothing follows it.
func (l *TaskLog) Closed(reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	l.log.With("reason", reason).Info("Task closed")
}

// watermark is that of the runner's task, as it stands in fields.
func (r *Runner) watermark() string {
	if !r.task.HasSeenRecord() {
		return event.MinTime.String()
	}
	return r.task.Watermark().String()
}

// Log has the runner log the steps of its task. It is to be called before Run.
func (r *Runner) Log(l *TaskLog) { r.log = l }
