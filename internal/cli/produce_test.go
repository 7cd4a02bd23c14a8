package cli

import (
	"bytes"
	"context"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/hinshun/vt10x"
	"github.com/linkedin/goavro/v2"
	"github.com/twmb/franz-go/pkg/kgo"

	_ "github.com/redpanda-data/benthos/v4/public/components/io"
	_ "github.com/redpanda-data/benthos/v4/public/components/pure"

	"github.com/tidemark-streams/tidemark/configs"
	"github.com/tidemark-streams/tidemark/internal/console"
	olistcsv "github.com/tidemark-streams/tidemark/plugins/olist_csv"
)

// dataset is two orders with an item and a payment, and two rows to reject.
func dataset(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		olistcsv.OrdersFile: "order_id,customer_id,order_status,order_purchase_timestamp,order_approved_at,order_delivered_carrier_date,order_delivered_customer_date,order_estimated_delivery_date\n" +
			"o1,c1,delivered,2017-07-09 21:57:05,2017-07-09 22:10:13,,,2017-08-01 00:00:00\n" +
			"o2,c2,created,2017-07-09 22:00:00,,,,\n" +
			"garbage\n",
		olistcsv.ItemsFile:    "order_id,order_item_id,product_id,seller_id,shipping_limit_date,price,freight_value\no1,1,p1,s1,,99.9,27.65\no1,2,p1,s1,,-1,0\n",
		olistcsv.PaymentsFile: "order_id,payment_sequential,payment_type,payment_installments,payment_value\no1,1,credit_card,2,127.55\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// variables are those of produce's flags, with some set.
func variables(brokers string, set map[string]string) map[string]string {
	env := map[string]string{"KAFKA_BROKERS": brokers, "TIDEMARK_VALIDATE": "true"}
	for _, f := range produceFlags {
		env[f.env] = f.value
	}
	maps.Copy(env, set)
	return env
}

func TestProduce(t *testing.T) {
	_, client := fakeKafka(t)
	addr := client.OptValue(kgo.SeedBrokers).([]string)
	ctx := context.Background()
	env := variables(addr[0], map[string]string{"TIDEMARK_DATASET_DIR": dataset(t)})
	var out, errOut bytes.Buffer

	err := produce(ctx, env, addr, &out, &errOut)
	if err == nil || !strings.HasPrefix(err.Error(), "topics olist.orders, olist.order_items, olist.payments, olist.dead_letters do not exist on Kafka at ") ||
		!strings.HasSuffix(err.Error(), `create them with "tidemark topics create"`) {
		t.Fatal(err)
	}
	if err := createTopics(ctx, client, keepAll(2, 1), &out); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	if err := produce(ctx, env, addr, &out, &errOut); err != nil {
		t.Fatal(err, errOut.String())
	}
	for _, want := range []string{
		"sent 6 records to " + addr[0],
		"  olist.orders                  2\n",
		"  olist.dead_letters            2\n",
		"selected events from 2017-07-09T21:57:05Z to 2017-07-09T22:10:13Z\n",
		"rejected 2 rows\n  olist_order_items_dataset.csv: negative number: 1\n  olist_orders_dataset.csv: unreadable row: 1\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
	if errOut.Len() > 0 {
		t.Error(errOut.String())
	}

	payment := consumeOne(t, addr, olistcsv.TopicPayments)
	if string(payment.Key) != "o1" || payment.Timestamp.UnixMilli() != 1499638213000 {
		t.Error(payment)
	}
	if h := payment.Headers; len(h) != 2 || string(h[0].Value) != "PaymentReceived" || string(h[1].Value) != "olist.PaymentReceived" {
		t.Error(h)
	}
	if string(payment.Value[:2]) != "\xc3\x01" {
		t.Fatalf("%x", payment.Value)
	}
	schema, err := configs.Avro.ReadFile("avro/payment.avsc")
	if err != nil {
		t.Fatal(err)
	}
	codec, err := goavro.NewCodec(string(schema))
	if err != nil {
		t.Fatal(err)
	}
	v, rest, err := codec.NativeFromBinary(payment.Value[10:])
	if err != nil || len(rest) > 0 {
		t.Fatal(err, rest)
	}
	if p := v.(map[string]any); p["payment_status"] != "approved" || p["event_time"].(time.Time).UnixMilli() != payment.Timestamp.UnixMilli() {
		t.Error(p)
	}
}

func consumeOne(t *testing.T, addr []string, topic string) *kgo.Record {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, done := context.WithTimeout(context.Background(), time.Minute)
	defer done()
	fetches := client.PollFetches(ctx)
	if fetches.Err() != nil || fetches.NumRecords() == 0 {
		t.Fatal(fetches.Err())
	}
	return fetches.Records()[0]
}

// A user's error is one line and ends the command; nothing is logged beside it.
func TestProduceErrors(t *testing.T) {
	dir := dataset(t)
	headless := dataset(t)
	if err := os.WriteFile(filepath.Join(headless, olistcsv.PaymentsFile), []byte("o1,1,boleto,1,5\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, set := range map[string]map[string]string{
		"dataset /nonesuch: olist_orders_dataset.csv is missing":                   {"TIDEMARK_DATASET_DIR": "/nonesuch"},
		"dataset " + headless + ": olist_order_payments_dataset.csv has no header": {"TIDEMARK_DATASET_DIR": headless},
		`--limit "many" is not a number`:                                           {"TIDEMARK_LIMIT": "many"},
		`--late "" is not a number`:                                                {"TIDEMARK_LATE": ""},
		"speed is max or a number of at least 0":                                   {"TIDEMARK_SPEED": "fast"},
		"duplicates is a share from 0 to 1":                                        {"TIDEMARK_DUPLICATES": "2"},
		`timezone: there is no time zone "Mars"`:                                   {"TIDEMARK_TIMEZONE": "Mars"},
	} {
		t.Run(want, func(t *testing.T) {
			_, client := fakeKafka(t)
			addr := client.OptValue(kgo.SeedBrokers).([]string)
			var out, errOut bytes.Buffer
			if err := createTopics(context.Background(), client, keepAll(1, 1), &out); err != nil {
				t.Fatal(err)
			}
			env := variables(addr[0], map[string]string{"TIDEMARK_DATASET_DIR": dir})
			maps.Copy(env, set)
			err := produce(context.Background(), env, addr, &out, &errOut)
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v", err)
			}
			if errOut.Len() > 0 {
				t.Errorf("logged: %s", errOut.String())
			}
		})
	}
}

// Records that Kafka would delete at once end the run instead.
func TestProduceRefusesTopicsThatForget(t *testing.T) {
	cluster, client := fakeKafka(t)
	addr := client.OptValue(kgo.SeedBrokers).([]string)
	for _, topic := range olistTopics() {
		if err := cluster.CreateTopic(topic, 1, nil); err != nil {
			t.Fatal(err)
		}
	}
	var out, errOut bytes.Buffer
	err := produce(context.Background(), variables(addr[0], map[string]string{"TIDEMARK_DATASET_DIR": dataset(t)}), addr, &out, &errOut)
	if err == nil || !strings.HasPrefix(err.Error(), "topic olist.orders deletes records 168h0m0s after their event time") {
		t.Error(err)
	}
	if errOut.Len() > 0 {
		t.Error(errOut.String())
	}
	// Events of now are welcome there.
	out.Reset()
	err = produce(context.Background(), variables(addr[0], map[string]string{"TIDEMARK_DATASET_DIR": dataset(t), "TIDEMARK_REBASE": "now"}), addr, &out, &errOut)
	if err != nil || !strings.HasPrefix(out.String(), "sent 6 records") {
		t.Error(err, out.String())
	}
}

// untilOneHasArrived is a context that ends when an order is in its topic.
func untilOneHasArrived(t *testing.T, addr []string) context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		consumeOne(t, addr, olistcsv.TopicOrders)
	}()
	return ctx
}

// An interrupted replay delivers what it has begun and says how far it came.
func TestProduceInterrupted(t *testing.T) {
	_, client := fakeKafka(t)
	addr := client.OptValue(kgo.SeedBrokers).([]string)
	var out, errOut bytes.Buffer
	if err := createTopics(context.Background(), client, keepAll(1, 1), &out); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	ctx := untilOneHasArrived(t, addr)
	env := variables(addr[0], map[string]string{"TIDEMARK_DATASET_DIR": dataset(t), "TIDEMARK_SPEED": "1"})
	if err := produce(ctx, env, addr, &out, &errOut); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.String(), "interrupted after ") || !strings.Contains(out.String(), "olist.orders                  1\n") {
		t.Error(out.String())
	}
}

// What was sent before an interruption is not sent again, and the account tells both runs.
func TestProduceGoesOn(t *testing.T) {
	_, client := fakeKafka(t)
	addr := client.OptValue(kgo.SeedBrokers).([]string)
	var out, errOut bytes.Buffer
	if err := createTopics(context.Background(), client, keepAll(1, 1), &out); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	ctx := untilOneHasArrived(t, addr)
	env := variables(addr[0], map[string]string{
		"TIDEMARK_DATASET_DIR": dataset(t), "TIDEMARK_SPEED": "1", checkpointEnv: filepath.Join(t.TempDir(), "state", positionFile),
	})
	if err := produce(ctx, env, addr, &out, &errOut); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.String(), "interrupted after 4 of 6 records: the same command with --resume goes on there\nsent 4 records to ") {
		t.Error(out.String())
	}
	out.Reset()
	env["TIDEMARK_SPEED"], env[resumeEnv] = "max", "true"
	if err := produce(context.Background(), env, addr, &out, &errOut); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"sent 2 records to " + addr[0], "/s), 6 with the runs before\n",
		"  olist.orders                  1          2 in all\n",
		"  olist.dead_letters            0          2 in all\n",
		"sent events from 2017-07-09T22:00:00Z to 2017-07-09T22:10:13Z\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
	env["TIDEMARK_LIMIT"] = "1"
	if err := produce(context.Background(), env, addr, &out, &errOut); err == nil || !strings.Contains(err.Error(), "is of another replay (limit was 0 and is 1)") {
		t.Error(err)
	}
	if errOut.Len() > 0 {
		t.Error(errOut.String())
	}
}

// One process has a position at a time. One that cannot keep its own says so and sends all
// the same, unless it is to be resumed.
func TestHoldPosition(t *testing.T) {
	dir := t.TempDir()
	var errOut bytes.Buffer
	hold := func(path, resume string) (env map[string]string, release func() error, err error) {
		env = map[string]string{checkpointEnv: path, resumeEnv: resume}
		release, err = holdPosition(env, &errOut)
		return env, release, err
	}
	path := filepath.Join(dir, "state", positionFile)
	_, release, err := hold(path, "true")
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ path, said string }{
		"locked":      {path, "the position " + path + " cannot be kept: another produce is running"},
		"no folder":   {filepath.Join(path+".lock", positionFile), "cannot be kept: mkdir "},
		"not kept at": {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			errOut.Reset()
			env, _, err := hold(tc.path, "false")
			if err != nil || env[checkpointEnv] != "" || !strings.Contains(errOut.String(), tc.said) {
				t.Error(err, errOut.String())
			}
			if _, _, err := hold(tc.path, "true"); (err == nil) != (tc.said == "") || err != nil && !strings.Contains(err.Error(), tc.said) {
				t.Error(err)
			}
		})
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if _, release, err = hold(path, "true"); err != nil {
		t.Fatal(err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
}

func TestProgress(t *testing.T) {
	now := time.UnixMilli(0)
	half := progressState{done: 1000, total: 2000, verb: "sent", at: "2017-07-09T21:57:05Z", behind: func(time.Time) time.Duration { return 3 * time.Second }}
	var w bytes.Buffer
	plain := newProgress(&w)
	plain.show(now, half, 500)
	if w.String() != "1,000 of 2,000 sent, at 2017-07-09T21:57:05Z, 500/s, 2s left, 3s behind\n" {
		t.Errorf("%q", w.String())
	}
	terminal := vt10x.New(vt10x.WithSize(80, 5))
	bar := progress{console.NewTerminal(terminal, func() console.Size { return console.Size{Width: 80, Height: 5} })}
	bar.show(now, progressState{verb: "sent"}, 0)
	bar.show(now, progressState{done: 1000, total: 2000, verb: "sent"}, 0)
	if _, err := bar.Write([]byte("a log line\n")); err != nil {
		t.Fatal(err)
	}
	line := strings.Repeat("█", 15) + strings.Repeat("·", 15) + "]  50 %  1,000 of 2,000 sent, 0/s"
	for _, want := range []string{"a log line\n[" + line, "a log line"} {
		var got []string
		for line := range strings.Lines(terminal.String()) {
			got = append(got, strings.TrimRight(line, " \n"))
		}
		if text := strings.TrimRight(strings.Join(got, "\n"), "\n"); text != want {
			t.Errorf("%q, want %q", text, want)
		}
		bar.Draw(nil)
	}
}

// No line is as wide as its terminal, which would wrap it.
func TestBarFits(t *testing.T) {
	const text = " 50 %  1,000 of 2,000 sent"
	for width := range 100 {
		line := barText(width, 1, 2, text)
		if n := utf8.RuneCountInString(line); n >= max(width, 1) || n > barWidth+len(text)+3 {
			t.Errorf("width %d: %q", width, line)
		}
	}
	if line := barText(80, 1, 2, text); !strings.HasSuffix(line, "] "+text) || !strings.HasPrefix(line, "["+strings.Repeat("█", barWidth/2)+"·") {
		t.Error(line)
	}
}

// The pace is that of the last ten seconds, whatever was before, and begins anew with another count.
func TestPace(t *testing.T) {
	at := func(seconds int) time.Time { return time.Unix(int64(seconds), 0) }
	p := newPace(at(0), progressState{})
	if p.perSecond() != 0 {
		t.Error(p.perSecond())
	}
	p.add(at(5), progressState{done: 1000, total: 9000, verb: "sent"}) // an earlier run's
	for i := range 100 {
		p.add(at(6+i), progressState{done: 1000 + 100*i, total: 9000, verb: "sent"})
	}
	if got := p.perSecond(); got != 100 || len(p.samples) > 12 {
		t.Error(got, len(p.samples))
	}
	for i := range 12 { // a standstill
		p.add(at(106+i), progressState{done: 10900, total: 9000, verb: "sent"})
	}
	if got := p.perSecond(); got != 0 {
		t.Error(got)
	}
	p.add(at(120), progressState{done: 5, total: 9000, verb: "checked"})
	p.add(at(121), progressState{done: 12, total: 9000, verb: "checked"})
	if got := p.perSecond(); got != 7 || rateText(got) != "7.0" || rateText(1234.5) != "1,234" {
		t.Error(got)
	}
}

func TestStreamText(t *testing.T) {
	text, err := streamText("streams/producer/olist.yaml")
	if err != nil || !strings.Contains(text, "olist_csv") {
		t.Error(err)
	}
	if _, err := streamText("streams/producer/none.yaml"); err == nil || err.Error() != "there is no stream streams/producer/none.yaml" {
		t.Error(err)
	}
}
