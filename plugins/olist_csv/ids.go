package olistcsv

import (
	"strconv"

	"github.com/gofrs/uuid/v5"
)

// Topics that the events go to.
const (
	TopicOrders      = "olist.orders"
	TopicItems       = "olist.order_items"
	TopicPayments    = "olist.payments"
	TopicDeadLetters = "olist.dead_letters"
)

// Namespace is the UUIDv5 namespace of event ids. It never changes: the same
// files must make the same ids for ever. It is itself the UUIDv5 of
// https://github.com/tidemark-streams/tidemark/events in the URL namespace.
const Namespace = "d6ce70d5-c477-5493-a4f9-fccef14f3db9"

var namespace = uuid.Must(uuid.FromString(Namespace))

// EventID is the UUIDv5 of topic/order_id/n, where n is 0 for an order and the
// number of an item or payment within its order.
func EventID(topic, orderID string, n int64) string {
	return uuid.NewV5(namespace, topic+"/"+orderID+"/"+strconv.FormatInt(n, 10)).String()
}
