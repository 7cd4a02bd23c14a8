package cli

import (
	"bytes"
	"io"
	"path/filepath"
	"strings"
	"testing"

	ucli "github.com/urfave/cli/v2"
)

func TestGenerate(t *testing.T) {
	out := filepath.Join(t.TempDir(), "dataset")
	for _, c := range []struct {
		name, args, wantOut, wantErr string
	}{
		{"writes", "--orders 10", "wrote 10 orders, ", ""},
		{"refuses", "--orders 10", "", "file exists: --force replaces it"},
		{"replaces", "--orders 20 --seed 2 --force", "wrote 20 orders, ", ""},
		{"incidents", "--orders 400 --incidents 2 --force", "; payments fail in the hour from 201", ""},
		{"too many incidents", "--incidents 501 --force", "", "cannot generate 501 incidents: want 0 to 500"},
		{"none", "--orders 0 --force", "", "at least 1"},
		{"argument", "here", "", "takes no argument"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stdout bytes.Buffer
			app := &ucli.App{
				Commands: []*ucli.Command{generateCommand()}, Writer: &stdout, ErrWriter: io.Discard,
				ExitErrHandler: func(*ucli.Context, error) {},
			}
			err := app.Run(append([]string{"tidemark", "generate", "--out", out}, strings.Fields(c.args)...))
			if c.wantErr == "" && err != nil || c.wantErr != "" && (err == nil || !strings.Contains(err.Error(), c.wantErr)) {
				t.Errorf("error %v, want %q", err, c.wantErr)
			}
			if !strings.Contains(stdout.String(), c.wantOut) {
				t.Errorf("printed %q, want %q", stdout.String(), c.wantOut)
			}
		})
	}
}
