// Package bench measures the built binary on a real Kafka and a real Postgres:
//
//	go test -run '^$' -bench . -benchtime 1x -timeout 30m ./tests/bench
//
// It asserts no times, since machines differ and are noisy; it prints them.
package bench

import (
	"testing"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

func TestMain(m *testing.M) { kit.Main(m) }
