package embedpg

import "syscall"

// endWithParent has the kernel send the server a fast shutdown when the thread
// that started it ends, which happens also when this process is killed.
func endWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGINT }
