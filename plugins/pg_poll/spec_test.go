package pgpoll

import (
	"strings"
	"testing"

	"github.com/redpanda-data/benthos/v4/public/service"
)

func TestLint(t *testing.T) {
	const dsn = "dsn: postgres://u:p@h/d"
	for config, want := range map[string]string{
		"{ " + dsn + ", query: select 1 }":               "",
		"{ " + dsn + ", query: ' ' }":                    "must not be empty",
		"{ " + dsn + ", query: select 1, interval: 1x }": "interval",
		"{ " + dsn + ", query: select 1, interval: 0s }": "interval",
		"{ " + dsn + " }":                                "query",
		"{ query: select 1 }":                            "dsn",
		"{ " + dsn + ", query: select 1, exclusive: a, stop_at_end: true, nonsense: 1 }": "nonsense",
	} {
		lints, err := service.GlobalEnvironment().NewComponentConfigLinter().LintInputYAML([]byte("pg_poll: " + config))
		if err != nil {
			t.Errorf("%s: %v", config, err)
			continue
		}
		var got []string
		for _, l := range lints {
			got = append(got, l.Error())
		}
		if all := strings.Join(got, "\n"); want == "" && all != "" || !strings.Contains(all, want) {
			t.Errorf("%s: lints %q, want %q", config, all, want)
		}
	}
}
