package cli

import (
	"context"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	ucli "github.com/urfave/cli/v2"

	"github.com/tidemark-streams/tidemark/internal/repartition"
	olistcsv "github.com/tidemark-streams/tidemark/plugins/olist_csv"
)

// repartitionHere runs the command on a broker.
func repartitionHere(t *testing.T, cluster *kfake.Cluster, args ...string) (string, error) {
	t.Helper()
	return run(t, topicsCommand(), append([]string{"repartition", "--settle", "10ms", "--brokers", cluster.ListenAddrs()[0]}, args...)...)
}

func TestRepartition(t *testing.T) {
	cluster, client := fakeKafka(t)
	for _, topic := range []string{olistcsv.TopicOrders, olistcsv.TopicItems, olistcsv.TopicPayments} {
		if err := cluster.CreateTopic(topic, 3, map[string]string{"retention.ms": "-1"}); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: olistcsv.TopicOrders, Key: []byte(key), Value: []byte("x")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: olistcsv.TopicOrders, Value: []byte("x")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	out, err := repartitionHere(t, cluster, "--partitions", "6")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(out), " ")
	for _, want := range []string{
		"olist.orders 3 8 ", "olist.orders.p6 6 8 ", "olist.payments.p6 6 0 00000000000000000000000000000000",
		"copied 8 records and read them back", "olist.orders: 1 records have no key and were spread",
		"export TIDEMARK_TOPIC_SUFFIX=.p6, for consumers and producers", "tidemark replay --yes",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if strings.Contains(out, "offsets") {
		t.Error(out)
	}

	// Its copies are the topics now, and can be copied in their turn.
	t.Setenv(suffixEnv, ".p6")
	if out, err = repartitionHere(t, cluster, "--partitions", "4"); err != nil || !strings.Contains(out, "export TIDEMARK_TOPIC_SUFFIX=.p4") {
		t.Error(out, err)
	}
	ends, err := kadm.NewClient(client).ListEndOffsets(context.Background(), "olist.orders.p4")
	if err != nil || len(ends["olist.orders.p4"]) != 4 {
		t.Error(ends, err)
	}

	// Other topics have other names to go by.
	out, err = repartitionHere(t, cluster, "--partitions", "2", "--topic", "olist.payments", "--suffix", "-small")
	if err != nil || !strings.Contains(out, "name the new topics in the streams and to the producers") || !strings.Contains(out, "olist.payments-small") {
		t.Error(out, err)
	}
	if _, err = repartitionHere(t, cluster, "--partitions", "2", "--topic", "olist.payments", "--suffix", "-small"); err == nil ||
		!strings.HasPrefix(err.Error(), "olist.payments-small exists already, with 2 partitions") {
		t.Error(err)
	}
	if _, err = repartitionHere(t, cluster, "--partitions", "2", "--topic", "nonesuch"); err == nil || err.Error() != "nonesuch: no such topic" {
		t.Error(err)
	}
}

func TestRepartitionPlan(t *testing.T) {
	for name, c := range map[string]struct {
		args, suffix string // suffix is that of the environment
		want         string // the new topics, or
		fails        string
	}{
		"default":        {args: "--partitions 6", want: "olist.orders.p6 olist.order_items.p6 olist.payments.p6"},
		"again":          {args: "--partitions 12", suffix: ".p6", want: "olist.orders.p12 olist.order_items.p12 olist.payments.p12"},
		"own suffix":     {args: "--partitions 12 --suffix .v3", suffix: ".v2", want: "olist.orders.v3 olist.order_items.v3 olist.payments.v3"},
		"own topics":     {args: "--partitions 6 --topic a --topic b.p3 --topic c.x", want: "a.p6 b.p6 c.x.p6"},
		"none":           {fails: "--partitions must be given, from 1 to 10000"},
		"too many":       {args: "--partitions 10001", fails: "--partitions must be given, from 1 to 10000"},
		"onto itself":    {args: "--partitions 6", suffix: ".p6", fails: "olist.orders.p6 would be copied to olist.orders.p6: choose another --suffix"},
		"onto another":   {args: "--partitions 6 --topic a --topic a.p6", fails: "a would be copied to a.p6: choose another --suffix"},
		"twice":          {args: "--partitions 6 --topic a --topic a", fails: "--topic a would be copied to a.p6 twice"},
		"onto the same":  {args: "--partitions 6 --topic a.p1 --topic a.p2", fails: "--topic a.p2 would be copied to a.p6 twice"},
		"no suffix":      {args: "--partitions 6 --suffix /", fails: "--suffix \"/\": names of topics are made of letters, digits, '.', '_' and '-'"},
		"too long":       {args: "--partitions 6 --topic " + strings.Repeat("a", 247), fails: strings.Repeat("a", 247) + ".p6 is too long for the name of a topic"},
		"no settling":    {args: "--partitions 6 --settle 0s", want: "olist.orders.p6 olist.order_items.p6 olist.payments.p6"},
		"settles before": {args: "--partitions 6 --settle -1s", fails: "--settle must not be negative"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(suffixEnv, c.suffix)
			command := repartitionCommand()
			command.Action = func(ctx *ucli.Context) error {
				plan, err := parseRepartition(ctx)
				var names []string
				for _, pair := range plan.pairs {
					names = append(names, pair.To)
				}
				if got := strings.Join(names, " "); err == nil && got != c.want {
					t.Errorf("%s, want %s", got, c.want)
				}
				return err
			}
			_, err := run(t, command, strings.Fields(c.args)...)
			if c.fails == "" && err != nil || c.fails != "" && (err == nil || err.Error() != c.fails) {
				t.Errorf("%v, want %q", err, c.fails)
			}
		})
	}
}

// An interrupted run says so in one line.
func TestRepartitionInterrupted(t *testing.T) {
	cluster, client := fakeKafka(t)
	if err := cluster.CreateTopic("a", 1, nil); err != nil {
		t.Fatal(err)
	}
	plan := repartitionPlan{pairs: []repartition.Pair{{From: "a", To: "a.p2"}}, partitions: 2}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errOut strings.Builder
	err := plan.run(ctx, client, cluster.ListenAddrs(), &out, &errOut)
	if err == nil || !strings.HasPrefix(err.Error(), "interrupted: nothing has changed") || out.Len() > 0 {
		t.Error(err, out.String())
	}
}

// Topics of another name are created, described and produced to.
func TestTopicSuffix(t *testing.T) {
	cluster, client := fakeKafka(t)
	addr := cluster.ListenAddrs()
	t.Setenv(suffixEnv, ".p2")
	out, err := run(t, topicsCommand(), "create", "--partitions", "2", "--brokers", addr[0])
	if err != nil || !strings.Contains(out, "created olist.orders.p2: 2") || !strings.Contains(out, "created olist.dead_letters: 2") {
		t.Fatal(out, err)
	}
	var produced, errOut strings.Builder
	env := variables(addr[0], map[string]string{"TIDEMARK_DATASET_DIR": dataset(t)})
	if err := produce(t.Context(), env, addr, &produced, &errOut); err != nil {
		t.Fatal(err, errOut.String())
	}
	if !strings.Contains(produced.String(), "  olist.orders.p2 ") || !strings.Contains(produced.String(), "  olist.dead_letters ") {
		t.Error(produced.String())
	}
	ends, err := kadm.NewClient(client).ListEndOffsets(t.Context(), olistTopics()...)
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range olistTopics() {
		var n int64
		for _, o := range ends[topic] {
			n += o.Offset
		}
		if n == 0 {
			t.Errorf("%s is empty", topic)
		}
	}
	out, err = run(t, topicsCommand(), "describe", "--brokers", addr[0])
	if err != nil || !strings.Contains(out, "partitions fit: olist.orders.p2 has 2, olist.order_items.p2 has 2, olist.payments.p2 has 2") {
		t.Error(out, err)
	}
}
