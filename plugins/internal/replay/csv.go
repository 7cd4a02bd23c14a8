package replay

import (
	"bufio"
	"errors"
	"io"
	"strings"
)

// maxRecord bounds a CSV record in bytes: a quote that is never closed must not
// swallow the rest of a file.
const maxRecord = 64 << 10

// maxRecordLines bounds the physical lines of one record for the same reason.
const maxRecordLines = 1000

// Errors of a single record. Reading goes on after them.
var (
	errOpenQuote   = errors.New("a quote is never closed")
	errAfterQuote  = errors.New("text stands between a closing quote and the next comma")
	errInnerQuote  = errors.New("a quote stands inside an unquoted value")
	errTooLong     = errors.New("the row is longer than 64 KiB")
	errFieldNumber = errors.New("the number of values is not that of the columns")
)

// csvReader splits RFC 4180 text into records. Unlike encoding/csv it finds its
// way back after a broken quote: the line where the record began is reported, and
// reading goes on with the line below it.
type csvReader struct {
	in      *bufio.Reader
	line    int      // number of the last line taken, from 1
	pending []string // lines that were read ahead and given back
	fields  []string
	first   bool
}

func newCSVReader(r io.Reader) *csvReader {
	return &csvReader{in: bufio.NewReaderSize(r, 64<<10), first: true}
}

// next returns the fields of the next record, its text and the line it begins
// at. want is the number of fields that a record must have, 0 for any. The
// fields are valid until the next call. A broken record comes with rowErr; err
// is io.EOF or what reading the file failed with.
func (r *csvReader) next(want int) (fields []string, text string, line int, rowErr, err error) {
	for {
		if text, err = r.readLine(); err != nil {
			return nil, "", 0, nil, err
		}
		if strings.TrimRight(text, "\r\n") != "" {
			break
		}
	}
	line = r.line
	if len(text) > maxRecord {
		return nil, text[:maxRecord], line, errTooLong, nil
	}
	whole, ahead := text, []string(nil)
	for {
		fields, rowErr = r.split(whole)
		if !errors.Is(rowErr, errOpenQuote) || len(ahead) == maxRecordLines {
			break
		}
		more, merr := r.readLine()
		if errors.Is(merr, io.EOF) {
			break
		}
		if merr != nil {
			return nil, "", 0, nil, merr
		}
		ahead = append(ahead, more)
		if whole += more; len(whole) > maxRecord {
			break
		}
	}
	if rowErr == nil && want > 0 && len(fields) != want {
		rowErr = errFieldNumber
	}
	if rowErr == nil {
		return fields, trimEOL(whole), line, nil, nil
	}
	r.giveBack(ahead)
	return fields, trimEOL(text), line, rowErr, nil
}

func trimEOL(s string) string { return strings.TrimSuffix(strings.TrimSuffix(s, "\n"), "\r") }

func (r *csvReader) giveBack(lines []string) {
	r.pending = append(lines, r.pending...)
	r.line -= len(lines)
}

// readLine returns a line with its end. Of a line that is too long only the
// beginning is kept, still longer than maxRecord.
func (r *csvReader) readLine() (string, error) {
	if len(r.pending) > 0 {
		l := r.pending[0]
		r.pending = r.pending[1:]
		r.line++
		return l, nil
	}
	var b strings.Builder
	for {
		chunk, err := r.in.ReadSlice('\n')
		if b.Len() <= maxRecord {
			b.Write(chunk)
		}
		if err == nil || errors.Is(err, io.EOF) && b.Len() > 0 {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return "", err
		}
	}
	r.line++
	l := b.String()
	if r.first {
		l, r.first = strings.TrimPrefix(l, "\ufeff"), false
	}
	return l, nil
}

// split cuts a record into fields, which share memory with it where no quote was doubled.
func (r *csvReader) split(text string) ([]string, error) {
	r.fields = r.fields[:0]
	rest := text
	for {
		var value string
		if strings.HasPrefix(rest, `"`) {
			end, doubled := closingQuote(rest)
			if end < 0 {
				return r.fields, errOpenQuote
			}
			value = rest[1:end]
			if doubled {
				value = strings.ReplaceAll(value, `""`, `"`)
			}
			rest = rest[end+1:]
			if after := trimEOL(rest); after != "" && after[0] != ',' {
				return r.fields, errAfterQuote
			}
		} else {
			end := strings.IndexByte(rest, ',')
			if end < 0 {
				end = len(trimEOL(rest))
			}
			value, rest = rest[:end], rest[end:]
			if strings.IndexByte(value, '"') >= 0 {
				return r.fields, errInnerQuote
			}
		}
		r.fields = append(r.fields, value)
		if !strings.HasPrefix(rest, ",") {
			return r.fields, nil
		}
		rest = rest[1:]
	}
}

// closingQuote finds the quote that ends the quoted field at the beginning of s,
// -1 if there is none; doubled tells whether quotes inside are doubled.
func closingQuote(s string) (end int, doubled bool) {
	for i := 1; ; {
		q := strings.IndexByte(s[i:], '"')
		if q < 0 {
			return -1, doubled
		}
		i += q
		if i+1 < len(s) && s[i+1] == '"' {
			doubled = true
			i += 2
			continue
		}
		return i, doubled
	}
}
