// Package avro loads Avro schemas and frames what they encode. Encoding itself
// is goavro's; this package adds the parsed type, the fingerprint and the three
// framings in use on Kafka.
package avro

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/linkedin/goavro/v2"

	"github.com/tidemark-streams/tidemark/configs"
)

// Schema is a parsed schema. It is safe for use by several goroutines.
type Schema struct {
	// Name is the full name of the top-level type, such as olist.OrderCreated.
	Name string
	// JSON is the schema as it was written.
	JSON string
	// Canonical is the schema's Parsing Canonical Form.
	Canonical string
	// Fingerprint is the CRC-64-AVRO of the canonical form.
	Fingerprint uint64
	// Root is the parsed type.
	Root *Type

	codec *goavro.Codec
}

// Load reads a schema file, relative to the working directory. A path below
// configs/ that is not on disk is read from the copy inside the binary, so that
// the shipped streams run anywhere.
func Load(file string) (*Schema, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		if name, ok := strings.CutPrefix(path.Clean(file), "configs/"); ok {
			if shipped, ferr := configs.Avro.ReadFile(name); ferr == nil {
				text, err = shipped, nil
			}
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("schema %s: there is no such file", file)
	}
	if err != nil {
		return nil, fmt.Errorf("schema %s: %w", file, err)
	}
	s, err := Parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("schema %s: %w", file, err)
	}
	return s, nil
}

// Parse reads the JSON text of a schema.
func Parse(text string) (*Schema, error) {
	root, err := ParseType(text)
	if err != nil {
		return nil, err
	}
	codec, err := goavro.NewCodec(text)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	canonical(&b, root, map[string]bool{})
	name := root.Name
	if name == "" {
		name = root.Kind
	}
	return &Schema{
		Name: name, JSON: text, Canonical: b.String(), Fingerprint: Rabin(b.String()), Root: root, codec: codec,
	}, nil
}

// AppendNative appends a value in goavro's native form to dst, binary encoded
// and within its framing.
func (s *Schema) AppendNative(f Framing, dst []byte, native any) ([]byte, error) {
	return s.codec.BinaryFromNative(s.appendHeader(f, dst), native)
}
