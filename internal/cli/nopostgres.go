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

// withoutPostgres copies stream configs into dir with their outputs replaced: by
// rows as JSON lines, or by nothing. A line is one row, so each is a message.
func withoutPostgres(files []string, dir string, quiet bool) ([]string, error) {
	output := map[string]any{"stdout": map[string]any{}}
	if quiet {
		output = map[string]any{"drop": map[string]any{}}
	}
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
		eachIn(&doc, inputOnDisk, "name", rename)
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
	if len(doc.Content) == 1 && doc.Content[0].Kind == yaml.MappingNode {
		pairs := doc.Content[0].Content
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i].Value == "output" {
				return pairs[i+1].Encode(output)
			}
		}
	}
	return errors.New("it has no output")
}

// eachField changes the scalar values of all fields of that name in the document.
func eachField(n *yaml.Node, name string, change func(*yaml.Node)) {
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == name && n.Content[i+1].Kind == yaml.ScalarNode {
				change(n.Content[i+1])
			}
		}
	}
	for _, child := range n.Content {
		eachField(child, name, change)
	}
}

// eachIn is eachField for the field itself of all objects that stand under a name.
func eachIn(n *yaml.Node, object, name string, change func(*yaml.Node)) {
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			fields := n.Content[i+1]
			if n.Content[i].Value != object || fields.Kind != yaml.MappingNode {
				continue
			}
			for k := 0; k+1 < len(fields.Content); k += 2 {
				if fields.Content[k].Value == name && fields.Content[k+1].Kind == yaml.ScalarNode {
					change(fields.Content[k+1])
				}
			}
		}
	}
	for _, child := range n.Content {
		eachIn(child, object, name, change)
	}
}
