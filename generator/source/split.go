package source

import (
	"strings"
	"unicode/utf8"
)

// errMisquoted says that text follows a closing quotation mark.
var errMisquoted = wrong(Quotes, "has text after a closing quotation mark")

// split appends the cells of the CSV row that begins with a text to cells: none for a blank line. A
// quoted cell keeps its white space and line breaks, and if it is not closed, the row goes on with
// what more returns. A quotation mark inside of an unquoted cell stands for itself.
func split(
	cells []string, text string, separator rune, more func() (string, error),
) ([]string, error) {
	if rest := trimBlanks(text, separator); rest == "" || rest == "\n" {
		return cells, nil
	}
	width := utf8.RuneLen(separator)
	for {
		rest := trimBlanks(text, separator)
		if !strings.HasPrefix(rest, `"`) {
			end := strings.IndexRune(text, separator)
			if end < 0 {
				return append(cells, strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")), nil
			}
			cells, text = append(cells, text[:end]), text[end+width:]
			continue
		}
		cell, after, err := unquote(rest[1:], more)
		if err != nil {
			return cells, err
		}
		cells = append(cells, cell)
		if after = trimBlanks(after, separator); after == "" || after == "\n" {
			return cells, nil
		}
		var found bool
		if text, found = strings.CutPrefix(after, string(separator)); !found {
			return cells, errMisquoted
		}
	}
}

// trimBlanks drops the white space at the start of a cell.
func trimBlanks(text string, separator rune) string {
	for text != "" && strings.IndexByte(" \t\r", text[0]) >= 0 && rune(text[0]) != separator {
		text = text[1:]
	}
	return text
}

// unquote reads a quoted cell after its first quotation mark. Two quotation marks stand for one.
func unquote(text string, more func() (string, error)) (cell, rest string, err error) {
	var b strings.Builder
	for {
		end := strings.IndexByte(text, '"')
		switch {
		case end < 0:
			b.WriteString(text)
			if text, err = more(); err != nil {
				return "", "", err
			}
		case strings.HasPrefix(text[end+1:], `"`):
			b.WriteString(text[:end+1])
			text = text[end+2:]
		case b.Len() == 0: // most cells
			return text[:end], text[end+1:], nil
		default:
			return b.String() + text[:end], text[end+1:], nil
		}
	}
}
