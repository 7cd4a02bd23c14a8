package generate

import (
	"math"
	"math/rand/v2"
	"strconv"
)

// Numbers that set the random sequences of a seed apart from each other.
const (
	productSequence  = 0x70726f64 << 32
	sellerSequence   = 0x73656c6c << 32
	personSequence   = 0x70657273 << 32
	placeSequence    = 0x706c6163 << 32
	townSequence     = 0x746f776e << 32
	customerSequence = 0x63757374 << 32
	reviewSequence   = 0x72657669 << 32
	incidentSequence = 0x696e6369 << 32
)

// catalogue makes the products and sellers that orders name. An entry follows from
// the seed and its number alone, so none is kept in memory.
type catalogue struct {
	p                 *profile
	seed              uint64
	products, sellers int
	endings           choice[int64]
	categories        choice[category]
	areas             choice[area] // of sellers
}

func newCatalogue(p *profile, seed uint64, orders int) catalogue {
	return catalogue{
		p: p, seed: seed, endings: choose(p.priceEndings),
		products:   max(1, int(p.productsPerItem*float64(orders))),
		sellers:    max(1, int(p.sellersPerItem*float64(orders))),
		categories: pick(p.categories, func(c category) int { return c.products }),
		areas:      pick(p.areas, func(a area) int { return a.sellers }),
	}
}

// product is an article with its price in cents.
type product struct {
	id, seller string
	price      int64
}

// category is a product category, and how many products the sample has of it. A few
// lack the English name, and some products have no category at all.
type category struct {
	name, english string
	products      int
}

// productMeasures are what the products file tells of a product besides its category:
// lengths of texts in letters, grams and centimetres.
type productMeasures struct {
	name, description, photos, weight, length, height, width []point
}

// draw draws the product of an item.
func (c *catalogue) draw(r *rand.Rand) product {
	p, _ := c.product(popular(r, c.products, c.p.popularity))
	return p
}

// product returns a product by its number, and the sequence that its row goes on with.
func (c *catalogue) product(number int) (product, *rand.Rand) {
	own := rand.New(rand.NewPCG(c.seed, productSequence+uint64(number)))
	p := product{id: id(own), price: cents(quantile(c.p.price, own.Float64()))}
	if e := c.endings.draw(own); e != anyEnding {
		p.price = p.price/100*100 + e
	}
	p.seller, _ = c.seller(popular(own, c.sellers, c.p.popularity))
	return p, own
}

func (c *catalogue) seller(number int) (string, *rand.Rand) {
	own := rand.New(rand.NewPCG(c.seed, sellerSequence+uint64(number)))
	return id(own), own
}

// productRow returns the row of a product. Large products are heavy: some of the
// sizes have the weight's rank, which leaves each one's own distribution as it is.
func (c *catalogue) productRow(number int) []string {
	p, own := c.product(number)
	of := c.categories.draw(own)
	m := &c.p.measures
	row := []string{p.id, of.name}
	for _, ps := range [][]point{m.name, m.description, m.photos} {
		value := whole(quantile(ps, own.Float64()))
		if of.name == "" {
			value = "" // what is not categorised is not described
		}
		row = append(row, value)
	}
	rank := own.Float64()
	row = append(row, whole(quantile(m.weight, rank)))
	for _, ps := range [][]point{m.length, m.height, m.width} {
		u := own.Float64()
		if own.Float64() < c.p.alike {
			u = rank
		}
		row = append(row, whole(quantile(ps, u)))
	}
	return row
}

// sellerRow returns the row of a seller, and its zip code.
func (c *catalogue) sellerRow(number int) ([]string, place) {
	id, own := c.seller(number)
	at := live(c.areas, own)
	return []string{id, at.code(), at.city, at.state}, at
}

func whole(x float64) string { return strconv.Itoa(int(math.Round(x))) }
