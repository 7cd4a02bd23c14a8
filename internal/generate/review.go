package generate

import (
	"math/rand/v2"
	"strings"
	"time"
)

// review is what a customer thought of an order.
type review struct {
	id, title, message string
	score              int
	created, answered  time.Time
}

// scores are how customers judge orders that came by the expected day, later, or never.
type scores struct{ onTime, late, never []weighted[int] }

// reviewer writes reviews. It has a random sequence of its own, so that orders do not
// depend on what is written about them.
type reviewer struct {
	p                   *profile
	r                   *rand.Rand
	number              choice[int]
	onTime, late, never choice[int]
}

func newReviewer(p *profile, seed uint64) reviewer {
	return reviewer{
		p: p, r: rand.New(rand.NewPCG(seed, reviewSequence)), number: choose(p.reviews),
		onTime: choose(p.scores.onTime), late: choose(p.scores.late), never: choose(p.scores.never),
	}
}

// review draws the reviews of an order. Customers are asked on the day after the
// delivery, or after the expected one where nothing came.
func (w *reviewer) review(o *order) []review {
	reviews := make([]review, w.number.draw(w.r))
	for i := range reviews {
		score, asked := w.never, o.estimated
		if !o.delivered.IsZero() {
			score, asked = w.onTime, o.delivered
			if o.delivered.After(o.estimated.AddDate(0, 0, 1)) {
				score = w.late
			}
		}
		v := review{id: id(w.r), score: score.draw(w.r)}
		v.created = asked.Truncate(24*time.Hour).AddDate(0, 0, 1)
		v.answered = v.created.Add(time.Duration(quantile(w.p.answer, w.r.Float64()) * float64(time.Hour)).Truncate(time.Second))
		said := phrases[v.score]
		if w.r.Float64() < w.p.titled[v.score] {
			v.title = one(w.r, said.titles)
		}
		if w.r.Float64() < w.p.commented[v.score] {
			v.message = w.message(said.messages)
		}
		reviews[i] = v
	}
	return reviews
}

// message joins up to three sentences, some of them by a line break.
func (w *reviewer) message(sentences []string) string {
	var b strings.Builder
	for i := range 1 + w.r.IntN(3) {
		if i > 0 {
			b.WriteString(one(w.r, []string{" ", " ", " ", "\r\n", "\n\n"}))
		}
		b.WriteString(one(w.r, sentences))
	}
	return b.String()
}

func one(r *rand.Rand, all []string) string { return all[r.IntN(len(all))] }

type said struct{ titles, messages []string }

// phrases are made up, by score. They hold the commas, quotes and letters beyond
// ASCII that a reader of such files meets.
var (
	phrases = [6]said{1: bad, 2: bad, 3: fair, 4: good, 5: good}

	good = said{
		titles: []string{"Recomendo", "Super recomendo", "Muito bom", "Ótimo!", "Chegou antes, perfeito", "10"},
		messages: []string{
			"Produto chegou antes do prazo, bem embalado.", "Adorei, recomendo a loja!", "Tudo certo, como sempre.",
			`Exatamente igual à foto, nota "dez".`, "Entrega rápida e produto de boa qualidade.", "Ótimo vendedor, atencioso.",
			"Comprarei de novo.", "Meu filho amou o presente :)",
		},
	}
	fair = said{
		titles: []string{"Razoável", "Bom, mas demorou", "Regular", "ok"},
		messages: []string{
			"Produto bom, mas a entrega demorou.", "A cor é um pouco diferente do anúncio.", "Atende ao que preciso.",
			`A embalagem veio com a etiqueta "frágil", porém amassada.`, "Esperava mais pelo preço.", "Recebi só uma parte do pedido.",
		},
	}
	bad = said{
		titles: []string{"Não recomendo", "Não recebi", "Péssimo", "Atraso, sem resposta", "Produto errado"},
		messages: []string{
			"Ainda não recebi o produto.", "Veio errado, quero trocar.", `O site diz "entregue", mas nada chegou.`,
			"Mandei três mensagens e ninguém respondeu.", "Chegou quebrado, sem manual e sem nota fiscal.", "Quero meu dinheiro de volta!",
			"Comprei dois, recebi um; e agora?",
		},
	}
)
