package window

import (
	"testing"

	"github.com/tidemark-streams/tidemark/plugins/internal/state"
	"github.com/tidemark-streams/tidemark/plugins/internal/task"
	"github.com/tidemark-streams/tidemark/plugins/internal/task/tasktest"
)

func TestScripts(t *testing.T) {
	tasktest.Scripts(t, "testdata/scripts", func(config string, store state.Store) (task.Operator, error) {
		conf, err := spec().ParseYAML(config, nil)
		if err != nil {
			return nil, err
		}
		c, err := parse(conf)
		if err != nil {
			return nil, err
		}
		c.Label = "w"
		return New(c, store), nil
	})
}
