package boards

import "github.com/grafana/grafana-foundation-sdk/go/dashboard"

// gridWidth is that of every board in Grafana.
const gridWidth = 24

// section is a row of a board: a title, and panels from left to right, onto the next
// line where one is full.
type section struct {
	title  string
	panels []*panel
}

// place puts sections onto the board, below each other.
func place(b *dashboard.Dashboard, sections ...section) {
	var id, y uint32
	for _, s := range sections {
		id++
		row := dashboard.NewRowPanel()
		row.Title, row.Id = &s.title, id
		row.GridPos = &dashboard.GridPos{H: 1, W: gridWidth, Y: y}
		b.Panels = append(b.Panels, dashboard.PanelOrRowPanel{RowPanel: row})
		y++
		var x, tallest uint32
		for _, p := range s.panels {
			if x+p.width > gridWidth {
				x, y, tallest = 0, y+tallest, 0
			}
			id++
			at := id
			p.Id = &at
			p.GridPos = &dashboard.GridPos{H: p.height, W: p.width, X: x, Y: y}
			b.Panels = append(b.Panels, dashboard.PanelOrRowPanel{Panel: &p.Panel})
			x, tallest = x+p.width, max(tallest, p.height)
		}
		y += tallest
	}
}
