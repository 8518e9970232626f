package source

import (
	"errors"
	"fmt"
	"strings"
)

// Channels reads a list of Pub/Sub channels and patterns, between commas. It rejects names that may
// stand for the same channel: Redis would deliver its messages twice.
func Channels(list string) ([]string, error) {
	var names []string
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name == "" {
			return nil, errors.New("has an empty name")
		}
		for _, other := range names {
			if overlap(globOf(name), globOf(other)) {
				return nil, fmt.Errorf("has %q and %q, which may stand for the same channel: "+
					"its messages would come twice", other, name)
			}
		}
		names = append(names, name)
	}
	return names, nil
}

// IsPattern reports whether a name goes to PSUBSCRIBE.
func IsPattern(name string) bool { return strings.ContainsAny(name, "*?[") }

// A glob is a name as Redis matches it, byte by byte.
type glob []element

// An element is * or a set of bytes.
type element struct {
	star bool
	set  [256]bool
}

func globOf(name string) glob {
	var g glob
	pattern := IsPattern(name)
	for i := 0; i < len(name); i++ {
		var e element
		switch c := name[i]; {
		case !pattern:
			e.set[c] = true
		case c == '*':
			e.star = true
		case c == '?':
			for b := range e.set {
				e.set[b] = true
			}
		case c == '[':
			i = e.class(name, i+1)
		case c == '\\' && i+1 < len(name):
			i++
			e.set[name[i]] = true
		default:
			e.set[c] = true
		}
		g = append(g, e)
	}
	return g
}

// class reads what stands behind a [ and gives the place of its ], or of the name's end.
func (e *element) class(name string, i int) int {
	not := i < len(name) && name[i] == '^'
	if not {
		i++
	}
	for ; i < len(name) && name[i] != ']'; i++ {
		if name[i] == '\\' && i+1 < len(name) {
			i++
		} else if i+2 < len(name) && name[i+1] == '-' {
			for b := min(name[i], name[i+2]); ; b++ {
				e.set[b] = true
				if b == max(name[i], name[i+2]) {
					break
				}
			}
			i += 2
			continue
		}
		e.set[name[i]] = true
	}
	if not {
		for b := range e.set {
			e.set[b] = !e.set[b]
		}
	}
	return i
}

// overlap reports whether some channel matches both.
func overlap(a, b glob) bool {
	// reach[j] is whether the elements of a so far and b[:j] match something in common.
	reach := make([]bool, len(b)+1)
	for i := range len(a) + 1 {
		next := make([]bool, len(b)+1)
		for j := range len(b) + 1 {
			switch {
			case i == 0 && j == 0:
				next[j] = true
			case i > 0 && reach[j] && a[i-1].star, j > 0 && next[j-1] && b[j-1].star:
				next[j] = true // a star that stands for nothing more
			case i > 0 && j > 0:
				x, y := a[i-1], b[j-1]
				next[j] = x.star && next[j-1] || y.star && reach[j] || reach[j-1] && meet(x, y)
			}
		}
		reach = next
	}
	return reach[len(b)]
}

func meet(a, b element) bool {
	if a.star || b.star {
		return true
	}
	for c := range a.set {
		if a.set[c] && b.set[c] {
			return true
		}
	}
	return false
}
