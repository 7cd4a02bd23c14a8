// Package chaos lets faults fall on running streams (kill -9, pauses, restarts of
// servers, processes that come and go) and holds what ends up in Postgres against
// the oracle. It also shows that it would notice: with a promise broken on purpose,
// rows differ.
//
// Faults are random but drawn from a seed, which every test prints and
// TIDEMARK_CHAOS_SEED sets. The processes are built with the tag chaos, see package
// fault. The tests share both servers and run one after the other; each starts with
// empty topics and a database of its own.
package chaos

import (
	"hash/fnv"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

func TestMain(m *testing.M) { kit.Main(m) }

const (
	seedEnv  = "TIDEMARK_CHAOS_SEED"
	killsEnv = "TIDEMARK_CHAOS_KILLS" // how often TestKills kills
	logsEnv  = "TIDEMARK_CHAOS_LOGS"  // folder for the logs of all consumers
)

// dice are a test's own random numbers.
func dice(t testing.TB) *rand.Rand {
	t.Helper()
	seed := rand.Uint64() >> 1
	if text := os.Getenv(seedEnv); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("%s: %v", seedEnv, err)
		}
	}
	t.Logf("%s=%d draws the same faults again", seedEnv, seed)
	name := fnv.New64a()
	name.Write([]byte(t.Name()))
	return rand.New(rand.NewPCG(seed, name.Sum64()))
}

// kills is how often TestKills kills.
func kills(t testing.TB) int {
	t.Helper()
	text := os.Getenv(killsEnv)
	if text == "" {
		return 50
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q is not a number of kills", killsEnv, text)
	}
	return n
}
