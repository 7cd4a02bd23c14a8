package cli

import (
	"cmp"
	"path/filepath"

	ucli "github.com/urfave/cli/v2"
)

const (
	stateDirName = "state-dir"
	stateDirEnv  = "TIDEMARK_STATE_DIR"
)

// defaultStateDir is the default of the shipped streams, too.
var defaultStateDir = filepath.Join(".tidemark", "state")

// stateDirFlag names the folder of the local stores.
func stateDirFlag() ucli.Flag {
	return &ucli.StringFlag{
		Name: stateDirName, EnvVars: []string{stateDirEnv}, Value: defaultStateDir,
		Usage: "folder of the local copies of the streams' state",
	}
}

// stateDir is the absolute path of stateDirFlag. It must be asked for before
// enterWorkspace, which may leave the directory that the flag is relative to. Empty
// is the default, as it is to a stream's ${TIDEMARK_STATE_DIR:default}.
func stateDir(c *ucli.Context) (string, error) {
	return filepath.Abs(cmp.Or(c.String(stateDirName), defaultStateDir))
}
