package kit

import (
	"errors"
	"net/http"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"
)

const (
	schemaV1 = `{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}`
	// added has one more field, with a default.
	added = `{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":["null","string"],"default":null}]}`
	// demanding has one more field, which old records lack.
	demanding = `{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"string"}]}`
	// other has another type in the same field.
	other = `{"type":"record","name":"R","fields":[{"name":"a","type":"string"}]}`
)

// TestRegistryRefuses: the fake takes what its level allows, and answers 409 to the rest.
func TestRegistryRefuses(t *testing.T) {
	for _, c := range []struct {
		level  sr.CompatibilityLevel
		next   string
		refuse bool
	}{
		{sr.CompatBackward, added, false},
		{sr.CompatBackward, demanding, true},
		{sr.CompatBackward, other, true},
		{sr.CompatForward, demanding, false},
		{sr.CompatForward, other, true},
		{sr.CompatFull, added, false},
		{sr.CompatFull, demanding, true},
		{sr.CompatNone, other, false},
	} {
		t.Run(c.level.String()+" "+c.next, func(t *testing.T) {
			r := NewRegistry(t)
			cl, ctx := r.Client(t), t.Context()
			if err := r.SetCompat("s", c.level); err != nil {
				t.Fatal(err)
			}
			if _, err := cl.RegisterSchema(ctx, "s", sr.Schema{Schema: schemaV1}, -1, -1); err != nil {
				t.Fatal(err)
			}
			verdict, err := cl.CheckCompatibility(sr.WithParams(ctx, sr.Verbose), "s", -1, sr.Schema{Schema: c.next})
			if err != nil || verdict.Is == c.refuse || c.refuse != (len(verdict.Messages) > 0) {
				t.Errorf("%+v, %v", verdict, err)
			}
			_, err = cl.RegisterSchema(ctx, "s", sr.Schema{Schema: c.next}, -1, -1)
			refused, ok := errors.AsType[*sr.ResponseError](err)
			switch {
			case !c.refuse && err != nil:
				t.Error(err)
			case c.refuse && (!ok || refused.StatusCode != http.StatusConflict || refused.ErrorCode != 409):
				t.Errorf("%v", err)
			}
			if _, registered := r.GetSchema("s", 2); registered == c.refuse {
				t.Errorf("registered: %v", registered)
			}
		})
	}
}
