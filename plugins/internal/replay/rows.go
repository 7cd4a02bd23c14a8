package replay

const (
	rowBlockBits = 12
	rowBlock     = 1 << rowBlockBits
)

// Rows is a long list that grows by blocks: nothing is copied, and no more is
// reserved than a block, while a slice would hold up to three times its rows when it
// grows.
type Rows[T any] struct {
	blocks []*[rowBlock]T
	n      int
}

// Len is the number of rows.
func (r *Rows[T]) Len() int { return r.n }

// At is the i-th row.
func (r *Rows[T]) At(i int) *T { return &r.blocks[i>>rowBlockBits][i&(rowBlock-1)] }

// Append adds a row at the end.
func (r *Rows[T]) Append(row T) {
	if r.n>>rowBlockBits == len(r.blocks) {
		r.blocks = append(r.blocks, new([rowBlock]T))
	}
	r.n++
	*r.At(r.n - 1) = row
}

// Truncate keeps the first n rows.
func (r *Rows[T]) Truncate(n int) {
	keep := (n + rowBlock - 1) >> rowBlockBits
	clear(r.blocks[keep:])
	r.blocks, r.n = r.blocks[:keep], n
}
