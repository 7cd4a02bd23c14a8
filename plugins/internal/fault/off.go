//go:build !chaos

package fault

// On tells whether the promise is broken: never.
func On(Switch) bool { return false }

// Here does nothing.
func Here(Point) {}
