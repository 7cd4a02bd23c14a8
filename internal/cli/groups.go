package cli

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/redpanda-data/benthos/v4/public/service"
	ucli "github.com/urfave/cli/v2"
	"gopkg.in/yaml.v3"

	"github.com/tidemark-streams/tidemark/streams"
)

// streamFolder is the folder of --streams with the choice of enterWorkspace: the
// copies inside the binary where neither the flag nor the working directory has it.
func streamFolder(c *ucli.Context) (fs.FS, error) {
	if c.IsSet(streamsName) || isWorkspace() {
		return os.DirFS(c.String(streamsName)), nil
	}
	return shippedFolder()
}

// shippedFolder is the folder of the streams that a run of consume without flags runs.
func shippedFolder() (fs.FS, error) {
	if isWorkspace() {
		return os.DirFS(analyticsFolder), nil
	}
	return fs.Sub(streams.Files, "analytics")
}

// statefulInput is an input that keeps state, and its field that names the stream: its
// state and its rows.
type statefulInput struct{ input, name string }

var (
	onKafka = statefulInput{"stateful_kafka", "consumer_group"}
	onDisk  = statefulInput{"stateful", "name"}
)

// streamGroups are the consumer groups of a folder's streams.
func streamGroups(folder fs.FS, env map[string]string) ([]string, error) {
	return onKafka.streams(folder, env)
}

// streams are the names of a folder's streams that have this input.
func (in statefulInput) streams(folder fs.FS, env map[string]string) ([]string, error) {
	files, err := fs.Glob(folder, "*.yaml")
	if err != nil {
		return nil, err
	}
	var groups []string
	for _, f := range files {
		if isStreamTest(f) {
			continue
		}
		text, err := fs.ReadFile(folder, f)
		if err != nil {
			return nil, err
		}
		found, err := in.namesIn(string(text), env)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
		groups = append(groups, found...)
	}
	slices.Sort(groups)
	return slices.Compact(groups), nil
}

// namesIn finds the inputs of a config wherever they stand, as Benthos reads it: with
// the environment's variables, env before them.
func (in statefulInput) namesIn(text string, env map[string]string) (names []string, err error) {
	b := service.NewStreamBuilder()
	b.SetEnvVarLookupFunc(lookup(env))
	if err := b.SetYAML(text); err != nil {
		return nil, err
	}
	return names, b.WalkComponents(func(w *service.WalkedComponent) error {
		if w.ComponentType != "input" || w.Name != in.input {
			return nil
		}
		var config map[string]yaml.Node
		var settings map[string]yaml.Node
		var name string
		if err := yaml.Unmarshal([]byte(w.ConfigYAML()), &config); err != nil {
			return err
		}
		node := config[in.input]
		if err := node.Decode(&settings); err != nil {
			return err
		}
		if node = settings[in.name]; node.IsZero() {
			return nil
		}
		if err := node.Decode(&name); err != nil {
			return err
		}
		if name != "" {
			names = append(names, name)
		}
		return nil
	})
}

// lookup finds a variable in env, else in the environment.
func lookup(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		if v, ok := env[name]; ok {
			return v, true
		}
		return os.LookupEnv(name)
	}
}

// isStreamTest tells the tests of streams, which lie beside them.
func isStreamTest(file string) bool { return strings.HasSuffix(file, "_benthos_test.yaml") }

// analyticsFolder is the default of --streams.
var analyticsFolder = filepath.Join("streams", "analytics")
