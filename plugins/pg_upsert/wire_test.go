package pgupsert

import (
	"database/sql"
	"testing"

	"github.com/lib/pq"
	"pgregory.net/rapid"
)

// What is sent in binary form, Postgres reads as it reads the texts.
func TestBinaryIsText(t *testing.T) {
	d := newDatabase(t)
	server, err := pq.NewConfig(d.DSN)
	if err != nil {
		t.Fatal(err)
	}
	server.BinaryParameters = true
	connector, err := pq.NewConnectorConfig(server)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	rapid.Check(t, func(rt *rapid.T) {
		typ := rapid.SampledFrom(allTypes()).Draw(rt, "type")
		if !typ.binary() && !isDecimalType(typ) {
			return
		}
		var texts, cells []cell
		for range rapid.IntRange(0, 20).Draw(rt, "values") {
			text, err := convert(typ, anyValue().Draw(rt, "value").Any())
			if err != nil {
				continue
			}
			c, err := wired(typ, text)
			if err != nil {
				rt.Fatal(err)
			}
			texts, cells = append(texts, text), append(cells, c)
		}
		var same bool
		query := "select $1::" + typ.param() + "::text is not distinct from $2::" + typ.param() + "::text"
		if err := db.QueryRow(query, arrayLiteral(typ, texts), arrayParam(typ, cells)).Scan(&same); err != nil || !same {
			rt.Fatalf("%s: %v is not %v, error %v", typ.name, texts, cells, err)
		}
	})
}
