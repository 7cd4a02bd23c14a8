package main

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// chart has panels one above the other over a common axis, which is logarithmic.
type chart struct {
	file, axis string
	panels     []panel
}

type panel struct {
	title  string
	series []series
}

type series struct {
	name, color string
	x, y        []float64 // x grows
}

// Sizes in pixels.
const (
	width, plotHeight       = 720, 180
	left, right, top, below = 80, 110, 34, 34
)

// svg draws the chart. It is drawn here, in a page of Go, as three line charts are not
// worth the modules of a library.
func (c chart) svg() string {
	var b strings.Builder
	height := len(c.panels)*(top+plotHeight) + below + 22
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12" fill="#333">`+"\n", width, height, width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", width, height)
	ticks := c.ticks()
	for i, p := range c.panels {
		p.draw(&b, i*(top+plotHeight)+top, ticks)
	}
	bottom := len(c.panels) * (top + plotHeight)
	for _, t := range ticks {
		text(&b, place(t, ticks), float64(bottom+18), "middle", count(t))
	}
	text(&b, (left+width-right)/2, float64(bottom+42), "middle", c.axis)
	return b.String() + "</svg>\n"
}

// ticks are the places on the axis where something was measured.
func (c chart) ticks() (ticks []float64) {
	for _, p := range c.panels {
		for _, s := range p.series {
			ticks = append(ticks, s.x...)
		}
	}
	slices.Sort(ticks)
	return slices.Compact(ticks)
}

// place is where a value lies on the axis.
func place(v float64, ticks []float64) float64 {
	span := math.Log(ticks[len(ticks)-1] / ticks[0])
	if span == 0 {
		return (left + width - right) / 2
	}
	return left + math.Log(v/ticks[0])/span*(width-left-right)
}

func (p panel) draw(b *strings.Builder, y0 int, ticks []float64) {
	text(b, 12, float64(y0-12), "start", p.title)
	most := 0.0
	for _, s := range p.series {
		most = max(most, slices.Max(append(s.y, 0)))
	}
	step := stepFor(most)
	roof := step * math.Ceil(most/step)
	at := func(v float64) float64 { return float64(y0) + plotHeight*(1-v/roof) }
	for v := 0.0; v <= roof; v += step {
		fmt.Fprintf(b, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#ddd"/>`+"\n", left, width-right, at(v), at(v))
		text(b, left-8, at(v)+4, "end", count(v))
	}
	for _, s := range p.series {
		if len(s.x) == 0 {
			continue
		}
		var points []string
		for i := range s.x {
			points = append(points, fmt.Sprintf("%.1f,%.1f", place(s.x[i], ticks), at(s.y[i])))
		}
		fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(points, " "), s.color)
		for i := range s.x {
			fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"/>`+"\n", place(s.x[i], ticks), at(s.y[i]), s.color)
		}
		last := len(s.x) - 1
		text(b, place(s.x[last], ticks)+10, at(s.y[last])+4, "start", s.name)
	}
}

// stepFor parts an axis up to the given value into four to ten round steps.
func stepFor(most float64) float64 {
	if most <= 0 {
		return 1
	}
	step := math.Pow(10, math.Floor(math.Log10(most)))
	for most/step < 4 {
		step /= 2
	}
	return step
}

func text(b *strings.Builder, x, y float64, anchor, s string) {
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="%s">%s</text>`+"\n", x, y, anchor, html.EscapeString(s))
}
