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
			if !disjoint(name, other) {
				return nil, fmt.Errorf("has %q and %q, which may stand for the same channel: "+
					"its messages would come twice", other, name)
			}
		}
		names = append(names, name)
	}
	return names, nil
}

// special are the characters that make a name a pattern, and the one that takes that from them.
const special = `*?[]\`

// IsPattern reports whether a name goes to PSUBSCRIBE.
func IsPattern(name string) bool { return strings.ContainsAny(name, "*?[") }

// disjoint reports whether no channel matches both names, as far as their plain beginnings and ends
// tell: one name's are the beginning and the end of every channel that it matches.
func disjoint(a, b string) bool {
	if !IsPattern(a) && !IsPattern(b) {
		return a != b
	}
	beginA, endA := ends(a)
	beginB, endB := ends(b)
	return !strings.HasPrefix(beginA, beginB) && !strings.HasPrefix(beginB, beginA) ||
		!strings.HasSuffix(endA, endB) && !strings.HasSuffix(endB, endA)
}

// ends gives what stands before and behind a pattern's special characters.
func ends(name string) (begin, end string) {
	if !IsPattern(name) {
		return name, name
	}
	begin = name[:strings.IndexAny(name, special)]
	if i := strings.LastIndexAny(name, special); name[i] != '[' && !strings.Contains(name, `\`) {
		end = name[i+1:] // else it may be part of a class, which need not be closed
	}
	return begin, end
}
