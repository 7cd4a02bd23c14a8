package cli

import (
	"os/exec"
	"syscall"
)

// endWithParent has the kernel ask the command to stop when this process ends without
// having done so, as when it is killed: streams that run for ever would.
func endWithParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} }
