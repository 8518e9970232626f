package source

import (
	"strings"
	"unicode/utf8"
)

// misquoted stands for the rest of a row after a quoted cell that goes on behind its end.
const misquoted = "\xff\"misquoted"

// split appends the cells of a CSV row to cells: none for a blank line. A quoted cell keeps its
// white space and line breaks; a quotation mark inside of an unquoted cell stands for itself. The
// row is open if the text ends in a quoted cell.
func split(cells []string, text string, separator rune) (_ []string, open bool) {
	text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	if strings.Trim(text, " \t\r") == "" && !strings.ContainsRune(text, separator) {
		return cells, false
	}
	width := utf8.RuneLen(separator)
	blanks := strings.ReplaceAll(" \t\r", string(separator), "")
	for {
		rest := strings.TrimLeft(text, blanks)
		if !strings.HasPrefix(rest, `"`) {
			end := strings.IndexRune(text, separator)
			if end < 0 {
				return append(cells, text), false
			}
			cells, text = append(cells, text[:end]), text[end+width:]
			continue
		}
		cell, after, closed := unquote(rest[1:])
		if !closed {
			return cells, true
		}
		cells = append(cells, cell)
		if after = strings.TrimLeft(after, blanks); after == "" {
			return cells, false
		}
		var found bool
		if text, found = strings.CutPrefix(after, string(separator)); !found {
			return append(cells, misquoted), false
		}
	}
}

// unquote reads a quoted cell after its first quotation mark.
func unquote(text string) (cell, rest string, closed bool) {
	end := strings.IndexByte(text, '"')
	if end < 0 {
		return "", "", false
	}
	if !strings.HasPrefix(text[end+1:], `"`) {
		return text[:end], text[end+1:], true
	}
	var b strings.Builder
	for {
		b.WriteString(text[:end])
		text = text[end+1:]
		if !strings.HasPrefix(text, `"`) {
			return b.String(), text, true
		}
		b.WriteByte('"')
		text = text[1:]
		if end = strings.IndexByte(text, '"'); end < 0 {
			return "", "", false
		}
	}
}
