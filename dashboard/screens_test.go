package main

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/chromedp"

	"colorstream/influxdb/series"
)

// save writes what the browser shows as a PNG, if SCREENSHOTS names a folder.
func (b *tab) save(name string) {
	b.t.Helper()
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	b.must(err)
	b.must(os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644))
}

// audit looks at every text that is seen: it may not touch another, be cut without "…", or be hard
// to tell from its background; and nothing may be wider than the screen.
const audit = `(() => {
	const problems = [], ink = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
	const colors = new Map();
	const rgba = (text) => {
		if (!colors.has(text)) {
			ink.clearRect(0, 0, 1, 1);
			ink.fillStyle = text;
			ink.fillRect(0, 0, 1, 1);
			colors.set(text, [...ink.getImageData(0, 0, 1, 1).data]);
		}
		return colors.get(text);
	};
	const over = (top, below) => top.slice(0, 3).map((v, i) => v * top[3] / 255 + below[i] * (1 - top[3] / 255));
	const luminance = (c) => {
		const [r, g, b] = c.map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
		return 0.2126 * r + 0.7152 * g + 0.0722 * b;
	};
	const ground = (e) => {
		const layers = [];
		for (; e; e = e.parentElement) {
			const c = rgba(getComputedStyle(e).backgroundColor);
			if (c[3]) layers.push(c);
			if (c[3] === 255) break;
		}
		return layers.reverse().reduce((below, c) => over(c, below), [255, 255, 255]);
	};
	const boxes = [];
	const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (walker.nextNode()) {
		const node = walker.currentNode, e = node.parentElement;
		if (!node.data.trim() || e.closest("option, script, noscript, title, [hidden], .sr, .skip, legend, .kiosk thead") || !e.checkVisibility()) continue;
		const range = document.createRange();
		range.selectNodeContents(node);
		for (const r of range.getClientRects()) {
			const box = { left: r.left, right: r.right, top: r.top, bottom: r.bottom, text: node.data.trim(), node };
			let ellipsis = false;
			for (let up = e; up; up = up.parentElement) { // what is clipped is not seen
				const style = getComputedStyle(up);
				if (style.clipPath !== "none" || style.opacity === "0") { box.right = box.left; break; }
				if (style.overflowX === "visible" || up === document.documentElement || up === document.body) continue;
				const c = up.getBoundingClientRect();
				ellipsis ||= style.textOverflow === "ellipsis";
				if (r.right > c.right + 1 && style.overflowX === "hidden" && !ellipsis) problems.push("cut: " + box.text);
				box.left = Math.max(box.left, c.left); box.right = Math.min(box.right, c.right);
				box.top = Math.max(box.top, c.top); box.bottom = Math.min(box.bottom, c.bottom);
			}
			if (box.right - box.left < 1 || box.bottom - box.top < 1 || box.top > innerHeight) continue;
			if (box.right > innerWidth + 1 || box.left < -1) problems.push("outside: " + box.text);
			boxes.push(box);
			if (e.closest(":disabled")) continue;
			const style = getComputedStyle(e), below = ground(e), color = rgba(e.namespaceURI.endsWith("svg") ? style.fill : style.color);
			const [a, b] = [luminance(over(color, below)), luminance(below)].sort((x, y) => y - x), contrast = (a + 0.05) / (b + 0.05);
			if (contrast < 4.5) problems.push("contrast " + contrast.toFixed(2) + ": " + box.text);
		}
	}
	boxes.sort((a, b) => a.top - b.top);
	boxes.forEach((a, i) => {
		for (let k = i + 1; k < boxes.length && boxes[k].top < a.bottom; k++) {
			const b = boxes[k], wide = Math.min(a.right, b.right) - Math.max(a.left, b.left), high = Math.min(a.bottom, b.bottom) - b.top;
			if (wide > 1 && high > 3 && a.node !== b.node) problems.push("overlap: " + a.text + " and " + b.text);
		}
	});
	for (const e of document.querySelectorAll("button, select, input:not([type=hidden]), a")) {
		const r = (e.closest("label") ?? e).getBoundingClientRect();
		if (e.checkVisibility() && !e.closest(".sr, p") && !e.matches(".skip") && r.width && (r.height < 24 || r.width < 23)) problems.push("small: " + (e.id || e.className || e.name) + " " + r.width + " x " + r.height);
	}
	if (document.documentElement.scrollWidth > innerWidth) problems.push("wider than the screen: " + document.documentElement.scrollWidth);
	if (document.getAnimations().length) problems.push("something moves");
	if (document.querySelectorAll("*").length > 3000) problems.push("too many elements");
	return [...new Set(problems)].slice(0, 12).join("\n");
})()`

func many(n int) (points []series.Point) {
	for i := range n {
		kind := []string{"amber", "navy", "gold", "cyan", "lavender", "plum", "D", "sand"}[i%8]
		if i%8 == 7 && i < 200 { // other names, too, are on the first page
			kind = hostile
		}
		name := fmt.Sprintf("%s-%04d", kind, i)
		if n == 4 {
			name = []string{"red", "blue", "green", "yellow"}[i]
		}
		for ago := range 3 {
			p := point(name, ago, float64(i%7)*-1234567.25+float64(ago)*99)
			if i%5 == 1 {
				p.Values[2], p.Values[3], p.Count = -8e300, 9_999_999, 12_345_678
			}
			p.Complete = i%9 != 4
			if i%11 == 3 {
				p.Start = p.Start.Add(-15 * time.Second * time.Duration(i%4))
			}
			points = append(points, p)
		}
	}
	return points
}

// With few and very many colours, with long names and large numbers, on a phone and on a
// wall, by day and by night: nothing touches, nothing is cut, everything can be read and has a
// name.
func TestEveryScreen(t *testing.T) {
	for _, n := range []int{4, 10_000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			s := newStackOn(t, filled(t, many(n)), noGrafana, "DASHBOARD_STALE=2")
			s.await(t, "/rows?size=1", fmt.Sprintf(`"total":%d`, n))
			b := newTab(t)
			for _, address := range []string{"/", "/?kiosk=1&sort=-median"} {
				b.open(s.URL + address)
				b.await(`document.querySelector("tbody .age")?.textContent.endsWith("s") && (` + drawn +
					` || document.querySelector(".kiosk .many"))`)
				for _, size := range [][2]int64{{390, 844}, {1024, 768}, {1440, 900}, {3840, 2160}} {
					if address != "/" && size[0] < 1000 {
						continue // it is no wall screen
					}
					for _, scheme := range []string{"light", "dark"} {
						b.size(size[0], size[1])
						b.prefer(scheme)
						b.await(`document.querySelector("#drawing svg")?.getAttribute("width") === String(document.getElementById("chart").clientWidth) || document.querySelector(".kiosk .many")`)
						time.Sleep(150 * time.Millisecond) // a wall screen asks for other tiles
						if problems := eval[string](b, audit); problems != "" {
							t.Errorf("%s at %d × %d, %s:\n%s", address, size[0], size[1], scheme, problems)
						}
						b.save(fmt.Sprintf("screen-%d-%s-%d-%s", n,
							strings.Trim(address[1:min(7, len(address))], "?"), size[0], scheme))
					}
				}
				checkNames(t, b)
			}
		})
	}
}

// The pictures in the documentation: SCREENSHOTS=docs go test -run 'Pictures|WithGrafana' .
func TestPictures(t *testing.T) {
	if os.Getenv("SCREENSHOTS") == "" {
		t.Skip("this only draws: set SCREENSHOTS to a folder")
	}
	wave := func(names []string) (points []series.Point) {
		for i, name := range names {
			size := 50.0
			if len(names) > 4 {
				size = math.Pow(10, 1.5+4*rand.Float64())
			}
			for ago := range 180 {
				start := time.Now().Truncate(5 * time.Second).Add(-time.Duration(ago+1) * 5 * time.Second)
				if hole := (ago + 37*i) % 83; hole < 2 || i%23 == 7 && ago < i {
					continue
				}
				median := size * (1 + math.Sin(float64(ago)/(25+float64(i%5))+float64(i))*0.3 +
					rand.Float64()*0.1)
				points = append(points, series.Point{
					Color: name, Start: start, Statistics: series.DefaultStatistics(), Values: []float64{
						median * (1 + rand.Float64()/50), math.Round(median*2) / 2,
						math.Round(median * (0.7 - rand.Float64()/5)), math.Round(median * (1.3 + rand.Float64()/5)),
					},
					Count: 3 + rand.Int64N(4), Complete: (ago+11*i)%97 != 50,
				})
			}
		}
		return points
	}
	var names []string
	for i := range 400 {
		names = append(names, fmt.Sprintf("%s-%02d",
			[]string{
				"coral", "gold", "indigo", "olive", "orchid", "plum", "salmon", "teal", "tomato",
				"violet",
			}[i%10], i/10+1))
	}
	draw := func(names []string, shots func(b *tab, url string)) {
		s := newStackOn(t, filled(t, wave(names)), noGrafana, "WORKER_WINDOW=5s", "DASHBOARD_REFRESH=5s")
		s.await(t, "/rows", `L55 `) // the sparklines, too
		shots(newTab(t), s.URL)
	}
	shot := func(b *tab, name, scheme, url string, width, height int64) {
		b.size(width, height)
		b.prefer(scheme)
		b.open(url)
		b.await(drawn + ` || document.querySelector(".kiosk .many")`)
		time.Sleep(300 * time.Millisecond)
		b.save(name)
	}
	draw([]string{"red", "blue", "green", "yellow"}, func(b *tab, url string) {
		shot(b, "own-light", "light", url, 1280, 800)
		shot(b, "narrow", "dark", url, 390, 844)
	})
	draw(names, func(b *tab, url string) {
		shot(b, "many-dark", "dark", url+"?sort=-change", 1440, 900)
		shot(b, "wall-dark", "dark", url+"?kiosk=1", 1920, 1080)
	})
}

// checkNames asks Chromium what a screen reader is told.
func checkNames(t *testing.T, b *tab) {
	t.Helper()
	tree, err := chromedp.Call(b.ctx, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	b.must(err)
	text := func(v *accessibility.Value) (s string) {
		if v != nil {
			_ = json.Unmarshal(v.Value, &s)
		}
		return s
	}
	roles := make(map[string]int)
	for _, node := range tree.Nodes {
		role := text(node.Role)
		if node.Ignored {
			continue
		}
		roles[role]++
		want := []string{
			"button", "link", "checkbox", "searchbox", "combobox", "radio", "table",
			"columnheader", "rowheader", "region", "navigation", "image", "heading",
		}
		if slices.Contains(want, role) && strings.TrimSpace(text(node.Name)) == "" {
			t.Errorf("a %s has no name: %+v", role, node.Properties)
		}
	}
	for _, role := range []string{"table", "row", "rowheader", "cell", "status", "main", "heading"} {
		if roles[role] == 0 {
			t.Errorf("there is no %s: %v", role, roles)
		}
	}
}

// Nobody who listens is disturbed while nothing happens but new values.
func TestCalm(t *testing.T) {
	t.Parallel()
	s := newStack(t, noGrafana)
	s.write(t, point("red", 0, 42))
	b := newTab(t)
	b.open(s.URL)
	b.await(drawn)
	b.js(`window.spoken = [], document.querySelectorAll("[role=status], [aria-live]").forEach((e) => {
		new MutationObserver(() => window.spoken.push(e.textContent)).observe(e, { childList: true, characterData: true, subtree: true });
	})`)
	for range 4 {
		time.Sleep(width)
		s.write(t, point("red", 0, 43))
	}
	if spoken := eval[string](b, `window.spoken.join("; ")`); spoken != "" {
		t.Errorf("it was said: %s", spoken)
	}
}
