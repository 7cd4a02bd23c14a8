package statefulkafka

import (
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// held is what a process holds on to.
type held struct {
	goroutines, files int
	heap              uint64
}

// holds takes stock once everything that is over has ended.
func (w *world) holds() held {
	w.Helper()
	time.Sleep(time.Minute)
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		w.Skip("the system does not tell the open files: ", err)
	}
	return held{runtime.NumGoroutine(), len(files), m.HeapAlloc}
}

// A round may leave that much memory, on average, which is what a broker in memory keeps
// of it. A client, a store or a stream that lives on takes more.
const leftHeap = 48 << 10

// leavesNothing makes sure that rounds leave goroutines, open files and memory where they
// were after the first few.
func (w *world) leavesNothing(rounds int, round func()) {
	w.Helper()
	for range rounds / 10 {
		round()
	}
	before := w.holds()
	for range rounds {
		round()
	}
	after := w.holds()
	w.Logf("%d rounds: %+v became %+v", rounds, before, after)
	// Less than one for ten rounds is a matter of moments.
	if n := after.goroutines - before.goroutines; n > rounds/10 {
		w.Errorf("%d goroutines more", n)
	}
	if n := after.files - before.files; n > rounds/10 {
		w.Errorf("%d open files more", n)
	}
	if n := int64(after.heap) - int64(before.heap); n > int64(rounds*leftHeap) {
		w.Errorf("%d bytes more", n)
	}
}

// onDisk makes the stores of the machines lie on a real disk. It returns a stream there.
func (w *world) onDisk(dir string) (conf string) {
	w.Helper()
	for i := range 2 {
		w.machine(i).disk = vfs.Default
	}
	return endless + "state_dir: " + dir
}

// TestReloadsLeaveNothing: two hundred streams that follow one another in a process.
func TestReloadsLeaveNothing(t *testing.T) {
	dir := t.TempDir()
	inWorld(t, func(w *world) {
		w.produce(shoppers(61, 3)...)
		conf := w.onDisk(dir)
		w.leavesNothing(200, func() {
			s := w.start(conf, nil)
			w.within(30*time.Second, "it has all tasks", func() bool { return begun(s) == 3 })
			s.stop()
			healthy(t, s)
		})
	}, shopTopics)
}

// TestRebalancesLeaveNothing: a process hands tasks to another and takes them back.
func TestRebalancesLeaveNothing(t *testing.T) {
	dirs := []string{t.TempDir(), t.TempDir()}
	inWorld(t, func(w *world) {
		w.produce(shoppers(62, 3)...)
		conf, other := w.onDisk(dirs[0]), w.onDisk(dirs[1])
		a := w.start(conf, nil)
		w.leavesNothing(50, func() {
			w.within(30*time.Second, "the first has all tasks", func() bool { return len(a.owns()) == 3 })
			b := w.machine(1).start(other, nil)
			w.within(30*time.Second, "the second has a task", func() bool { return begun(b) > 0 })
			b.stop()
			healthy(t, a, b)
		})
		a.stop()
	}, shopTopics)
}

// begun counts the runs of a stream's tasks.
func begun(s *stream) int { return strings.Count(s.log.String(), "Task is running") }
