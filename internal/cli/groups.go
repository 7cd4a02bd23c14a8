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

// streamGroups are the consumer groups of a folder's streams, which also name
// their state and their rows.
func streamGroups(folder fs.FS, env map[string]string) ([]string, error) {
	stateful, err := statefulStreams(folder, env)
	if err != nil {
		return nil, err
	}
	var groups []string
	for _, s := range stateful {
		groups = append(groups, s.group)
	}
	return groups, nil
}

// statefulStream is a stream with state: its consumer group and the topics that it reads.
type statefulStream struct {
	group  string
	topics []string
}

// statefulStreams are those of a folder, by their groups.
func statefulStreams(folder fs.FS, env map[string]string) (all []statefulStream, err error) {
	files, err := fs.Glob(folder, "*.yaml")
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if isStreamTest(f) {
			continue
		}
		text, err := fs.ReadFile(folder, f)
		if err != nil {
			return nil, err
		}
		found, err := streamsOf(string(text), env)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
		all = append(all, found...)
	}
	slices.SortStableFunc(all, func(a, b statefulStream) int { return strings.Compare(a.group, b.group) })
	return slices.CompactFunc(all, func(a, b statefulStream) bool { return a.group == b.group }), nil
}

// streamsOf finds the stateful inputs of a config wherever they stand, as Benthos
// reads it: with the environment's variables, env before them.
func streamsOf(text string, env map[string]string) (found []statefulStream, err error) {
	b := service.NewStreamBuilder()
	b.SetEnvVarLookupFunc(lookup(env))
	if err := b.SetYAML(text); err != nil {
		return nil, err
	}
	err = b.WalkComponents(func(w *service.WalkedComponent) error {
		if w.ComponentType != "input" || w.Name != "stateful_kafka" {
			return nil
		}
		var input struct {
			Settings struct {
				Group  string   `yaml:"consumer_group"`
				Topics []string `yaml:"topics"`
			} `yaml:"stateful_kafka"`
		}
		if err := yaml.Unmarshal([]byte(w.ConfigYAML()), &input); err != nil {
			return err
		}
		if input.Settings.Group != "" {
			found = append(found, statefulStream{input.Settings.Group, input.Settings.Topics})
		}
		return nil
	})
	return found, err
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
