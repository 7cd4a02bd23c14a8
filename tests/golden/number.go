package golden

import (
	"fmt"
	"strconv"
	"strings"
)

// maxCents is the largest value of numeric(15,2).
const maxCents = 999_999_999_999_999

// parseCents reads a decimal number and rounds it to cents, half up.
func parseCents(s string) (int64, error) {
	bad := fmt.Errorf("%q is not an amount", s)
	whole, frac, point := strings.Cut(s, ".")
	negative := strings.HasPrefix(whole, "-")
	whole = strings.TrimPrefix(whole, "-")
	if whole+frac == "" || point && frac == "" || !digits(whole) || !digits(frac) {
		return 0, bad
	}
	padded := frac + "000"
	cents, err := strconv.ParseInt(whole+padded[:2], 10, 64)
	if err != nil {
		return 0, bad
	}
	if padded[2] >= '5' {
		cents++
	}
	switch {
	case negative && cents > 0:
		return 0, fmt.Errorf("amount %s is negative", s)
	case cents > maxCents:
		return 0, fmt.Errorf("amount %s is too large", s)
	}
	return cents, nil
}

func digits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// hundredths writes a number of hundredths, such as cents, as a canonical decimal.
func hundredths(n int64) string {
	return canonicalNumber(fmt.Sprintf("%d.%02d", n/100, n%100))
}

// ratio is a·scale/b in hundredths, rounded half up; 0 when b is 0. The arguments
// are not negative. A percentage of counts has scale 10000, a mean of counts 100,
// a mean of cents 1.
func ratio(a, scale, b int64) string {
	if b == 0 {
		return "0"
	}
	return hundredths((2*a*scale + b) / (2 * b))
}

func percent(a, b int64) string { return ratio(a, 100*100, b) }

// canonicalNumber removes what does not change a decimal number's value; text
// that is no such number stays as it is.
func canonicalNumber(s string) string {
	whole, frac, _ := strings.Cut(s, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	if whole == "" || !digits(whole) || !digits(frac) {
		return s
	}
	whole, frac = strings.TrimLeft(whole, "0"), strings.TrimRight(frac, "0")
	if whole == "" {
		whole = "0"
	}
	if frac != "" {
		return sign + whole + "." + frac
	}
	if whole == "0" {
		return "0"
	}
	return sign + whole
}
