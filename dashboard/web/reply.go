package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
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
func (s *Server) reply(w http.ResponseWriter, r *http.Request, contentType string, body []byte) {
	h := w.Header()
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-cache")
	}
	tag := version(body)
	h.Add("Vary", "Accept-Encoding")
	if len(body) >= smallest && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		body, tag = compress(body), tag+"-gzip"
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", `"`+tag+`"`)
	h.Set("Content-Type", contentType)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body)) // answers If-None-Match and HEAD
}

func compress(body []byte) []byte {
	var b bytes.Buffer
	w := gzips.Get().(*gzip.Writer)
	defer gzips.Put(w)
	w.Reset(&b)
	_, _ = w.Write(body) // a buffer takes all
	_ = w.Close()
	return b.Bytes()
}

func (s *Server) replyJSON(w http.ResponseWriter, r *http.Request, value any) {
	body, err := encode(value)
	if err != nil {
		s.fail(w, r, "encode the answer", err)
		return
	}
	s.reply(w, r, "application/json", body)
}

// encode writes JSON, a line. It leaves < and > as they are: nothing here takes JSON for markup.
func encode(value any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(value)
	return b.Bytes(), err
}

// version names a body by its content.
func version(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:8])
}

// An asset is one of the page's files.
type asset struct {
	contentType string
	version     string
	body        []byte
}

var contentTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

func readAssets(files fs.FS) (map[string]asset, error) {
	assets := make(map[string]asset)
	err := fs.WalkDir(files, "static", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		assets[strings.TrimPrefix(name, "static/")] = asset{contentTypes[path.Ext(name)], version(body), body}
		return nil
	})
	return assets, err
}

// static sends a file of the page's. The page asks for it by its version, so that a browser may
// keep it for ever.
func (s *Server) static(w http.ResponseWriter, r *http.Request) {
	a, ok := s.assets[r.PathValue("name")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	if r.URL.Query().Get("v") == a.version {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	s.reply(w, r, a.contentType, a.body)
}
