package lint_test

import (
	"encoding/json"
	"fmt"
	"strings"

	jsonpatch "github.com/evanphx/json-patch/v5"
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
	operation := map[string]any{"op": "add", "path": pointer, "value": value}
	if value == removed {
		operation = map[string]any{"op": "remove", "path": pointer}
	}
	return func(text string) (string, error) {
		var tree any
		err := yaml.Unmarshal([]byte(text), &tree) // JSON is YAML
		if err != nil {
			return "", err
		}
		before, _ := json.Marshal(tree)
		patch, _ := json.Marshal([]any{operation})
		decoded, err := jsonpatch.DecodePatch(patch)
		if err != nil {
			return "", err
		}
		after, err := decoded.Apply(before)
		return string(after), err
	}
}
