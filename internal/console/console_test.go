package console

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hinshun/vt10x"
)

// source answers looks and counts them.
type source struct {
	mu    sync.Mutex
	looks int
	takes time.Duration
	err   error
}

func (s *source) look(ctx context.Context) (View, error) {
	s.mu.Lock()
	s.looks++
	looks, takes, err := s.looks, s.takes, s.err
	s.mu.Unlock()
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return View{}, ctx.Err()
	}
	row := Row{Window: time.Unix(int64(60*looks), 0), Cells: []string{fmt.Sprint(looks)}}
	return View{
		Streams: []Stream{{Name: "s", Watermark: row.Window, Rows: int64(1000 * looks)}},
		Tables:  []Table{{Name: "t", Columns: []Column{{Name: "n"}}, Rows: []Row{row}, Unseen: 7}},
	}, err
}

// set changes how the next looks are answered, and tells how many there were.
func (s *source) set(takes time.Duration, err error) (looks int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.takes, s.err = takes, err
	return s.looks
}

// Elsewhere than on a terminal there are some lines a look, however much changes.
func TestConsoleTellsNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		s := &source{}
		c := Start(NewScreen(&out), s.look)
		time.Sleep(time.Minute + time.Second)
		c.End()
		c.End()
		const looks = 14 // the first and the last, and each 5 s between
		if s.looks != looks || strings.Count(out.String(), "\n") != 3*looks {
			t.Errorf("%d looks, %s", s.looks, out.String())
		}
		if !strings.Contains(out.String(), "t 1970-01-01T00:09Z n=9\nt 7 more\nprogress rows=9000 rows_per_second=200 s=1970-01-01T00:09:00Z\n") {
			t.Error(out.String())
		}
	})
}

// A source that is slow is left alone most of the time, one that hangs is given up.
func TestConsoleSparesItsSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{takes: 3 * time.Second}
		c := Start(NewScreen(&bytes.Buffer{}), s.look)
		time.Sleep(time.Minute - time.Second)
		if looks := s.set(time.Hour, nil); looks != 4 { // each 15 s
			t.Errorf("%d looks", looks)
		}
		begun := time.Now()
		c.End()
		if took := time.Since(begun); took > lastPatience {
			t.Errorf("the end took %v", took)
		}
	})
}

// What was read last stays on a terminal while nothing can be read, and the rate begins
// anew behind it.
func TestConsoleInTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		terminal := vt10x.New(vt10x.WithSize(60, 12))
		s := &source{}
		c := Start(NewTerminal(terminal, func() Size { return Size{60, 12} }), s.look)
		time.Sleep(3*time.Second + time.Millisecond)
		synctest.Wait()
		expect := func(want string) {
			t.Helper()
			if got := strings.TrimRight(standing(terminal), "|\n"); got != want {
				t.Errorf("\n%s\nwant\n%s", got, want)
			}
		}
		expect("|event time  s 1970-01-01 00:04:00  4,000 rows  1,000/s\n|\n|t                 n\n|1970-01-01 00:04  4")
		s.set(0, errors.New("the source is away"))
		time.Sleep(time.Second)
		synctest.Wait()
		expect("|event time  s 1970-01-01 00:04:00  4,000 rows  0/s\n|the source is away\n|\n|t                 n\n|1970-01-01 00:04  4")
		s.set(0, nil)
		time.Sleep(time.Second)
		synctest.Wait()
		expect("|event time  s 1970-01-01 00:06:00  6,000 rows  0/s\n|\n|t                 n\n|1970-01-01 00:06  6")
		c.End()
		expect("|event time  s 1970-01-01 00:07:00  7,000 rows  0/s\n|\n|t                 n\n|1970-01-01 00:07  7")
	})
}
