package kit

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
)

var found = struct {
	sync.Mutex
	ports map[int]bool
}{ports: map[int]bool{}}

// freePort finds a TCP port of loopback that nothing uses. It lies below the
// range that the system hands out to outgoing connections: a server that is
// stopped for a while would otherwise lose its port to one of them, or a client
// that retries would end up connected to itself.
//
// No port is found twice by the tests of a binary: a server that is started a moment
// later, or stopped for a while, would lose it to another.
func freePort() (int, error) {
	const lowest, highest = 12000, 30000
	found.Lock()
	defer found.Unlock()
	for range 200 {
		port := lowest + rand.IntN(highest-lowest)
		if found.ports[port] {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		found.ports[port] = true
		return port, l.Close()
	}
	return 0, fmt.Errorf("no free port between %d and %d", lowest, highest)
}

// FreeAddress is a TCP address of loopback that nothing uses.
func FreeAddress(t testing.TB) string {
	t.Helper()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}
