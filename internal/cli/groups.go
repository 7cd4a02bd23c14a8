package cli

import (
	"cmp"
	"errors"
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

// The inputs that keep state.
const (
	inputOnKafka = "stateful_kafka"
	inputOnDisk  = "stateful"
)

// streamGroups are the consumer groups of a folder's streams.
func streamGroups(folder fs.FS, env map[string]string) ([]string, error) {
	return streamNames(folder, env, inputOnKafka)
}

// streamNames are the names of a folder's streams that have this input: they name their
// state and their rows.
func streamNames(folder fs.FS, env map[string]string, input string) ([]string, error) {
	inputs, err := statefulInputs(folder, env)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, in := range inputs {
		if in.input == input {
			names = append(names, in.group)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// statefulInput is an input of a stream that keeps state.
type statefulInput struct {
	input  string // its component
	group  string // the consumer group, or the name of one on the disk
	topics []string
	file   string // that has it, as text
	config string // its own, in which variables have their values
}

// statefulInputs are those of a folder's streams.
func statefulInputs(folder fs.FS, env map[string]string) ([]statefulInput, error) {
	files, err := fs.Glob(folder, "*.yaml")
	if err != nil {
		return nil, err
	}
	var all []statefulInput
	for _, f := range files {
		if isStreamTest(f) {
			continue
		}
		text, err := fs.ReadFile(folder, f)
		if err != nil {
			return nil, err
		}
		found, err := statefulInputsOf(string(text), env)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
		all = append(all, found...)
	}
	return all, nil
}

// statefulInputsOf finds the stateful inputs of a config wherever they stand, as Benthos
// reads it: with the environment's variables, env before them.
func statefulInputsOf(text string, env map[string]string) (inputs []statefulInput, err error) {
	b := service.NewStreamBuilder()
	b.SetEnvVarLookupFunc(lookup(env))
	if err := b.SetYAML(text); err != nil {
		return nil, err
	}
	return inputs, b.WalkComponents(func(w *service.WalkedComponent) error {
		if w.ComponentType != "input" || w.Name != inputOnKafka && w.Name != inputOnDisk {
			return nil
		}
		var input struct {
			OnKafka struct {
				Group  string   `yaml:"consumer_group"`
				Topics []string `yaml:"topics"`
			} `yaml:"stateful_kafka"`
			OnDisk struct {
				Name string `yaml:"name"`
			} `yaml:"stateful"`
		}
		if err := yaml.Unmarshal([]byte(w.ConfigYAML()), &input); err != nil {
			return err
		}
		if name := cmp.Or(input.OnKafka.Group, input.OnDisk.Name); name != "" {
			inputs = append(inputs, statefulInput{w.Name, name, input.OnKafka.Topics, text, w.ConfigYAML()})
		}
		return nil
	})
}

// alone is the config of a stream that has this input and the resources of its file,
// and nothing else.
func (in statefulInput) alone() (string, error) {
	var input, file yaml.Node
	if err := errors.Join(yaml.Unmarshal([]byte(in.config), &input), yaml.Unmarshal([]byte(in.file), &file)); err != nil {
		return "", err
	}
	if len(input.Content) != 1 || len(file.Content) != 1 {
		return "", errors.New("the config is empty")
	}
	var output yaml.Node
	if err := output.Encode(map[string]any{"drop": map[string]any{}}); err != nil {
		return "", err
	}
	stream := yaml.Node{Kind: yaml.MappingNode}
	add := func(name string, value *yaml.Node) {
		stream.Content = append(stream.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, value)
	}
	add("input", input.Content[0])
	add("output", &output)
	pairs := file.Content[0].Content
	for i := 0; i+1 < len(pairs); i += 2 { // as they are written: with placeholders
		if strings.HasSuffix(pairs[i].Value, "_resources") {
			add(pairs[i].Value, pairs[i+1])
		}
	}
	text, err := yaml.Marshal(&stream)
	return string(text), err
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
