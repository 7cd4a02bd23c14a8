package pgupsert

import (
	"sort"
	"strings"
)

// kind is a family of column types whose values are written in the same way.
type kind uint8

const (
	kindInteger kind = iota
	kindNumeric
	kindFloat
	kindText
	kindBoolean
	kindTimestamp
	kindJSON
	kindUUID
)

// columnType is a type that the output can write.
type columnType struct {
	// name is Postgres's own, without length and precision, so that a cast to it
	// never cuts or rounds a value: the assignment to the column checks it.
	name  string
	kind  kind
	bits  int // of kindInteger and kindFloat
	array bool
}

var scalarTypes = map[string]columnType{
	"smallint":                 {kind: kindInteger, bits: 16},
	"integer":                  {kind: kindInteger, bits: 32},
	"bigint":                   {kind: kindInteger, bits: 64},
	"numeric":                  {kind: kindNumeric},
	"real":                     {kind: kindFloat, bits: 32},
	"double precision":         {kind: kindFloat, bits: 64},
	"text":                     {kind: kindText},
	"character varying":        {kind: kindText},
	"boolean":                  {kind: kindBoolean},
	"timestamp with time zone": {kind: kindTimestamp},
	"json":                     {kind: kindJSON},
	"jsonb":                    {kind: kindJSON},
	"uuid":                     {kind: kindUUID},
}

// Types that columns of our own tables must have, at least as wide.
var (
	typeText      = columnType{name: "text", kind: kindText}
	typeInteger   = columnType{name: "integer", kind: kindInteger, bits: 32}
	typeBigint    = columnType{name: "bigint", kind: kindInteger, bits: 64}
	typeTimestamp = columnType{name: "timestamp with time zone", kind: kindTimestamp}
)

// typeOf reads a type as Postgres's format_type spells it; false for a type that
// the output cannot write. Arrays of every scalar type but JSON are taken.
func typeOf(name string) (columnType, bool) {
	scalar, array := strings.CutSuffix(name, "[]")
	t, ok := scalarTypes[scalar]
	if !ok || array && t.kind == kindJSON {
		return columnType{}, false
	}
	t.name, t.array = name, array
	return t, true
}

// supportedTypes lists what typeOf takes, for error messages.
func supportedTypes() string {
	names := make([]string, 0, len(scalarTypes))
	for n := range scalarTypes {
		names = append(names, n)
	}
	sort.Strings(names)
	return strings.Join(names, ", ") + ", and arrays of these but json"
}

// param is the type of the statement parameter that carries a whole column. An
// array of arrays must be rectangular in Postgres, so array values travel as text.
func (t columnType) param() string {
	if t.array {
		return "text[]"
	}
	return t.name + "[]"
}

// unpacked is the expression that turns one element of such a parameter into the column's type.
func (t columnType) unpacked(element string) string {
	if t.array {
		return element + "::" + t.name
	}
	return element
}

// quoted tells whether a text of the type, as an element of an array, may hold what
// has a meaning there. Numbers, times, booleans and UUIDs never do.
func (t columnType) quoted() bool {
	return t.array || t.kind == kindText || t.kind == kindJSON
}
