package web

import (
	"io/fs"
	"net/http"
	"path"
	"strings"
)

// An asset is one of the page's files, ready to be sent.
type asset struct {
	contentType string
	etag        string
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
		assets[strings.TrimPrefix(name, "static/")] = asset{contentTypes[path.Ext(name)], tag(body), body}
		return nil
	})
	return assets, err
}

// static sends a file of the page's. Browsers ask each time whether theirs is still the same, so that a page and its
// script are always of one version; that answer is small.
func (s *Server) static(w http.ResponseWriter, r *http.Request) {
	a, ok := s.assets[r.PathValue("name")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	s.reply(w, r, a.contentType, a.body, a.etag)
}
