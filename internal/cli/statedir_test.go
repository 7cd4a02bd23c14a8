package cli

import (
	"path/filepath"
	"strings"
	"testing"

	ucli "github.com/urfave/cli/v2"
)

// The state folder is where the user is, also when the command works elsewhere.
func TestStateDir(t *testing.T) {
	for name, c := range map[string]struct {
		env, flag string
		want      string // below the working directory, or absolute
	}{
		"default":     {want: ".tidemark/state"},
		"empty":       {flag: "--state-dir=", want: ".tidemark/state"},
		"environment": {env: "here", want: "here"},
		"flag":        {env: "here", flag: "--state-dir=there", want: "there"},
		"absolute":    {flag: "--state-dir=/there", want: "/there"},
	} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			t.Chdir(home)
			t.Setenv(stateDirEnv, c.env)
			var got, inside string
			_, err := run(t, &ucli.Command{Name: "c", Flags: []ucli.Flag{stateDirFlag()}, Action: func(ctx *ucli.Context) (err error) {
				if got, err = stateDir(ctx); err != nil {
					return err
				}
				leave, err := enterWorkspace(ctx)
				if err != nil {
					return err
				}
				defer leave()
				inside, err = filepath.Abs(".")
				return err
			}}, strings.Fields(c.flag)...)
			want := filepath.FromSlash(c.want)
			if !filepath.IsAbs(want) {
				want = filepath.Join(home, want)
			}
			if err != nil || got != want || inside == home {
				t.Errorf("%q in %q, %v, want %q", got, inside, err, want)
			}
		})
	}
}
