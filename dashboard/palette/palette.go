// Package palette gives every colour of the stream a shade to draw it in, for a light and for a
// dark background.
//
// Red, blue, green and yellow have the shades of Grafana's own palette, so that the page's chart
// and a Grafana panel look alike. A name that is, or begins with, a colour that CSS knows
// ("navy-11") is drawn in that colour; every other name, such as a user's own "D" or "kitchen",
// gets a hue made from its letters: always the same one, on every machine and in every version. A
// shade that would not stand out from the background is mixed with the text's colour until it does.
// Nothing of a name is in its shade, so that a name is harmless wherever the shade is.
package palette

import (
	"hash/fnv"
	"strings"

	"github.com/lucasb-eyer/go-colorful"
	"golang.org/x/image/colornames"
)

// A Shade is a colour as #rrggbb on each kind of background.
type Shade struct {
	Light string `json:"light"`
	Dark  string `json:"dark"`
}

// fixed are the four colours that the generator sends. On white, where Grafana's bright ones are
// hard to see, its darker ones of the same family are used.
var fixed = map[string]Shade{
	"red":    {"#e02f44", "#f2495c"},
	"blue":   {"#3274d9", "#5794f2"},
	"green":  {"#37872d", "#73bf69"},
	"yellow": {"#b08200", "#fade2a"},
}

// The page's backgrounds and texts.
var white, black = parse("#ffffff"), parse("#16191d")

// minContrast is the least contrast ratio (WCAG 2) between a shade and its background.
const minContrast = 3.5

// Of returns the shade of a colour's name.
func Of(name string) Shade {
	key := strings.ToLower(strings.TrimSpace(name))
	word := key
	if end := strings.IndexFunc(key, func(r rune) bool { return r < 'a' || r > 'z' }); end > 0 {
		word = key[:end]
	}
	if own, ok := fixed[word]; ok {
		return shade(parse(own.Light), parse(own.Dark))
	}
	if known, ok := colornames.Map[word]; ok {
		c, _ := colorful.MakeColor(known) // none of them is transparent
		return shade(c, c)
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // a hash takes all
	sum := scramble(h.Sum32())
	hue := float64(sum % 360)
	lift := float64(sum/360%3) * 0.06 // names of nearly the same hue may still differ
	return shade(colorful.Hsl(hue, 0.62, 0.38+lift), colorful.Hsl(hue, 0.68, 0.60+lift))
}

func shade(light, dark colorful.Color) Shade {
	return Shade{Light: visible(light, white, black), Dark: visible(dark, black, white)}
}

// scramble spreads names that differ in one letter over the whole circle.
func scramble(x uint32) uint32 {
	x ^= x >> 16
	x *= 0x7feb352d
	x ^= x >> 15
	x *= 0x846ca68b
	return x ^ x>>16
}

// visible mixes c with the text's colour until it stands out from the background.
func visible(c, background, text colorful.Color) string {
	for step := range 20 {
		mixed := c.BlendRgb(text, float64(step)/20).Hex()
		if contrast(parse(mixed), background) >= minContrast {
			return mixed
		}
	}
	return text.Hex()
}

func contrast(a, b colorful.Color) float64 {
	low, high := luminance(a), luminance(b)
	if high < low {
		low, high = high, low
	}
	return (high + 0.05) / (low + 0.05)
}

func luminance(c colorful.Color) float64 {
	r, g, b := c.LinearRgb()
	return 0.2126*r + 0.7152*g + 0.0722*b
}

func parse(hex string) colorful.Color {
	c, err := colorful.Hex(hex)
	if err != nil { // ours are right
		panic(err)
	}
	return c
}
