//go:build unix && !linux

package embedpg

import "syscall"

// endWithParent can do nothing here: a server outlives a parent that is killed.
func endWithParent(*syscall.SysProcAttr) {}
