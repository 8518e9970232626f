package lint_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A patch changes a file's text.
type patch func(text string) (string, error)

// text replaces a part, which must be there.
func text(old, new string) patch {
	return func(text string) (string, error) {
		if !strings.Contains(text, old) {
			return "", fmt.Errorf("the file has no %q", old)
		}
		return strings.Replace(text, old, new, 1), nil
	}
}

// whole replaces the file.
func whole(new string) patch { return func(string) (string, error) { return new, nil } }

// removed stands for what set takes away.
var removed = new(struct{})

// set puts a value where a JSON pointer (RFC 6901) leads, "-" behind a list's end.
func set(pointer string, value any) patch {
	return func(text string) (string, error) {
		var tree any
		if err := yaml.Unmarshal([]byte(text), &tree); err != nil { // JSON is YAML
			return "", err
		}
		tree, err := put(tree, strings.Split(pointer, "/")[1:], value)
		if err != nil {
			return "", fmt.Errorf("%s: %w", pointer, err)
		}
		out, err := json.Marshal(tree)
		return string(out), err
	}
}

func put(tree any, path []string, value any) (any, error) {
	if len(path) == 0 {
		return value, nil
	}
	switch tree := tree.(type) {
	case map[string]any:
		inner, err := put(tree[path[0]], path[1:], value)
		tree[path[0]] = inner
		if inner == removed {
			delete(tree, path[0])
		}
		return tree, err
	case []any:
		if path[0] == "-" {
			return append(tree, value), nil
		}
		i, err := strconv.Atoi(path[0])
		if err != nil || i >= len(tree) {
			return nil, fmt.Errorf("no item %s", path[0])
		}
		inner, err := put(tree[i], path[1:], value)
		tree[i] = inner
		if inner == removed {
			tree = slices.Delete(tree, i, i+1)
		}
		return tree, err
	default:
		return nil, fmt.Errorf("nothing at %s", path[0])
	}
}
