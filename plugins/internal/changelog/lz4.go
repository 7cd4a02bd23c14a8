package changelog

import (
	"bytes"
	"sync"

	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kgo"
)

// compressor compresses as Kafka's own clients do, in blocks of 64 kB and without a
// checksum, as a batch has one already. The client's default makes blocks of 4 MB, and
// each writer holds two.
type compressor struct{ writers sync.Pool }

// compressors are shared by the logs of a process.
var compressors = newCompressor()

func newCompressor() *compressor {
	c := &compressor{}
	c.writers.New = func() any {
		w := lz4.NewWriter(nil)
		_ = w.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false)) // valid
		return w
	}
	return c
}

// Compress implements kgo.Compressor.
func (c *compressor) Compress(dst *bytes.Buffer, src []byte, _ ...kgo.CompressFlag) ([]byte, kgo.CompressionCodecType) {
	w := c.writers.Get().(*lz4.Writer)
	defer c.writers.Put(w)
	w.Reset(dst)
	if _, err := w.Write(src); err != nil {
		return nil, kgo.CodecError
	}
	if err := w.Close(); err != nil {
		return nil, kgo.CodecError
	}
	return dst.Bytes(), kgo.CodecLz4
}
