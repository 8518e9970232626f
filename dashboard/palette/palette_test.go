package palette

import (
	"fmt"
	"testing"
)

func TestOf(t *testing.T) {
	check := func(name, light, dark string) {
		t.Helper()
		if got := Of(name); got != (Shade{light, dark}) {
			t.Errorf("%q: got %v, want %s and %s", name, got, light, dark)
		}
	}
	check("red", "#e02f44", "#f2495c")
	check(" Yellow", "#a87d01", "#fade2a")
	check("orchid", "#bd63ba", "#da70d6")
	check("white", "#7f8183", "#ffffff") // darkened on white
	check("black", "#000000", "#737373") // lightened on black
	check("navy-11", Of("navy").Light, Of("navy").Dark)
	check("Red;}body{display:none", Of("red").Light, Of("red").Dark)
	// Never change these: a colour keeps its hue for ever.
	check("kitchen", "#b62b79", "#e36db0")
}

func TestEveryShadeStandsOut(t *testing.T) {
	names := []string{"red", "blue", "green", "yellow", "white", "black", "gold-1", "navy-2", "cyan"}
	for i := range 2000 {
		names = append(names, fmt.Sprint("name ", i))
	}
	for _, name := range names {
		shade := Of(name)
		if l, d := contrast(parse(shade.Light), white), contrast(parse(shade.Dark), black); l < minContrast || d < minContrast {
			t.Errorf("%s: %v has contrasts %.2f and %.2f", name, shade, l, d)
		}
	}
}
