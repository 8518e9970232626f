package web

import (
	"context"
	"net/http"
	"regexp"
	"strings"
)

// A prefix decides where addresses lead, so that only plain ones count.
var prefixes = regexp.MustCompile(`\A(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+\z`)

// ValidPrefix reports whether the page may be shown under a path.
func ValidPrefix(prefix string) bool { return len(prefix) <= 200 && prefixes.MatchString(prefix) }

type prefixKey struct{}

// Prefix returns the path under which a request's sender sees the page, such as /colors, or "".
func Prefix(r *http.Request) string {
	prefix, _ := r.Context().Value(prefixKey{}).(string)
	return prefix
}

// Under serves the page under a path: the given one, else that of the header X-Forwarded-Prefix if
// the proxy in front is trusted. It does not matter whether the proxy takes the path away or not.
func Under(prefix string, trustProxy bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		prefix, forwarded := prefix, strings.TrimSuffix(r.Header.Get("X-Forwarded-Prefix"), "/")
		if trustProxy && prefix == "" && ValidPrefix(forwarded) {
			prefix = forwarded
		}
		if prefix == "" {
			next.ServeHTTP(w, r)
			return
		}
		if r.URL.Path == prefix { // relative addresses want the slash
			target := prefix + "/"
			if r.URL.RawQuery != "" {
				target += "?" + r.URL.RawQuery
			}
			http.Redirect(w, r, target, http.StatusMovedPermanently)
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), prefixKey{}, prefix))
		if strings.HasPrefix(r.URL.Path, prefix+"/") {
			http.StripPrefix(prefix, next).ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}
