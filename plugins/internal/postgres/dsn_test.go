package postgres

import (
	"strings"
	"testing"
)

func TestParseDSN(t *testing.T) {
	cfg, err := ParseDSN("postgres://u:secret@db:6000/shop?sslmode=disable")
	if err != nil || Address(cfg) != "db:6000/shop" || cfg.ConnectTimeout != connectTimeout {
		t.Errorf("%s, %v, error %v", Address(cfg), cfg.ConnectTimeout, err)
	}
	for _, bad := range []string{
		"", "  ", "postgres://u:secret@db:port/shop", "postgres://u:se/cret@db/shop", "postgre://u:secret@db/shop",
		"host=db password=se cret", "postgres://u:secret@db/shop?sslmode=secret", "postgres://u:secret%@db", "host=db port=secret",
	} {
		_, err := ParseDSN(bad)
		if err == nil {
			t.Errorf("%q is taken", bad)
		} else if strings.Contains(err.Error(), "cret") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: the error tells too much: %v", bad, err)
		}
	}
}
