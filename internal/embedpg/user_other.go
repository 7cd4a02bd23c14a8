//go:build !unix

package embedpg

import "os/exec"

func isRoot() bool { return false }

func prepareCommand(*exec.Cmd) {}

func detach(*exec.Cmd) {}

func giveAway(string) error { return nil }

func checkReach(string) error { return nil }
