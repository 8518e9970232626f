// Package palette gives every colour of the stream a shade to draw it in, for a light and for a dark background.
//
// Red, blue, green and yellow have the shades of Grafana's own palette, so that the page's chart and a Grafana panel
// look alike. Another name that CSS knows as a colour is drawn in that colour; every other name, such as a user's
// own "D" or "kitchen", gets a hue made from its letters: always the same one, on every machine and in every
// version. A shade that would not stand out from the background is mixed with the text's colour until it does.
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

// fixed are the four colours that the generator sends. On white, where Grafana's bright ones are hard to see, its
// darker ones of the same family are used.
var fixed = map[string]Shade{
	"red":    {Light: "#e02f44", Dark: "#f2495c"},
	"blue":   {Light: "#3274d9", Dark: "#5794f2"},
	"green":  {Light: "#56a64b", Dark: "#73bf69"},
	"yellow": {Light: "#e0b400", Dark: "#fade2a"},
}

// The page's backgrounds and texts.
var (
	white = color.RGBA{0xff, 0xff, 0xff, 0xff}
	black = color.RGBA{0x18, 0x1b, 0x1f, 0xff}
)

// minContrast is the least contrast ratio (WCAG 2) between a shade and its background.
const minContrast = 1.9

// Of returns the shade of a colour's name.
func Of(name string) Shade {
	key := strings.ToLower(strings.TrimSpace(name))
	if shade, ok := fixed[key]; ok {
		return shade
	}
	if known, ok := colornames.Map[key]; ok {
		return Shade{Light: hex(visible(known, white, black)), Dark: hex(visible(known, black, white))}
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // a hash takes all
	sum := scramble(h.Sum32())
	hue := float64(sum%360) / 360
	lift := float64(sum/360%3) * 0.06 // names of nearly the same hue may still differ
	return Shade{
		Light: hex(visible(hsl(hue, 0.62, 0.38+lift), white, black)),
		Dark:  hex(visible(hsl(hue, 0.68, 0.60+lift), black, white)),
	}
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
	for step := range 10 {
		mixed := mix(c, text, float64(step)/10)
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
