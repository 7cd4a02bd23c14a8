package golden

import (
	"database/sql"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/lib/pq"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

func TestMain(m *testing.M) { kit.Main(m) }

// TestSQLAgrees loads the CSV files into Postgres, where views written in plain
// SQL come to the rows of the oracle by another way.
func TestSQLAgrees(t *testing.T) {
	for name, dir := range map[string]func(*testing.T) string{
		"handmade": func(t *testing.T) string { return dataset(t, threeOrders, threeItems, payments3) },
		"olist":    olist,
	} {
		t.Run(name, func(t *testing.T) {
			files := dir(t)
			// The zone of the session must not matter.
			db := inPostgres(t, files, "Asia/Kolkata")
			got, err := Load(t.Context(), db)
			if err != nil {
				t.Fatal(err)
			}
			events, _ := read(t, files, Selection{})
			expect(t, Compute(events, Defaults()), got)

			const spoil = "update items set price = price + 0.01 where ctid = (select min(ctid) from items)"
			if _, err := db.ExecContext(t.Context(), spoil); err != nil {
				t.Fatal(err)
			}
			if got, err = Load(t.Context(), db); err != nil {
				t.Fatal(err)
			}
			if Diff(Compute(events, Defaults()), got) == nil {
				t.Error("a cent too much goes unseen")
			}
		})
	}
}

func TestLoadNamesTheMissingView(t *testing.T) {
	if _, err := Load(t.Context(), kit.Postgres(t).DB); err == nil || !strings.Contains(err.Error(), "load view "+Funnel) {
		t.Errorf("error %v, want one that names %s", err, Funnel)
	}
}

func inPostgres(t *testing.T, dir, zone string) *sql.DB {
	t.Helper()
	db := kit.Postgres(t).DB
	db.SetMaxOpenConns(1) // the session's zone holds for every query
	views, err := os.ReadFile(filepath.Join("testdata", "views.sql"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "set time zone '"+zone+"';"+string(views)); err != nil {
		t.Fatal(err)
	}
	for table, file := range map[string]string{"orders": OrdersFile, "items": ItemsFile, "payments": PaymentsFile} {
		f, err := os.Open(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		rows, err := csv.NewReader(f).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		insert(t, db, table, rows[1:])
	}
	return db
}

func insert(t *testing.T, db *sql.DB, table string, rows [][]string) {
	t.Helper()
	columns := map[string][]string{
		"orders":   {"order_id", "customer_id", "order_status", "purchased", "approved", "carrier", "delivered", "estimated"},
		"items":    {"order_id", "order_item_id", "product_id", "seller_id", "shipping_limit", "price", "freight"},
		"payments": {"order_id", "payment_sequential", "payment_type", "installments", "value"},
	}[table]
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }() // without effect after the commit
	in, err := tx.PrepareContext(t.Context(), fmt.Sprintf("copy %s (%s) from stdin", table, strings.Join(columns, ", ")))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		values := make([]any, len(row))
		for i, v := range row {
			if v != "" {
				values[i] = v
			}
		}
		if _, err := in.ExecContext(t.Context(), values...); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := in.ExecContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}
