package pgupsert

// bisect hands rows to write, and when write refuses a value in them, the two
// halves, and so on down to the single rows that are refused. All others are
// written. With k refused rows of n it takes about 2k·log2(n/k) calls. Any other
// error of write ends it; what was written until then stays.
func bisect(rows []*row, write func([]*row) error) ([]refusal, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	err := write(rows)
	if err == nil || judge(err) != refused {
		return nil, err
	}
	if len(rows) == 1 {
		return []refusal{{rows[0], err}}, nil
	}
	half := len(rows) / 2
	left, err := bisect(rows[:half], write)
	if err != nil {
		return nil, err
	}
	right, err := bisect(rows[half:], write)
	return append(left, right...), err
}
