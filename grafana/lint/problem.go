package lint

import "fmt"

// A Problem is something wrong in one file, and what to do about it.
type Problem struct {
	File  string
	Where string // a panel, a variable, a rule; "" is the file as a whole
	Rule  string // short name, for tests and for searching
	Text  string
}

func (p Problem) String() string {
	if p.Where == "" {
		return fmt.Sprintf("%s: %s", p.File, p.Text)
	}
	return fmt.Sprintf("%s: %s: %s", p.File, p.Where, p.Text)
}

// place names a panel in messages.
func place(p *Panel) string {
	id := string(p.ID)
	if id == "" {
		id = "without id"
	}
	return fmt.Sprintf("panel %s %q", id, p.Title)
}
