package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"
)

// smallest is the size in bytes from which a body is compressed.
const smallest = 1 << 10

var gzips = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

// reply sends a body, compressed if the client takes that, or 304 if the client has it already. If
// no header says otherwise, the client asks anew each time.
func reply(w http.ResponseWriter, r *http.Request, contentType string, body []byte) {
	h := w.Header()
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-cache")
	}
	h.Set("ETag", `W/"`+version(body)+`"`) // whether compressed or not
	h.Add("Vary", "Accept-Encoding")
	if len(body) >= smallest && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		var b bytes.Buffer
		packer := gzips.Get().(*gzip.Writer)
		defer gzips.Put(packer)
		packer.Reset(&b)
		_, _ = packer.Write(body) // a buffer takes all
		_ = packer.Close()
		body = b.Bytes()
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Type", contentType)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body)) // answers If-None-Match and HEAD
}

// encode writes JSON, a line. It leaves < and > as they are: nothing here takes JSON for markup.
func encode(value any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil { // texts and numbers: it cannot be
		panic(err)
	}
	return b.Bytes()
}

// version names a body by its content.
func version(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:8])
}

// asset is the address of a file of the page's, with its version.
func asset(name string) (string, error) {
	body, err := files.ReadFile("static/" + name)
	return "static/" + name + "?v=" + version(body), err
}

// static sends a file of the page's. The page asks for it by its version, so that a browser may
// keep it for ever.
func (s *Server) static(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	body, err := files.ReadFile("static/" + name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	if r.URL.Query().Get("v") == version(body) {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	reply(w, r, mime.TypeByExtension(path.Ext(name)), body)
}
