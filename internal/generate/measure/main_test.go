package main

import (
	"os"
	"strings"
	"testing"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

// TestTablesAreWhatIsMeasured fails when measured.go is not what this program makes
// of the files that it was made of.
func TestTablesAreWhatIsMeasured(t *testing.T) {
	committed, err := os.ReadFile("../measured.go")
	if err != nil {
		t.Fatal(err)
	}
	source, err := measure(kit.Olist(t))
	if err != nil {
		t.Fatal(err)
	}
	orders := func(text string) string {
		_, rest, _ := strings.Cut(text, "const measuredOrders = ")
		number, _, _ := strings.Cut(rest, "\n")
		return number
	}
	if a, b := orders(string(committed)), orders(string(source)); a != b {
		t.Skipf("the tables were counted from %s orders, not from these %s", a, b)
	}
	if string(source) != string(committed) {
		t.Error("measured.go is stale: go run ./internal/generate/measure DIR > internal/generate/measured.go")
	}
}

func TestMissingFilesAndColumns(t *testing.T) {
	dir := t.TempDir()
	if _, err := measure(dir); err == nil || !strings.Contains(err.Error(), "olist_orders_dataset.csv") {
		t.Errorf("error %v, want one that names the file", err)
	}
	if err := os.WriteFile(dir+"/olist_orders_dataset.csv", []byte("order_id\n1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := measure(dir); err == nil || !strings.Contains(err.Error(), "no column order_purchase_timestamp") {
		t.Errorf("error %v, want one that names the column", err)
	}
}
