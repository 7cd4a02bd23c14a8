package e2e

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

// incidents is the line of canceled orders with two alerts or more.
var incidents = regexp.MustCompile(`(?m)^\s*canceled( +[\d.]+){4} +([2-9]|\d\d+)$`)

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
			if !strings.Contains(r.Output(), "20,000") && !strings.Contains(r.Output(), "20000") {
				t.Error("the demo does not show its 20,000 orders")
			}
			if !incidents.MatchString(r.Output()) {
				t.Error("the demo does not show an alert for each of its two incidents")
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
