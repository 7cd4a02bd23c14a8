package kit

import (
	"os/exec"
	"runtime"
	"sync"
)

// spawner is one OS thread that starts all children and never ends. The system
// ties a child that dies with its parent to the thread that started it, and the
// Go runtime ends threads as it likes.
var spawner = sync.OnceValue(func() chan<- func() {
	jobs := make(chan func())
	go func() {
		runtime.LockOSThread()
		for job := range jobs {
			job()
		}
	}()
	return jobs
})

// spawn starts cmd in a process group of its own; where the system can do it,
// the child is killed when the test binary dies, however that happens.
func spawn(cmd *exec.Cmd) error {
	tieToParent(cmd)
	result := make(chan error)
	spawner() <- func() { result <- cmd.Start() }
	return <-result
}
