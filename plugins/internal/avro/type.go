package avro

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Type is one node of a parsed schema. Which fields are set depends on Kind.
type Type struct {
	// Kind is the Avro type: null, boolean, int, long, float, double, bytes,
	// string, fixed, enum, array, map, record or union.
	Kind string
	// Logical is the logical type, such as timestamp-millis or decimal, or empty.
	Logical string
	// Name is the full name of a record, enum or fixed type.
	Name string
	// Aliases are further full names by which such a type is known to who reads with it.
	Aliases []string
	// Fields are the fields of a record, in order.
	Fields []Field
	// Symbols are the symbols of an enum, in order.
	Symbols []string
	// Fallback is the symbol of an enum that who reads with it puts in place of one that
	// it does not know; empty where there is none.
	Fallback string
	// Elem is the type of an array's items or of a map's values.
	Elem *Type
	// Branches are the members of a union, in order.
	Branches []*Type
	// Precision and Scale are the digits of a decimal, in all and after the point.
	Precision, Scale int
	// Size is the length of a fixed type in bytes.
	Size int
}

// Field is a field of a record.
type Field struct {
	Name string
	Type *Type
	// Aliases are further names by which the field is known to who reads with it.
	Aliases []string
	// Default is the JSON of the field's default; nil where there is none.
	Default json.RawMessage
}

// Nullable is the other member of a union of null with one type; nil for every
// other type.
func (t *Type) Nullable() *Type {
	if t.Kind != "union" || len(t.Branches) != 2 {
		return nil
	}
	switch {
	case t.Branches[0].Kind == "null":
		return t.Branches[1]
	case t.Branches[1].Kind == "null":
		return t.Branches[0]
	}
	return nil
}

var primitives = map[string]bool{
	"null": true, "boolean": true, "int": true, "long": true,
	"float": true, "double": true, "bytes": true, "string": true,
}

// typeParser resolves names while it walks the JSON of a schema.
type typeParser struct {
	named map[string]*Type
}

// schemaNode holds every attribute that a schema object may have.
type schemaNode struct {
	Type        json.RawMessage `json:"type"`
	Name        string          `json:"name"`
	Namespace   string          `json:"namespace"`
	Aliases     []string        `json:"aliases"`
	Default     json.RawMessage `json:"default"`
	Fields      []fieldNode     `json:"fields"`
	Symbols     []string        `json:"symbols"`
	Items       json.RawMessage `json:"items"`
	Values      json.RawMessage `json:"values"`
	Size        int             `json:"size"`
	LogicalType string          `json:"logicalType"`
	Precision   int             `json:"precision"`
	Scale       *int            `json:"scale"`
}

type fieldNode struct {
	Name    string          `json:"name"`
	Type    json.RawMessage `json:"type"`
	Aliases []string        `json:"aliases"`
	Default json.RawMessage `json:"default"`
}

// ParseType reads the JSON text of a schema. It asks for less than Parse, which makes an
// encoder as well.
func ParseType(text string) (*Type, error) {
	if err := json.Unmarshal([]byte(text), new(any)); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	p := typeParser{named: map[string]*Type{}}
	return p.parse([]byte(text), "")
}

func (p *typeParser) parse(raw json.RawMessage, namespace string) (*Type, error) {
	switch first(raw) {
	case '"':
		var name string
		if err := json.Unmarshal(raw, &name); err != nil {
			return nil, err
		}
		return p.lookup(name, namespace)
	case '[':
		var members []json.RawMessage
		if err := json.Unmarshal(raw, &members); err != nil {
			return nil, err
		}
		u := &Type{Kind: "union"}
		for _, m := range members {
			t, err := p.parse(m, namespace)
			if err != nil {
				return nil, err
			}
			u.Branches = append(u.Branches, t)
		}
		return u, nil
	case '{':
		var n schemaNode
		if err := json.Unmarshal(raw, &n); err != nil {
			return nil, err
		}
		return p.object(n, namespace)
	}
	return nil, fmt.Errorf("a type is a name, a list or an object, not %s", raw[:min(len(raw), 40)])
}

func (p *typeParser) lookup(name, namespace string) (*Type, error) {
	if primitives[name] {
		return &Type{Kind: name}, nil
	}
	if t, ok := p.named[fullName(name, "", namespace)]; ok {
		return t, nil
	}
	if t, ok := p.named[name]; ok {
		return t, nil
	}
	return nil, fmt.Errorf("type %q is not defined", name)
}

func (p *typeParser) object(n schemaNode, namespace string) (*Type, error) {
	if first(n.Type) != '"' { // {"type": {...}} wraps a type without saying more
		return p.parse(n.Type, namespace)
	}
	var kind string
	if err := json.Unmarshal(n.Type, &kind); err != nil {
		return nil, err
	}
	t := &Type{Kind: kind, Logical: n.LogicalType}
	switch kind {
	case "record", "enum", "fixed":
		t.Name = fullName(n.Name, n.Namespace, namespace)
		p.named[t.Name] = t
		t.Symbols, t.Size = n.Symbols, n.Size
		namespace = t.Name[:max(0, strings.LastIndexByte(t.Name, '.'))]
		for _, a := range n.Aliases {
			t.Aliases = append(t.Aliases, fullName(a, "", namespace))
		}
		if kind == "enum" && first(n.Default) == '"' {
			if err := json.Unmarshal(n.Default, &t.Fallback); err != nil {
				return nil, err
			}
		}
		for _, f := range n.Fields {
			ft, err := p.parse(f.Type, namespace)
			if err != nil {
				return nil, fmt.Errorf("field %s: %w", f.Name, err)
			}
			t.Fields = append(t.Fields, Field{f.Name, ft, f.Aliases, f.Default})
		}
	case "array", "map":
		elem := n.Items
		if kind == "map" {
			elem = n.Values
		}
		var err error
		if t.Elem, err = p.parse(elem, namespace); err != nil {
			return nil, err
		}
	default:
		if !primitives[kind] {
			return p.lookup(kind, namespace)
		}
	}
	if t.Logical == "decimal" {
		if n.Scale == nil || n.Precision < 1 || *n.Scale < 0 || *n.Scale > n.Precision {
			return nil, fmt.Errorf("a decimal needs a precision of at least 1 and a scale from 0 to it")
		}
		t.Precision, t.Scale = n.Precision, *n.Scale
	}
	return t, nil
}

func fullName(name, namespace, enclosing string) string {
	if namespace == "" {
		namespace = enclosing
	}
	if strings.Contains(name, ".") || namespace == "" {
		return name
	}
	return namespace + "." + name
}

func first(raw json.RawMessage) byte {
	for _, c := range raw {
		if c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return c
		}
	}
	return 0
}
