package message_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colorstream/generator/message"
)

func TestReasonsAreAll(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("reason.go")
	if err != nil {
		t.Fatal(err)
	}
	var want []message.Reason
	for _, m := range regexp.MustCompile(`Reason = "([a-z0-9_]+)"`).FindAllSubmatch(source, -1) {
		want = append(want, message.Reason(m[1]))
	}
	if diff := cmp.Diff(want, message.Reasons()); diff != "" {
		t.Error(diff)
	}
}
