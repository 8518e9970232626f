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
	"fmt"
	"hash/fnv"
	"image/color"
	"math"
	"strings"

	"golang.org/x/image/colornames"
)

// A Shade is a colour as #rrggbb on each kind of background.
type Shade struct {
	Light string `json:"light"`
	Dark  string `json:"dark"`
}

// fixed are the four colours that the generator sends. On white, where Grafana's bright ones are
// hard to see, its darker ones of the same family are used.
var fixed = map[string]struct{ light, dark color.RGBA }{
	"red":    {color.RGBA{0xe0, 0x2f, 0x44, 0xff}, color.RGBA{0xf2, 0x49, 0x5c, 0xff}},
	"blue":   {color.RGBA{0x32, 0x74, 0xd9, 0xff}, color.RGBA{0x57, 0x94, 0xf2, 0xff}},
	"green":  {color.RGBA{0x37, 0x87, 0x2d, 0xff}, color.RGBA{0x73, 0xbf, 0x69, 0xff}},
	"yellow": {color.RGBA{0xb0, 0x82, 0x00, 0xff}, color.RGBA{0xfa, 0xde, 0x2a, 0xff}},
}

// The page's backgrounds and texts.
var (
	white = color.RGBA{0xff, 0xff, 0xff, 0xff}
	black = color.RGBA{0x16, 0x19, 0x1d, 0xff}
)

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
		return shade(own.light, own.dark)
	}
	if known, ok := colornames.Map[word]; ok {
		return shade(known, known)
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // a hash takes all
	sum := scramble(h.Sum32())
	hue := float64(sum%360) / 360
	lift := float64(sum/360%3) * 0.06 // names of nearly the same hue may still differ
	return shade(hsl(hue, 0.62, 0.38+lift), hsl(hue, 0.68, 0.60+lift))
}

func shade(light, dark color.RGBA) Shade {
	return Shade{Light: hex(visible(light, white, black)), Dark: hex(visible(dark, black, white))}
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
func visible(c, background, text color.RGBA) color.RGBA {
	for step := range 20 {
		mixed := mix(c, text, float64(step)/20)
		if contrast(mixed, background) >= minContrast {
			return mixed
		}
	}
	return text
}

func mix(a, b color.RGBA, share float64) color.RGBA {
	part := func(a, b uint8) uint8 { return uint8(math.Round(float64(a)*(1-share) + float64(b)*share)) }
	return color.RGBA{part(a.R, b.R), part(a.G, b.G), part(a.B, b.B), 0xff}
}

func contrast(a, b color.RGBA) float64 {
	high, low := luminance(a), luminance(b)
	if high < low {
		high, low = low, high
	}
	return (high + 0.05) / (low + 0.05)
}

func luminance(c color.RGBA) float64 {
	linear := func(v uint8) float64 {
		s := float64(v) / 255
		if s <= 0.04045 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c.R) + 0.7152*linear(c.G) + 0.0722*linear(c.B)
}

func hsl(hue, saturation, lightness float64) color.RGBA {
	part := func(n float64) uint8 {
		k := math.Mod(n+hue*12, 12)
		a := saturation * min(lightness, 1-lightness)
		return uint8(math.Round(255 * (lightness - a*max(-1, min(k-3, 9-k, 1)))))
	}
	return color.RGBA{part(0), part(8), part(4), 0xff}
}

func hex(c color.RGBA) string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }
