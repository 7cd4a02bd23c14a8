package statefulkafka

import (
	"bytes"
	"testing"

	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"
)

// Frames of every form are read as the client's own decompressor reads them, and broken
// ones refused by both.
func TestFrames(t *testing.T) {
	d, plain := newDecompressor(), kgo.DefaultDecompressor()
	direct := 0
	rapid.Check(t, func(t *rapid.T) {
		text := bytes.Repeat(rapid.SliceOfN(rapid.Byte(), 0, 400).Draw(t, "piece"), rapid.IntRange(0, 2000).Draw(t, "times"))
		var frame bytes.Buffer
		w := lz4.NewWriter(&frame)
		if err := w.Apply(
			lz4.BlockSizeOption(rapid.SampledFrom([]lz4.BlockSize{lz4.Block64Kb, lz4.Block256Kb, lz4.Block1Mb, lz4.Block4Mb}).Draw(t, "block")),
			lz4.ChecksumOption(rapid.Bool().Draw(t, "checksum")),
			lz4.BlockChecksumOption(rapid.Bool().Draw(t, "block checksums")),
			lz4.SizeOption(rapid.SampledFrom([]uint64{0, uint64(len(text))}).Draw(t, "size")),
		); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(text); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		got, err := d.Decompress(frame.Bytes(), kgo.CodecLz4)
		if err != nil || !bytes.Equal(got, text) {
			t.Fatalf("%d bytes for %d, error %v", len(got), len(text), err)
		}
		if to, ok := appendFrame(nil, frame.Bytes()); ok && bytes.Equal(to, text) {
			direct++
		}
		broken := frame.Bytes()[:rapid.IntRange(0, frame.Len()-1).Draw(t, "cut")]
		want, wantErr := plain.Decompress(broken, kgo.CodecLz4)
		got, err = d.Decompress(broken, kgo.CodecLz4)
		if err == nil && wantErr == nil && !bytes.Equal(got, want) {
			t.Fatalf("of a broken frame %d bytes and %d", len(got), len(want))
		}
		changed := bytes.Clone(frame.Bytes())
		changed[rapid.IntRange(0, len(changed)-1).Draw(t, "place")] ^= byte(rapid.IntRange(1, 255).Draw(t, "bits"))
		_, _ = d.Decompress(changed, kgo.CodecLz4) // must come back
	})
	if direct == 0 {
		t.Error("no frame was read directly")
	}
}
