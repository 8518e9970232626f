package proxy

import (
	"net/http"
	"strings"
)

// refuse answers the requests whose form no browser's panel needs, before anything is looked up: whatever two
// readers could read differently ends here. It returns nil for the others.
func refuse(r *http.Request) *answer {
	bad := func(message string) *answer {
		a := deny(http.StatusBadRequest, message)
		return &a
	}
	if r.Method == http.MethodConnect || r.URL.Scheme != "" || r.URL.Host != "" || r.URL.Opaque != "" || r.URL.User != nil {
		return bad("this is not a proxy for other addresses")
	}
	if !plainPath(r.URL.Path) {
		return bad("unusual path")
	}
	// What the server decoded must be what the client sent.
	target, _, _ := strings.Cut(r.RequestURI, "?")
	if r.URL.RawPath != "" || r.URL.Fragment != "" || r.RequestURI != "" && target != r.URL.Path {
		return bad("unusual path")
	}
	if len(r.URL.RawQuery) > maxQuery {
		return bad("parameters too long")
	}
	if r.Header["Upgrade"] != nil || connectionHas(r.Header, "upgrade") {
		return bad("no upgrades here")
	}
	if (r.Method == http.MethodGet || r.Method == http.MethodHead) && (r.ContentLength != 0 || len(r.TransferEncoding) > 0) {
		return bad("unexpected body")
	}
	return nil
}

// maxQuery is longer than any query string of Grafana's that matters here.
const maxQuery = 2048

// plainPath holds if a path is absolute and made of plain characters, without empty, "." or ".." segments. A slash
// at the end is an empty segment, except in "/" itself.
func plainPath(path string) bool {
	if path == "/" {
		return true
	}
	if !strings.HasPrefix(path, "/") {
		return false
	}
	for segment := range strings.SplitSeq(path[1:], "/") {
		if segment == "" || segment == "." || segment == ".." {
			return false
		}
	}
	return strings.IndexFunc(path, func(c rune) bool { return !plainCharacter(c) }) < 0
}

func plainCharacter(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("/-._~@+=", c)
}

func connectionHas(header http.Header, token string) bool {
	for _, value := range header["Connection"] {
		for part := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(part), token) {
				return true
			}
		}
	}
	return false
}

// clip cuts a text for the log.
func clip(s string, most int) string {
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
