// Package grafana holds the shipped Grafana boards against what they are about: the
// fields that Grafana knows, a Postgres and a Prometheus that the pipeline has filled,
// and the oracle. There is no Grafana here: what it does to a query before it sends it
// is done by the substitution in this package.
package grafana

import (
	"testing"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

func TestMain(m *testing.M) { kit.Main(m) }
