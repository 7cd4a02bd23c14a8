package generate

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
)

// area is what lies under the first three digits of a zip code: the town where most
// of its customers live, and the numbers of customers and sellers in the sample.
type area struct {
	prefix             int
	state, city        string
	customers, sellers int
}

// areaCodes is the number of five-digit codes in an area.
const areaCodes = 100

// place is where a customer or seller lives: a town with the first five digits of a zip code.
type place struct {
	zip         int
	state, city string
}

func (p place) code() string { return fmt.Sprintf("%05d", p.zip) }

func live(areas choice[area], r *rand.Rand) place {
	a := areas.draw(r)
	return place{a.prefix*areaCodes + r.IntN(areaCodes), a.state, a.city}
}

// visited remembers which codes the data names: a bit for each that there can be.
type visited [100_000/64 + 1]uint64

func (v *visited) add(p place)      { v[p.zip/64] |= 1 << (p.zip % 64) }
func (v *visited) has(zip int) bool { return v[zip/64]>>(zip%64)&1 == 1 }

// Degrees that a town and a code reach to each side of their middle.
const (
	townReach = .12
	codeReach = .02
)

// mostPoints is the number of points that a code has at most.
const mostPoints = 9

// points calls write with the rows of the geolocation file: some points of every code
// that was visited. Towns lie within their state, the capital in its true place; codes
// within their town. A code lies in the same place whatever the seed.
func points(areas []area, v *visited, seed uint64, write func(row ...string) error) error {
	for _, a := range areas {
		lat, lng := middle(a.state, a.city)
		for zip := a.prefix * areaCodes; zip < (a.prefix+1)*areaCodes; zip++ {
			if !v.has(zip) {
				continue
			}
			fixed := rand.New(rand.NewPCG(0, placeSequence+uint64(zip)))
			lat, lng := around(fixed, lat, townReach), around(fixed, lng, townReach)
			own := rand.New(rand.NewPCG(seed, placeSequence+uint64(zip)))
			for range 1 + own.IntN(mostPoints) {
				err := write(place{zip: zip}.code(), degrees(around(own, lat, codeReach)), degrees(around(own, lng, codeReach)), a.city, a.state)
				if err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// middle returns the middle of a town: a capital's own, else a point in its state.
func middle(state, city string) (lat, lng float64) {
	s := states[state]
	if city == s.capital {
		return s.lat, s.lng
	}
	h := fnv.New32a()
	h.Write([]byte(state + "/" + city))
	r := rand.New(rand.NewPCG(0, townSequence+uint64(h.Sum32())))
	return s.south + r.Float64()*(s.north-s.south), s.west + r.Float64()*(s.east-s.west)
}

func around(r *rand.Rand, middle, reach float64) float64 {
	return middle + (2*r.Float64()-1)*reach
}

func degrees(x float64) string { return strconv.FormatFloat(x, 'f', 14, 64) }

// states tells where the states of Brazil lie, in degrees: the capital, and a
// rectangle that lies within the borders by and large.
var states = map[string]struct {
	capital                  string
	lat, lng                 float64
	south, north, west, east float64
}{
	"AC": {"rio branco", -9.97, -67.81, -10.6, -8.5, -71.5, -67.5},
	"AL": {"maceio", -9.65, -35.71, -9.9, -9.2, -37.3, -35.8},
	"AM": {"manaus", -3.10, -60.02, -6, -2, -67, -58},
	"AP": {"macapa", .03, -51.06, 0, 2.5, -52.5, -51},
	"BA": {"salvador", -12.97, -38.50, -15.5, -10.5, -44.5, -39.2},
	"CE": {"fortaleza", -3.73, -38.54, -7, -3.6, -40.5, -38.7},
	"DF": {"brasilia", -15.79, -47.88, -15.95, -15.6, -48.2, -47.4},
	"ES": {"vitoria", -20.32, -40.34, -20.9, -18.3, -41.2, -40.1},
	"GO": {"goiania", -16.68, -49.25, -18.3, -14, -51.5, -48},
	"MA": {"sao luis", -2.53, -44.30, -7, -3, -46, -43.3},
	"MG": {"belo horizonte", -19.92, -43.94, -21.5, -16, -46.5, -42},
	"MS": {"campo grande", -20.44, -54.65, -22.5, -18.5, -56.5, -52.5},
	"MT": {"cuiaba", -15.60, -56.10, -16, -10.5, -59, -52.5},
	"PA": {"belem", -1.46, -48.50, -7, -2, -55, -48.5},
	"PB": {"joao pessoa", -7.12, -34.86, -7.5, -6.8, -37.8, -35},
	"PE": {"recife", -8.05, -34.88, -8.8, -7.9, -40, -35.2},
	"PI": {"teresina", -5.09, -42.80, -9.5, -4.5, -44, -41.3},
	"PR": {"curitiba", -25.43, -49.27, -25.9, -23.2, -53.5, -49.3},
	"RJ": {"rio de janeiro", -22.91, -43.17, -22.9, -21.5, -44, -41.5},
	"RN": {"natal", -5.79, -35.21, -6.3, -5.2, -37.5, -35.4},
	"RO": {"porto velho", -8.76, -63.90, -12.5, -9.5, -63.5, -61},
	"RR": {"boa vista", 2.82, -60.67, 1, 3.5, -61.5, -60},
	"RS": {"porto alegre", -30.03, -51.23, -31, -27.8, -54.5, -51},
	"SC": {"florianopolis", -27.60, -48.55, -28.3, -26.3, -52.5, -49},
	"SE": {"aracaju", -10.91, -37.07, -11, -10, -37.8, -37},
	"SP": {"sao paulo", -23.55, -46.63, -24, -20.5, -50.5, -46.5},
	"TO": {"palmas", -10.18, -48.33, -12, -7, -49, -47.5},
}
