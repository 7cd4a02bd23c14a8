// Package e2e runs the built binary against a real Kafka and a real Postgres and
// holds what ends up in the views against the oracle.
//
// The tests share both servers and run one after the other. Each starts with
// empty topics and a database of its own.
package e2e

import (
	"testing"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

func TestMain(m *testing.M) { kit.Main(m) }
