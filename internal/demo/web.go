package demo

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// pages serves the site's pages, as the web server and the code of an app node do.
func (n *Node) pages(cdn string) http.Handler {
	mux := http.NewServeMux()
	for pattern, page := range map[string]string{
		"GET /{$}":   "pages/index.html",
		"GET /about": "pages/about.html",
		"GET /shop":  "pages/shop.html",
	} {
		mux.HandleFunc(pattern, n.onTree(func(w http.ResponseWriter, _ *http.Request, tree *os.Root) {
			body, err := n.renderPage(tree, page, cdn)
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = io.WriteString(w, body)
		}))
	}
	mux.HandleFunc("GET /health", n.onTree(func(w http.ResponseWriter, _ *http.Request, tree *os.Root) {
		_, err := n.readConfig(tree)
		health(w, tree, err)
	}))
	return mux
}

// both serves pages with their assets, as a staging node does for a whole fleet.
func (n *Node) both() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", n.pages(""))
	assets := n.assets()
	mux.Handle("GET /assets/", assets)
	mux.Handle("GET /img/", assets)
	return mux
}

// assets serves what pages name, as a node of a CDN does. The rest of the tree lies on a
// CDN node too and is nobody's business.
func (n *Node) assets() http.Handler {
	mux := http.NewServeMux()
	file := n.onTree(func(w http.ResponseWriter, r *http.Request, tree *os.Root) {
		if path.Clean(r.URL.Path) != r.URL.Path { // /img/%2e%2e/config/app.conf
			http.NotFound(w, r)
			return
		}
		content, err := tree.Open(strings.TrimPrefix(r.URL.Path, "/"))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		defer func() { _ = content.Close() }()
		info, err := content.Stat()
		if err != nil || !info.Mode().IsRegular() {
			http.NotFound(w, r)
			return
		}
		http.ServeContent(w, r, info.Name(), info.ModTime(), content)
	})
	mux.HandleFunc("GET /assets/", file)
	mux.HandleFunc("GET /img/", file)
	mux.HandleFunc("GET /health", n.onTree(func(w http.ResponseWriter, _ *http.Request, tree *os.Root) {
		health(w, tree, nil)
	}))
	return mux
}

// onTree opens the tree that current leads to once, at the start of a request: a switch
// in the middle of it changes nothing for this request. It is what nginx does with
// $realpath_root, and what a site must have set up before it can switch by a link.
// Nothing is kept from one request to the next.
func (n *Node) onTree(serve func(http.ResponseWriter, *http.Request, *os.Root)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Node", n.Name)
		tree, err := os.OpenRoot(n.Current())
		if errors.Is(err, fs.ErrNotExist) {
			http.Error(w, "no release yet", http.StatusServiceUnavailable)
			return
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		defer func() { _ = tree.Close() }()
		serve(w, r, tree)
	}
}

// renderPage builds a page from files read one after the other. Were a file replaced in
// between, the page would carry the stamps of two releases.
func (n *Node) renderPage(tree *os.Root, page, cdn string) (string, error) {
	config, err := n.readConfig(tree)
	if err != nil {
		return "", err
	}
	fill := strings.NewReplacer("{{cdn}}", cdn, "{{title}}", html.EscapeString(config.title))
	var body strings.Builder
	for _, name := range []string{"templates/header.html", page, "templates/footer.html"} {
		part, err := tree.ReadFile(name)
		if err != nil {
			return "", fmt.Errorf("cannot read %s: %w", name, err)
		}
		if _, err := fill.WriteString(&body, string(part)); err != nil {
			return "", fmt.Errorf("cannot fill %s: %w", name, err)
		}
	}
	return body.String(), nil
}

// health answers a health check: the stamp of the tree, or what is wrong with the code.
func health(w http.ResponseWriter, tree *os.Root, wrong error) {
	stamp, err := tree.ReadFile("RELEASE")
	if wrong == nil {
		wrong = err
	}
	if wrong != nil {
		http.Error(w, wrong.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = fmt.Fprintf(w, "ok %s\n", bytes.TrimSpace(stamp))
}

// appConfig is what the site's code is told by config/app.conf.
type appConfig struct {
	title, database, currency, contact string
}

// readConfig is as strict as the code of a site would be: an unknown key is an error, and so
// is a database that this node does not have, as the bad changeset of the story finds out.
func (n *Node) readConfig(tree *os.Root) (appConfig, error) {
	const name = "config/app.conf"
	text, err := tree.ReadFile(name)
	if err != nil {
		return appConfig{}, fmt.Errorf("cannot read %s: %w", name, err)
	}
	var config appConfig
	known := map[string]*string{
		"title":    &config.title,
		"database": &config.database,
		"currency": &config.currency,
		"contact":  &config.contact,
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, value, _ := strings.Cut(line, "=")
		key = strings.TrimSpace(key)
		field := known[key]
		if field == nil {
			return appConfig{}, fmt.Errorf("%s: unknown key %s", name, key)
		}
		*field = strings.TrimSpace(value)
	}
	if _, err := os.Stat(filepath.Join(n.DB, filepath.Base(config.database))); err != nil {
		return appConfig{}, fmt.Errorf("%s: there is no database %s on %s", name, config.database, n.Name)
	}
	return config, nil
}
