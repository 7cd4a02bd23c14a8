package e2e

import (
	"encoding/csv"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tidemark-streams/tidemark/tests/kit"
)

// block is a fenced block of a page.
type block struct {
	language, file string // file is named in the fence: ```yaml file=a.yaml
	text           string
}

// blocks takes the fenced blocks out of a page.
func blocks(page string) (found []block) {
	const fence = "```"
	var open *block
	for line := range strings.Lines(page) {
		info, fenced := strings.CutPrefix(line, fence)
		switch {
		case fenced && open == nil:
			language, rest, _ := strings.Cut(strings.TrimSpace(info), " ")
			open = &block{language: language, file: strings.TrimPrefix(rest, "file=")}
		case fenced:
			found, open = append(found, *open), nil
		case open != nil:
			open.text += line
		}
	}
	return found
}

// reader works through a page in an empty folder.
type reader struct {
	testing.TB
	dir string
	env []string
}

// newReader has the tools that a page asks for on its path.
func newReader(t testing.TB) *reader {
	if _, err := exec.LookPath("psql"); err != nil {
		kit.Missing(t, "needs psql; install it (Debian: apt-get install postgresql-client)")
	}
	kafka, pg, tools := kit.Kafka(t), kit.Postgres(t), t.TempDir()
	kafka.Reset(t, 0)
	if err := os.Symlink(kit.Binary(t), filepath.Join(tools, "tidemark")); err != nil {
		t.Fatal(err)
	}
	return &reader{TB: t, dir: t.TempDir(), env: []string{
		"PATH=" + tools + ":" + os.Getenv("PATH"), "KAFKA_BROKERS=" + kafka.Addr(), "POSTGRES_DSN=" + pg.DSN,
	}}
}

// follow writes the files of a page and runs its commands, in order. A block of text
// behind commands is what they print.
func (r *reader) follow(page string) (printed []string) {
	r.Helper()
	last := ""
	for _, b := range blocks(page) {
		switch {
		case b.file != "":
			path := filepath.Join(r.dir, b.file)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				r.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(b.text), 0o600); err != nil {
				r.Fatal(err)
			}
		case b.language == "sh":
			last = kit.MustRun(r, kit.Command{Path: "/bin/sh", Args: []string{"-euc", b.text}, Env: r.env, Dir: r.dir}, patience).Stdout
		case b.language == "text":
			if got, want := trimmed(last), trimmed(b.text); got != want {
				r.Errorf("printed\n%s\nthe page says\n%s", got, want)
			}
			printed = append(printed, last)
		default:
			r.Errorf("nobody knows what to do with a block of %q", b.language)
		}
	}
	return printed
}

// trimmed is a text without blanks at the ends of its lines, and its own.
func trimmed(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return strings.Trim(b.String(), "\n")
}

// plan is what was paid by card in a number of installments.
type plan struct {
	installments string
	payments     int64
	cents        int64
}

// plans adds up the file of payments, the largest amount first.
func plans(t testing.TB, file string) []plan {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := func(name string) int { return slices.Index(rows[0], name) }
	kind, number, value := column("payment_type"), column("payment_installments"), column("payment_value")
	sums := map[string]*plan{}
	for _, row := range rows[1:] {
		if row[kind] != "credit_card" {
			continue
		}
		amount, ok := new(big.Rat).SetString(row[value])
		if cents := new(big.Rat).Mul(amount, big.NewRat(100, 1)); !ok || !cents.IsInt() {
			t.Fatalf("%s: %v is no amount", file, row)
		} else {
			s := sums[row[number]]
			if s == nil {
				s = &plan{installments: row[number]}
				sums[row[number]] = s
			}
			s.payments, s.cents = s.payments+1, s.cents+cents.Num().Int64()
		}
	}
	var list []plan
	for _, s := range sums {
		list = append(list, *s)
	}
	slices.SortFunc(list, func(a, b plan) int { return int(b.cents - a.cents) })
	return list
}

// Who does what docs/add-a-metric.md says, gets what it promises, and that is right.
func TestAddAMetric(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(kit.Root(t), "docs", "add-a-metric.md"))
	if err != nil {
		t.Fatal(err)
	}
	r := newReader(t)
	printed := r.follow(string(page))
	if len(printed) != 1 {
		t.Fatalf("the page promises %d tables", len(printed))
	}
	want := plans(t, filepath.Join(r.dir, "dataset", "olist_order_payments_dataset.csv"))
	total := int64(0)
	for _, s := range want {
		total += s.cents
	}
	var lines []string
	for _, s := range want[:5] {
		share := big.NewRat(100*s.cents, total).FloatString(1)
		lines = append(lines, strings.Join([]string{
			s.installments, strconv.FormatInt(s.payments, 10), fmt.Sprintf("%d.%02d", s.cents/100, s.cents%100), share, "t",
		}, " "))
	}
	var got []string
	for line := range strings.Lines(printed[0]) {
		if cells := strings.Fields(strings.ReplaceAll(line, "|", " ")); len(cells) == 5 && cells[0] != "installments" {
			got = append(got, strings.Join(cells, " "))
		}
	}
	if !slices.Equal(got, lines) {
		t.Errorf("the page comes to\n%s\nthe file to\n%s", strings.Join(got, "\n"), strings.Join(lines, "\n"))
	}
}
