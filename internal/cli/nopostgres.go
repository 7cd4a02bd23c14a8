package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"gopkg.in/yaml.v3"
)

// consoleSuffix is appended to the consumer groups of streams that do not write to
// Postgres. They have state of their own, so that nothing they read is missing there.
const consoleSuffix = "-console"

// withoutPostgres copies stream configs into dir with their outputs replaced by the one
// of that name, which has no settings. A row is one line there, so each is a message.
func withoutPostgres(files []string, dir, name string) ([]string, error) {
	output := map[string]any{name: map[string]any{}}
	var copies []string
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		var doc yaml.Node
		if err := yaml.Unmarshal(text, &doc); err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
		if err := setOutput(&doc, output); err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
		rename := func(stream *yaml.Node) { stream.Value += consoleSuffix }
		eachField(&doc, "consumer_group", rename)
		eachComponent(&doc, inputOnDisk, func(settings *yaml.Node) {
			if name := fieldOf(settings, "name"); name != nil && name.Kind == yaml.ScalarNode {
				rename(name)
			}
		})
		eachField(&doc, "rows_per_message", func(rows *yaml.Node) { rows.Value, rows.Tag, rows.Style = "1", "!!int", 0 })
		if text, err = yaml.Marshal(&doc); err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
		to := filepath.Join(dir, filepath.Base(f))
		if err := os.WriteFile(to, text, 0o644); err != nil {
			return nil, err
		}
		copies = append(copies, to)
	}
	return copies, nil
}

// setOutput works on the nodes of the document, so that the placeholders of
// environment variables stay as they are written.
func setOutput(doc *yaml.Node, output any) error {
	if len(doc.Content) == 1 {
		if node := fieldOf(doc.Content[0], "output"); node != nil {
			return node.Encode(output)
		}
	}
	return errors.New("it has no output")
}
