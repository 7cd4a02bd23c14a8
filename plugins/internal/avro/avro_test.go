package avro

import (
	"bytes"
	"encoding/binary"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/linkedin/goavro/v2"
	"pgregory.net/rapid"
)

// Golden values come from another implementation (fastavro 1.x).
func TestCanonicalFormAndFingerprint(t *testing.T) {
	for _, tc := range []struct {
		file, name, canonical string
		fingerprint           uint64
	}{
		{"order.avsc", "olist.OrderCreated", `{"name":"olist.OrderCreated","type":"record","fields":[{"name":"event_id","type":"string"},{"name":"event_time","type":"long"},{"name":"order_id","type":"string"},{"name":"customer_id","type":"string"},{"name":"customer_state","type":["null","string"]},{"name":"order_status","type":"string"},{"name":"order_approved_at","type":["null","long"]},{"name":"estimated_delivery_date","type":["null","long"]},{"name":"delivered_customer_date","type":["null","long"]}]}`, 0x37e1a948645a644a},
		{"order_item.avsc", "olist.OrderItemAdded", `{"name":"olist.OrderItemAdded","type":"record","fields":[{"name":"event_id","type":"string"},{"name":"event_time","type":"long"},{"name":"order_id","type":"string"},{"name":"order_item_id","type":"int"},{"name":"product_id","type":["null","string"]},{"name":"seller_id","type":["null","string"]},{"name":"price","type":"bytes"},{"name":"freight_value","type":"bytes"},{"name":"product_category","type":["null","string"]},{"name":"seller_state","type":["null","string"]}]}`, 0x05cb95a96b56d775},
		{"payment.avsc", "olist.PaymentReceived", `{"name":"olist.PaymentReceived","type":"record","fields":[{"name":"event_id","type":"string"},{"name":"event_time","type":"long"},{"name":"order_id","type":"string"},{"name":"payment_sequential","type":"int"},{"name":"payment_type","type":"string"},{"name":"payment_installments","type":"int"},{"name":"payment_value","type":"bytes"},{"name":"payment_status","type":{"name":"olist.PaymentStatus","type":"enum","symbols":["approved","unapproved"]}}]}`, 0x9c9f78e6e214d117},
	} {
		// The file is not below this folder, so Load falls back to the shipped copy.
		s, err := Load("configs/avro/" + tc.file)
		if err != nil {
			t.Fatal(err)
		}
		if s.Name != tc.name || s.Canonical != tc.canonical || s.Fingerprint != tc.fingerprint {
			t.Errorf("%s: %s %016x\n%s", tc.file, s.Name, s.Fingerprint, s.Canonical)
		}
	}
}

func TestFingerprintAgreesWithGoavro(t *testing.T) {
	for _, text := range []string{
		`"string"`, `"null"`, `["null","long"]`, `{"type":"array","items":"int"}`, `{"type":"map","values":["null","double"]}`,
		`{"type":"record","name":"R","namespace":"a.b","doc":"x","fields":[{"name":"f","type":"bytes"},{"name":"g","type":{"type":"fixed","name":"F","size":4}}]}`,
		`{"type":"enum","name":"E","namespace":"n","symbols":["x","y"]}`,
	} {
		s, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if s.Canonical != s.codec.CanonicalSchema() || s.Fingerprint != s.codec.Rabin {
			t.Errorf("%s: %s %016x, goavro %s %016x", text, s.Canonical, s.Fingerprint, s.codec.CanonicalSchema(), s.codec.Rabin)
		}
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.avsc")
	if err := os.WriteFile(bad, []byte(`{"type":"record","name":"R","fields":[{"name":"f","type":"nonesuch"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"configs/avro/nonesuch.avsc": "schema configs/avro/nonesuch.avsc: there is no such file",
		bad:                          `field f: type "nonesuch" is not defined`,
	} {
		if _, err := Load(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", file, err)
		}
	}
	// A file on disk comes before the shipped one.
	t.Chdir(dir)
	if err := os.MkdirAll("configs/avro", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("configs/avro/order.avsc", []byte(`"string"`), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Load("./configs/avro/order.avsc"); err != nil || s.Name != "string" {
		t.Errorf("%v %v", s, err)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{
		``, `7`, `{}`, `{"type":"nonesuch"}`, `{"type":"array"}`,
		`{"type":"bytes","logicalType":"decimal","precision":4}`,
		`{"type":"bytes","logicalType":"decimal","precision":4,"scale":5}`,
	} {
		if _, err := Parse(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

func TestFramingRoundTrip(t *testing.T) {
	s, err := Load("configs/avro/order_item.avsc")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{FramingSingleObject, FramingConfluent, FramingRaw, ""}).Draw(t, "framing")
		payload := rapid.SliceOf(rapid.Byte()).Draw(t, "payload")
		f, err := ParseFraming(name, rapid.IntRange(0, 1<<31-1).Draw(t, "id"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Unframe(f, s.Frame(f, nil, payload))
		if err != nil || !bytes.Equal(got, payload) {
			t.Fatalf("%x, %v", got, err)
		}
	})
}

func TestUnframeRefuses(t *testing.T) {
	s, err := Load("configs/avro/order.avsc")
	if err != nil {
		t.Fatal(err)
	}
	foreign := binary.LittleEndian.AppendUint64([]byte{0xC3, 1}, 42)
	for _, tc := range []struct {
		framing string
		id      int
		in      []byte
		want    string
	}{
		{FramingSingleObject, 0, nil, "0 bytes are too short"},
		{FramingSingleObject, 0, []byte(`{"order_id":"x"}`), "it begins with 7b 22, not c3 01"},
		{FramingSingleObject, 0, foreign, "another schema: fingerprint 000000000000002a"},
		{FramingConfluent, 7, []byte{0, 0, 0}, "3 bytes are too short"},
		{FramingConfluent, 7, []byte{1, 0, 0, 0, 7}, "it begins with 01, not 00"},
		{FramingConfluent, 7, []byte{0, 0, 0, 0, 8}, "another schema: id 8, olist.OrderCreated has 7"},
	} {
		f, err := ParseFraming(tc.framing, tc.id)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Unframe(f, tc.in); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%x: %v", tc.in, err)
		}
	}
	for _, name := range []string{"json", "Confluent"} {
		if _, err := ParseFraming(name, 0); err == nil {
			t.Errorf("framing %s was accepted", name)
		}
	}
	if _, err := ParseFraming(FramingConfluent, -1); err == nil {
		t.Error("a negative schema id was accepted")
	}
}

// What goavro itself frames must be readable, whatever it takes for the canonical form.
func TestUnframeReadsGoavro(t *testing.T) {
	s, err := Load("configs/avro/order_item.avsc")
	if err != nil {
		t.Fatal(err)
	}
	codec, err := goavro.NewCodec(s.JSON)
	if err != nil {
		t.Fatal(err)
	}
	native := map[string]any{
		"event_id": "e", "event_time": time.UnixMilli(1499637425000), "order_id": "o", "order_item_id": 1,
		"product_id": goavro.Union("string", "p"), "seller_id": nil, "price": big.NewRat(1234, 100), "freight_value": big.NewRat(0, 1),
	}
	framed, err := codec.SingleFromNative(nil, native)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := s.Unframe(Framing{}, framed)
	if err != nil {
		t.Fatal(err)
	}
	own, err := s.AppendNative(Framing{}, nil, native)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(own[singleObjectHeader:], payload) {
		t.Errorf("%x\n%x", own, framed)
	}
}
