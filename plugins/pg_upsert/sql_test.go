package pgupsert

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseTable(t *testing.T) {
	for _, c := range []struct{ in, sql, err string }{
		{"t", `"t"`, ""},
		{"Shop.Orders", `"Shop"."Orders"`, ""},
		{`"my.schema"."a b"`, `"my.schema"."a b"`, ""},
		{`"a.b"`, `"a.b"`, ""},
		{`we'ird;--`, `"we'ird;--"`, ""},
		{`we"ird`, `"we""ird"`, ""},
		{"", "", "empty"},
		{"a.", "", "empty"},
		{".a", "", "empty"},
		{"a.b.c", "", "schema.table"},
		{`"a`, "", "not closed"},
		{`"a"b`, "", "schema.table"},
		{strings.Repeat("x", 64), "", "63 bytes"},
	} {
		got, err := parseTable(c.in)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%q: error %v, want %q", c.in, err, c.err)
			}
			continue
		}
		if err != nil || got.sql() != c.sql {
			t.Errorf("%q: %s, error %v, want %s", c.in, got.sql(), err, c.sql)
		}
	}
}

func TestStatement(t *testing.T) {
	array := typeNamed(t, "text[]")
	for _, c := range []struct {
		name string
		u    upsert
		want string
	}{
		{"plain", upsert{table: tableName{name: "t"}, cols: []column{{"id", typeBigint}, {"v", typeText}}, key: []string{"id"}},
			`insert into "t" as stored ("id", "v") select u.c1, u.c2 from (select unnest($1::bigint[]) as c1, unnest($2::text[]) as c2) as u` +
				` on conflict ("id") do update set "v" = excluded."v"`},
		{"only a key", upsert{table: tableName{name: "t"}, cols: []column{{"id", typeBigint}}, key: []string{"id"}},
			`insert into "t" as stored ("id") select u.c1 from (select unnest($1::bigint[]) as c1) as u on conflict ("id") do nothing`},
		{"ledger", upsert{
			table: tableName{"s", "t"}, ledger: &tableName{name: "l"},
			consts: []column{{"stream", typeText}, {"task", typeInteger}},
			cols:   []column{{"at", typeTimestamp}, {"ids", array}, {"seq", typeBigint}},
			key:    []string{"stream", "task", "at"}, stamp: "Seen", guard: true},
			`with held as (select from "l" where stream = $1 and task = $2 and generation = $3 for share), written as (` +
				`insert into "s"."t" as stored ("stream", "task", "at", "ids", "seq", "Seen")` +
				` select $1::text, $2::integer, u.c1, u.c2::text[], u.c3, now()` +
				` from (select unnest($4::timestamp with time zone[]) as c1, unnest($5::text[]) as c2, unnest($6::bigint[]) as c3) as u where exists (select from held)` +
				` on conflict ("stream", "task", "at") do update set "ids" = excluded."ids", "seq" = excluded."seq", "Seen" = excluded."Seen"` +
				` where (stored."seq" is null or stored."seq" < excluded."seq")) select count(*) from held`},
		{"ledger without the task in the key", upsert{
			table:  tableName{name: "d"},
			consts: []column{{"stream", typeText}, {"task", typeInteger}},
			cols:   []column{{"offset", typeBigint}, {"seq", typeBigint}},
			key:    []string{"stream", "offset"}, guard: true},
			`insert into "d" as stored ("stream", "task", "offset", "seq") select $1::text, $2::integer, u.c1, u.c2` +
				` from (select unnest($3::bigint[]) as c1, unnest($4::bigint[]) as c2) as u` +
				` on conflict ("stream", "offset") do update set "task" = excluded."task", "seq" = excluded."seq"` +
				` where (stored."seq" is null or stored."seq" < excluded."seq" or stored."task" is distinct from excluded."task")`},
	} {
		if got := c.u.statement(); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestInsertion(t *testing.T) {
	u := upsert{table: tableName{name: "t"}, cols: []column{{"id", typeBigint}, {"v", typeText}}, key: []string{"id"}, guard: true}
	if got, want := u.insertion(), `insert into "t" as stored ("id", "v") select u.c1, u.c2 from (select unnest($1::bigint[]) as c1, unnest($2::text[]) as c2) as u`; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestArgs(t *testing.T) {
	u := upsert{cols: []column{{"a", typeNamed(t, "boolean")}, {"b", typeText}}}
	rows := [][]cell{{{text: "true"}, {null: true}}, {{text: "false"}, {text: "x"}}}
	from := origin{"s", 1, 2}
	columns := []any{`{true,false}`, binaryArray(25, []cell{{null: true}, {text: "x"}}, appendText)}
	consts := []column{{"stream", typeText}, {"task", typeInteger}}
	for _, c := range []struct {
		name   string
		consts []column
		ledger *tableName
		want   []any
	}{
		{"plain", nil, nil, nil},
		{"constants", consts, nil, []any{"s", int32(1)}},
		{"ledger", consts, &tableName{name: "l"}, []any{"s", int32(1), int64(2)}},
		{"ledger, no constants", nil, &tableName{name: "l"}, []any{"s", int32(1), int64(2)}},
	} {
		u.consts, u.ledger = c.consts, c.ledger
		if got, want := u.args(from, rows), append(c.want, columns...); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", c.name, got, want)
		}
	}
}
