package pgupsert

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// convert writes a message's value as text that Postgres reads as type t. Nil is
// null. An error says why the value cannot be one of t; it names the value, cut.
func convert(t columnType, v any) (cell, error) {
	if v == nil {
		return cell{null: true}, nil
	}
	var s string
	var err error
	if t.array {
		s, err = arrayText(t, v)
	} else {
		s, err = scalarText(t, v)
	}
	return cell{text: s}, err
}

// wiredOf is v as one of type t is sent.
func wiredOf(t columnType, v any) (cell, error) {
	c, err := convert(t, v)
	if err != nil {
		return c, err
	}
	return wired(t, c)
}

func scalarText(t columnType, v any) (string, error) {
	switch t.kind {
	case kindInteger:
		return integerText(t, v)
	case kindNumeric:
		return numericText(t, v)
	case kindFloat:
		return floatText(t, v)
	case kindText:
		return plainText(v)
	case kindBoolean:
		return booleanText(t, v)
	case kindTimestamp:
		return timestampText(t, v)
	case kindJSON:
		return jsonText(v)
	default:
		return uuidText(t, v)
	}
}

// number is the text of a value that is a number or a string; false for others
// and for the floats that are none.
func number(v any) (string, bool) {
	switch n := v.(type) {
	case string:
		return strings.TrimSpace(n), true
	case json.Number:
		return string(n), true
	case float64:
		if math.IsNaN(n) || math.IsInf(n, 0) {
			return "", false
		}
		return strconv.FormatFloat(n, 'f', -1, 64), true
	case float32:
		return number(float64(n))
	}
	switch r := reflect.ValueOf(v); {
	case r.CanInt():
		return strconv.FormatInt(r.Int(), 10), true
	case r.CanUint():
		return strconv.FormatUint(r.Uint(), 10), true
	}
	return "", false
}

func integerText(t columnType, v any) (string, error) {
	if n, ok := v.(int64); ok && t.bits == 64 {
		return strconv.FormatInt(n, 10), nil
	}
	s, ok := number(v)
	if !ok {
		return "", mismatch(t, v)
	}
	n, err := strconv.ParseInt(s, 10, t.bits)
	if err == nil {
		return strconv.FormatInt(n, 10), nil
	}
	// JSON may write a whole number as 12.0 or 1e3; above 2^53 a float no longer
	// tells one whole number from the next.
	f, ferr := strconv.ParseFloat(s, 64)
	if ferr == nil && f == math.Trunc(f) && math.Abs(f) <= 1<<53 && strings.ContainsAny(s, ".eE") {
		if n, err = strconv.ParseInt(strconv.FormatFloat(f, 'f', 0, 64), 10, t.bits); err == nil {
			return strconv.FormatInt(n, 10), nil
		}
	}
	return "", mismatch(t, v)
}

func numericText(t columnType, v any) (string, error) {
	s, ok := number(v)
	if !ok || !isDecimal(s) {
		return "", mismatch(t, v)
	}
	return s, nil
}

// isDecimal accepts what a numeric can hold exactly: sign, digits with at most
// one point, exponent. NaN and infinity are no amounts.
func isDecimal(s string) bool {
	mantissa, exponent := unsigned(s), "0"
	if i := strings.IndexAny(mantissa, "eE"); i >= 0 {
		mantissa, exponent = mantissa[:i], unsigned(mantissa[i+1:])
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	return isDigits(exponent) && exponent != "" && whole+fraction != "" && isDigits(whole+fraction)
}

// unsigned is s without its sign.
func unsigned(s string) string {
	if s != "" && (s[0] == '+' || s[0] == '-') {
		return s[1:]
	}
	return s
}

func isDigits(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }) < 0
}

func floatText(t columnType, v any) (string, error) {
	if f, ok := v.(float64); ok {
		return strconv.FormatFloat(f, 'g', -1, 64), nil
	}
	s, ok := number(v)
	if !ok {
		return "", mismatch(t, v)
	}
	f, err := strconv.ParseFloat(s, t.bits)
	if err != nil {
		return "", mismatch(t, v)
	}
	return strconv.FormatFloat(f, 'g', -1, t.bits), nil
}

func plainText(v any) (string, error) {
	var s string
	switch x := v.(type) {
	case string:
		s = x
	case []byte:
		s = string(x)
	case bool:
		return strconv.FormatBool(x), nil
	case time.Time:
		return x.UTC().Format(time.RFC3339Nano), nil
	case map[string]any, []any:
		return jsonText(x)
	default:
		n, ok := number(v)
		if !ok {
			return "", fmt.Errorf("a %T is not a text", v)
		}
		return n, nil
	}
	if i := strings.IndexByte(s, 0); i >= 0 {
		return "", fmt.Errorf("%s has a NUL at byte %d, which a text cannot hold", clip(s), i)
	}
	if !utf8.ValidString(s) {
		return "", fmt.Errorf("%s is not UTF-8", clip(s))
	}
	return s, nil
}

func booleanText(t columnType, v any) (string, error) {
	switch b := v.(type) {
	case bool:
		return strconv.FormatBool(b), nil
	case string:
		if l := strings.ToLower(b); l == "true" || l == "false" {
			return l, nil
		}
	}
	return "", mismatch(t, v)
}

// Texts are read in these forms only, and without a zone as UTC: Postgres would
// also take words like "now", and guess at the zone by the session.
var timestampForms = []string{
	time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07:00",
	"2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02",
}

func timestampText(t columnType, v any) (string, error) {
	switch x := v.(type) {
	case time.Time:
		return instantText(t, x)
	case string:
		if x == "infinity" || x == "-infinity" {
			return x, nil
		}
		for _, form := range timestampForms {
			if at, err := time.Parse(form, x); err == nil {
				return instantText(t, at)
			}
		}
	}
	return "", mismatch(t, v)
}

// instantText rounds to the microsecond, as Postgres stores it.
func instantText(t columnType, at time.Time) (string, error) {
	at = at.UTC().Round(time.Microsecond)
	if y := at.Year(); y < 1 || y > 9999 {
		return "", mismatch(t, at)
	}
	return at.Format("2006-01-02T15:04:05.999999Z"), nil
}

func jsonText(v any) (string, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "", fmt.Errorf("not expressible as JSON: %w", err)
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

func uuidText(t columnType, v any) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", mismatch(t, v)
	}
	hex := strings.ToLower(strings.ReplaceAll(s, "-", ""))
	if len(hex) != 32 || strings.Trim(hex, "0123456789abcdef") != "" {
		return "", mismatch(t, v)
	}
	return strings.Join([]string{hex[:8], hex[8:12], hex[12:16], hex[16:20], hex[20:]}, "-"), nil
}

func mismatch(t columnType, v any) error {
	if s, ok := v.(string); ok {
		return fmt.Errorf("%s is not of type %s", clip(s), t.name)
	}
	return fmt.Errorf("%s (%T) is not of type %s", clip(fmt.Sprint(v)), v, t.name)
}

// clip quotes a value for a message of one line.
func clip(s string) string {
	const most = 60
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return strconv.Quote(s)
}
