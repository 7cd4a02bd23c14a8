package generate

import "github.com/tidemark-streams/tidemark/internal/generate/calendar"

// weighted is a value and how often it occurs, relative to the others of its table.
type weighted[T any] struct {
	value  T
	weight float64
}

// point says that the share q of a measure's values lies at or below v.
type point struct{ q, v float64 }

// outcome is how far an order came: what its rows have to show.
type outcome struct {
	status                              string
	items, approved, carrier, delivered bool
}

// profile holds the proportions that generated data follows. It is a value, so
// that data of another shape needs another profile and no other code.
type profile struct {
	counts *calendar.Counts // when orders are placed

	outcomes         []weighted[outcome]
	estimatedDays    []point // purchase to estimated delivery
	carrierHours     []point // approval to carrier
	deliveryHours    []point // carrier to customer
	shippingHours    []point // purchase to the seller's shipping limit
	approvalSeconds  map[string][]point
	approvalAtOnce   float64 // share of approvals in the second of the purchase
	productsPerItem  float64 // size of the catalogue over the number of items
	sellersPerItem   float64
	popularity       float64 // above 1: the first products and sellers sell more than the last
	itemsPerOrder    []weighted[int]
	oneProduct       float64 // share of larger baskets that hold one product several times
	price, freight   []point
	priceEndings     []weighted[int64] // cents; anyEnding keeps the drawn ones
	paymentsPerOrder []weighted[int]
	soleType         []weighted[string]    // payment type of orders paid at once
	unapprovedType   []weighted[string]    // of payments that were never approved
	pairTypes        []weighted[[2]string] // of the first and of the further payments, with two
	manyTypes        []weighted[[2]string] // and with more payments
	installments     map[string][]weighted[int]
	freeVoucher      float64 // share of vouchers of value 0
	lostFirst        float64 // share of sole payments that are numbered 2: the first is not in the files

	persons    float64 // number of persons over that of orders: some come back
	areas      []area
	categories []category
	measures   productMeasures
	alike      float64 // share of products of which a measure has the rank of the weight
	scores     scores
	reviews    []weighted[int] // per order
	titled     [6]float64      // share of reviews with a title, by score
	commented  [6]float64      // and with a message
	answer     []point         // hours from the review's creation to its answer
}

// anyEnding marks prices that end as they were drawn.
const anyEnding = -1

const (
	creditCard = "credit_card"
	boleto     = "boleto"
	voucher    = "voucher"
	debitCard  = "debit_card"
	notDefined = "not_defined"
)

// olist is the profile of a sample of the Olist dataset: counts for what is
// counted, rounded quantiles for what is measured. The larger tables are in
// measured.go.
func olist() profile {
	return profile{
		counts: measuredCounts(),

		outcomes: []weighted[outcome]{
			{outcome{"delivered", true, true, true, true}, 5164},
			{outcome{"delivered", true, true, true, false}, 7},
			{outcome{"delivered", true, true, false, false}, 1},
			{outcome{"shipped", true, true, true, false}, 1106},
			{outcome{"shipped", false, true, true, false}, 1},
			{outcome{"invoiced", true, true, false, false}, 312},
			{outcome{"invoiced", false, true, false, false}, 2},
			{outcome{"processing", true, true, false, false}, 301},
			{outcome{"unavailable", false, true, false, false}, 603},
			{outcome{"unavailable", true, true, false, false}, 6},
			{outcome{"canceled", true, true, false, false}, 386},
			{outcome{"canceled", false, false, false, false}, 141},
			{outcome{"canceled", true, true, true, false}, 69},
			{outcome{"canceled", false, true, false, false}, 23},
			{outcome{"canceled", true, true, true, true}, 6},
			{outcome{"created", false, false, false, false}, 5},
			{outcome{"approved", true, true, false, false}, 2},
		},
		estimatedDays: []point{
			{0, 2}, {.01, 5}, {.05, 10}, {.1, 13}, {.2, 16}, {.3, 19}, {.4, 21}, {.5, 23}, {.6, 25},
			{.7, 27}, {.8, 30}, {.9, 35}, {.95, 40}, {.99, 53}, {.999, 88}, {1, 145},
		},
		carrierHours: []point{
			{0, -24}, {.01, -1.5}, {.05, 6.8}, {.1, 11.4}, {.2, 18.7}, {.3, 24}, {.4, 31}, {.5, 44},
			{.6, 59}, {.7, 76}, {.8, 100}, {.9, 145}, {.95, 203}, {.99, 455}, {.999, 930}, {1, 1450},
		},
		deliveryHours: []point{
			{0, 2}, {.01, 19}, {.05, 27}, {.1, 45}, {.2, 79}, {.3, 120}, {.4, 147}, {.5, 172}, {.6, 199},
			{.7, 246}, {.8, 319}, {.9, 448}, {.95, 577}, {.99, 1005}, {.999, 1724}, {1, 3100},
		},
		shippingHours: []point{
			{0, 48}, {.01, 48.2}, {.05, 84.5}, {.1, 96.2}, {.2, 97.6}, {.3, 123}, {.4, 144}, {.5, 144.3},
			{.6, 153.5}, {.7, 168.3}, {.8, 192.3}, {.9, 250}, {.95, 312}, {.99, 528}, {.999, 1117}, {1, 2400},
		},
		approvalAtOnce: .015,
		approvalSeconds: map[string][]point{
			creditCard: {
				{0, 360}, {.05, 492}, {.1, 570}, {.2, 675}, {.3, 760}, {.4, 850}, {.5, 980}, {.6, 1170}, {.65, 1330},
				{.7, 1640}, {.75, 2500}, {.8, 4200}, {.85, 22000}, {.9, 86000}, {.95, 99000}, {.97, 162000},
				{.99, 232000}, {.995, 326000}, {.998, 490000}, {.999, 870000}, {1, 16000000},
			},
			boleto: {
				{0, 800}, {.02, 1000}, {.05, 21000}, {.1, 35000}, {.2, 48700}, {.3, 57900}, {.4, 71000}, {.45, 97600},
				{.5, 106000}, {.6, 120600}, {.7, 137000}, {.8, 162000}, {.85, 213000}, {.9, 245000}, {.95, 318000},
				{.97, 373000}, {.99, 470000}, {.995, 507000}, {.998, 680000}, {.999, 2000000}, {1, 5200000},
			},
			voucher: {
				{0, 360}, {.05, 475}, {.1, 600}, {.2, 720}, {.3, 835}, {.4, 945}, {.5, 1310}, {.55, 1740}, {.6, 2900},
				{.65, 9000}, {.7, 31000}, {.75, 74000}, {.85, 87000}, {.9, 97500}, {.95, 173000}, {.98, 235000}, {1, 590000},
			},
			debitCard: {
				{0, 413}, {.05, 530}, {.1, 616}, {.2, 850}, {.3, 1220}, {.4, 2370}, {.5, 3840}, {.6, 6950}, {.65, 14800},
				{.7, 27000}, {.75, 57000}, {.85, 85000}, {.9, 105000}, {.95, 160000}, {.98, 354000}, {.99, 363000}, {1, 2400000},
			},
		},

		productsPerItem: .65, sellersPerItem: .06, popularity: 1.5,
		itemsPerOrder: []weighted[int]{
			{1, 6661}, {2, 531}, {3, 94}, {4, 37}, {5, 17}, {6, 15}, {7, 3}, {8, 2},
		},
		oneProduct: .69,
		price: []point{
			{0, 2.9}, {.005, 7.3}, {.01, 9}, {.02, 12.5}, {.05, 16.9}, {.1, 23}, {.15, 29}, {.2, 34.9}, {.25, 40},
			{.3, 49}, {.35, 54}, {.4, 59.9}, {.45, 69.9}, {.5, 78.9}, {.55, 89}, {.6, 99.5}, {.65, 110}, {.7, 125},
			{.75, 140}, {.8, 165}, {.85, 199}, {.9, 260}, {.93, 325}, {.95, 399}, {.97, 590}, {.98, 690}, {.99, 899},
			{.995, 1390}, {.998, 2000}, {.999, 2300}, {1, 4800},
		},
		freight: []point{
			{0, 0}, {.002, 0}, {.005, 1.75}, {.01, 5.4}, {.02, 7.4}, {.05, 7.8}, {.1, 8.9}, {.15, 11}, {.2, 12.1},
			{.25, 13.1}, {.3, 14.1}, {.4, 15.1}, {.5, 16.3}, {.6, 18}, {.7, 19.9}, {.75, 21.8}, {.8, 23.9}, {.85, 27.4},
			{.9, 35}, {.93, 40.5}, {.95, 47.7}, {.97, 61.4}, {.98, 69.7}, {.99, 91}, {.995, 121}, {.998, 155}, {.999, 178}, {1, 263},
		},
		priceEndings: []weighted[int64]{{90, .35}, {0, .30}, {99, .19}, {50, .02}, {anyEnding, .14}},

		paymentsPerOrder: []weighted[int]{
			{1, 7861}, {2, 196}, {3, 20}, {4, 8}, {5, 5}, {6, 3}, {7, 1}, {8, 1}, {9, 6}, {10, 5}, {11, 8}, {12, 8},
			{13, 3}, {14, 2}, {15, 2}, {19, 2}, {21, 1}, {22, 1}, {26, 1}, {29, 1},
		},
		soleType:       []weighted[string]{{creditCard, 5935}, {boleto, 1564}, {voucher, 110}, {debitCard, 122}},
		unapprovedType: []weighted[string]{{voucher, 56}, {creditCard, 71}, {boleto, 16}, {notDefined, 3}},
		pairTypes: []weighted[[2]string]{
			{[2]string{creditCard, voucher}, 149}, {[2]string{creditCard, creditCard}, 31}, {[2]string{voucher, voucher}, 16},
		},
		manyTypes: []weighted[[2]string]{
			{[2]string{creditCard, voucher}, 54}, {[2]string{voucher, voucher}, 24},
		},
		installments: map[string][]weighted[int]{
			creditCard: {
				{1, 1993}, {2, 1002}, {3, 879}, {4, 580}, {5, 457}, {6, 318}, {7, 132}, {8, 364}, {9, 52}, {10, 447},
				{11, 3}, {12, 15}, {13, 2}, {14, 2}, {15, 5}, {17, 1}, {20, 2}, {21, 1},
			},
		},
		freeVoucher: .002, lostFirst: .0007,

		persons: measuredPersons, areas: measuredAreas(),
		categories: measuredCategories(), measures: measuredProducts(), alike: .5,

		// The sample has no reviews: these are rounded from what is published of all.
		scores: scores{
			onTime: []weighted[int]{{5, .62}, {4, .2}, {3, .08}, {2, .025}, {1, .075}},
			late:   []weighted[int]{{5, .22}, {4, .11}, {3, .11}, {2, .08}, {1, .48}},
			never:  []weighted[int]{{5, .14}, {4, .06}, {3, .08}, {2, .07}, {1, .65}},
		},
		reviews:   []weighted[int]{{0, .008}, {1, .986}, {2, .006}},
		titled:    [6]float64{1: .17, 2: .16, 3: .11, 4: .1, 5: .105},
		commented: [6]float64{1: .76, 2: .68, 3: .43, 4: .31, 5: .36},
		answer: []point{
			{0, 2}, {.1, 15}, {.25, 24}, {.5, 40}, {.75, 74}, {.9, 115}, {.99, 400}, {1, 5000},
		},
	}
}
