package cli

import "gopkg.in/yaml.v3"

// Configs are changed as nodes, so that everything else, the placeholders of environment
// variables included, stays as it is written.

// fieldOf is the value of a field of a mapping, nil where there is none.
func fieldOf(n *yaml.Node, name string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	return nil
}

// setScalar sets a field of a mapping.
func setScalar(mapping *yaml.Node, name, value, tag string) {
	node := yaml.Node{Kind: yaml.ScalarNode, Value: value, Tag: tag}
	if old := fieldOf(mapping, name); old != nil {
		*old = node
		return
	}
	mapping.Content = append(mapping.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name, Tag: "!!str"}, &node)
}

// eachField changes the scalar values of all fields of that name in a document.
func eachField(n *yaml.Node, name string, change func(*yaml.Node)) {
	eachMapping(n, func(m *yaml.Node) {
		if v := fieldOf(m, name); v != nil && v.Kind == yaml.ScalarNode {
			change(v)
		}
	})
}

// eachComponent calls do with the settings of all components of that name in a document.
func eachComponent(n *yaml.Node, name string, do func(settings *yaml.Node)) {
	eachMapping(n, func(m *yaml.Node) {
		if v := fieldOf(m, name); v != nil && v.Kind == yaml.MappingNode {
			do(v)
		}
	})
}

// eachMapping calls do with all mappings of a document, outer ones first.
func eachMapping(n *yaml.Node, do func(*yaml.Node)) {
	if n.Kind == yaml.MappingNode {
		do(n)
	}
	for _, child := range n.Content {
		eachMapping(child, do)
	}
}
