package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
)

// policy is the page's content security policy: scripts and styles from our own files only, none in
// the markup; forms, which work without a script, are sent to the page alone.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
	"connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// Secure sets the headers that keep a browser from doing with our answers what they are not for,
// and permits no method but GET and HEAD. An answer may replace a header.
func Secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Protect asks for a user's name and password (HTTP basic authentication) before anything but
// /healthz, which a container's own check asks for; without a user everyone may read. How long the
// comparison takes tells nothing about how much was right.
func Protect(user, password string, next http.Handler) http.Handler {
	if user == "" {
		return next
	}
	hash := func(text string) []byte {
		sum := sha256.Sum256([]byte(text))
		return sum[:]
	}
	wantUser, wantPassword := hash(user), hash(password)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" {
			next.ServeHTTP(w, r)
			return
		}
		user, password, _ := r.BasicAuth()
		right := subtle.ConstantTimeCompare(hash(user), wantUser)
		if right&subtle.ConstantTimeCompare(hash(password), wantPassword) != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="Colorstream", charset="UTF-8"`)
			w.Header().Set("Cache-Control", "no-store")
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}
