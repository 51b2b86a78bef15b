package server

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"time"
)

//go:embed ui
var files embed.FS

// Page is the page that the binary brings along.
func Page() fs.FS {
	page, err := fs.Sub(files, "ui")
	if err != nil {
		return files // the folder is embedded above
	}
	return page
}

// mediaTypes are those of the page's files; the system's own table may say
// otherwise, and a script of another type is not run.
var mediaTypes = map[string]string{
	".html":  "text/html; charset=utf-8",
	".css":   "text/css; charset=utf-8",
	".js":    "text/javascript; charset=utf-8",
	".mjs":   "text/javascript; charset=utf-8",
	".json":  "application/json",
	".svg":   "image/svg+xml",
	".png":   "image/png",
	".webp":  "image/webp",
	".ico":   "image/x-icon",
	".woff2": "font/woff2",
	".txt":   "text/plain; charset=utf-8",
}

func (s *Server) index(w http.ResponseWriter, r *http.Request) { s.serveFile(w, r, "index.html") }

func (s *Server) file(w http.ResponseWriter, r *http.Request) {
	s.serveFile(w, r, r.PathValue("file"))
}

// serveFile answers with a file of the page; folders are not listed.
func (s *Server) serveFile(w http.ResponseWriter, r *http.Request, name string) {
	media, known := mediaTypes[path.Ext(name)]
	content, err := fs.ReadFile(s.cfg.Page, name)
	if err != nil || !known {
		fail(w, http.StatusNotFound, "the page has no such file")
		return
	}
	sum := sha256.Sum256(content)
	w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:12])+`"`)
	w.Header().Set("Cache-Control", "no-cache") // ask whether it has changed
	w.Header().Set("Content-Type", media)
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(content))
}
