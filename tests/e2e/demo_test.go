package e2e

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

// demoShows is what the demo has to print, as lines of its tables.
var demoShows = map[string]*regexp.Regexp{
	"the funnel of its 20,000 orders":            regexp.MustCompile(`(?m)^Funnel\n.*\n.*\n +\d+ +20000 `),
	"GMV":                                        regexp.MustCompile(`(?m)^GMV\n.*\n.*\n +[1-9]\d{6}\.\d\d `),
	"a forecast of the next day":                 regexp.MustCompile(`(?m)^GMV forecast, the next day\n.*\n.*\n +2018-08-21 [\d:]{8} +24 +[1-9][\d.]+ `),
	"forecasts with intervals":                   regexp.MustCompile(`(?m)^ +2018-08-2[12] [\d:]{8} +[a-z_]+( +\d+\.\d\d){5}$`),
	"payments by type":                           regexp.MustCompile(`(?m)^ +credit_card +\d+ `),
	"an alert for each of its two incidents":     regexp.MustCompile(`(?m)^ +canceled( +[\d.]+){4} +([2-9]|\d\d+)$`),
	"that the threshold's alerts were sent":      regexp.MustCompile(`(?m)^ +threshold +20\d\d-.* canceled .*resolved`),
	"the account in which nothing may be missed": regexp.MustCompile(`(?m)^ +tidemark-funnel +orders +olist\.payments `),
}

// The demo needs nothing and nobody: no server, no folder of the repository, no
// privilege.
func TestDemo(t *testing.T) {
	const nobody = 65534
	users := map[string]uint32{"this user": 0}
	if os.Geteuid() == 0 {
		users["an ordinary user"] = nobody
	}
	for name, uid := range users {
		t.Run(name, func(t *testing.T) {
			home := kit.Scratch(t)
			if uid != 0 {
				if err := os.Chown(home, int(uid), int(uid)); err != nil {
					t.Fatal(err)
				}
			}
			r := kit.MustRun(t, kit.Command{
				Args: []string{"demo", "--no-serve"}, UID: uid, Dir: home,
				Env: []string{"HOME=" + home, "TMPDIR=" + home},
			}, patience)
			for what, pattern := range demoShows {
				if !pattern.MatchString(r.Output()) {
					t.Error("the demo does not show " + what)
				}
			}
			left, err := os.ReadDir(home)
			if err != nil {
				t.Fatal(err)
			}
			for _, entry := range left {
				if strings.HasPrefix(entry.Name(), "tidemark") {
					t.Errorf("%s is left behind", entry.Name())
				}
			}
		})
	}
}
