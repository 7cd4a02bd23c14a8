package pgupsert

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

func TestJudge(t *testing.T) {
	state := func(code string) error {
		return fmt.Errorf("wrapped: %w", &pq.Error{Code: pqerror.Code(code)})
	}
	for _, c := range []struct {
		err  error
		want verdict
	}{
		{io.ErrUnexpectedEOF, passing},
		{driver.ErrBadConn, passing},
		{&net.OpError{Op: "dial", Err: errors.New("connection refused")}, passing},
		{state("08006"), passing},
		{state("57P01"), passing},
		{state("57P03"), passing},
		{state("53300"), passing},
		{state("40001"), passing},
		{state("40P01"), passing},
		{state("25006"), passing},
		{state("XX000"), passing},
		{state(""), passing},
		{state("22003"), refused},
		{state("22P02"), refused},
		{state("23502"), refused},
		{state("23514"), refused},
		{state("21000"), refused},
		{state("54000"), refused},
		{state("P0001"), refused},
		{state("28P01"), fatal},
		{state("3D000"), fatal},
		{state("42P01"), fatal},
		{state("42703"), fatal},
		{state("42501"), fatal},
		{state("42P10"), fatal},
		{pq.ErrSSLNotSupported, fatal},
		{fmt.Errorf("x: %w", fatalf("y")), fatal},
		{told{"line", judged{errors.New("x"), fenced}}, fenced},
	} {
		if got := judge(c.err); got != c.want {
			t.Errorf("%v: verdict %d, want %d", c.err, got, c.want)
		}
	}
}

func TestDescribe(t *testing.T) {
	e := &pq.Error{Code: "23502", Message: "null value", Detail: "Failing row\ncontains (null)."}
	if got, want := describe(e), "null value: Failing row contains (null). (SQLSTATE 23502)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := describe(told{"table t: gone", e}), "table t: gone"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := describe(errors.New("pq: odd\nthing")), "odd thing"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
