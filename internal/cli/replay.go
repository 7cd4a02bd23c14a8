package cli

import ucli "github.com/urfave/cli/v2"

// replayCommand lets streams compute everything anew.
func replayCommand() *ucli.Command {
	return &ucli.Command{
		Name:  "replay",
		Usage: "Let streams compute state and rows anew, from the start of their topics",
		Description: `Stop the streams first. Offsets, state and rows of their consumer groups are dropped
together, as by "tidemark state reset"; the next run reads the topics from earliest. When
it was interrupted, repeat it.

   tidemark replay --yes && tidemark consume
   tidemark replay --yes --consumer-group tidemark-gmv`,
		Flags:  resetFlags(),
		Action: reset,
	}
}
