package avrodecode

import "github.com/tidemark-streams/tidemark/plugins/internal/avro"

// skip passes over a value of which only the length matters: what it holds is nobody's
// here, and is not checked.
func (in *input) skip(t *avro.Type) {
	if in.depth++; in.depth > maxDepth {
		in.fail(errDepth)
		return
	}
	switch t.Kind {
	case "boolean":
		in.take(1)
	case "int", "long", "enum":
		in.long()
	case "float":
		in.take(4)
	case "double":
		in.take(8)
	case "bytes", "string":
		in.take(in.long())
	case "fixed":
		in.take(int64(t.Size))
	case "array":
		in.blocks(func() { in.skip(t.Elem) })
	case "map":
		in.blocks(func() { in.text(); in.skip(t.Elem) })
	case "record":
		for _, f := range t.Fields {
			if in.skip(f.Type); in.err != nil {
				return
			}
		}
	case "union":
		n := in.long()
		if n < 0 || n >= int64(len(t.Branches)) {
			in.fail(errBranch)
			return
		}
		in.skip(t.Branches[n])
	}
	in.depth--
}
