package demo

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// website is what the story's changesets edit; files makes the tree that is committed. Its
// build step, bin/build, gives assets a hash of their content in their names, and pages the
// stamp of the build.
type website struct {
	look        int // of the stylesheets
	buttons     int // theirs
	cart        int // of the cart's script
	photographs int
	currency    string
	database    string   // that config/app.conf names
	welcome     []string // paragraphs
	about       []string // paragraphs

	pictures map[string][]byte // drawn so far
}

const teapots = 48

func firstSite() website {
	return website{
		database: firstDatabase,
		welcome:  []string{"Teapots, made to pour without a drop beside the cup."},
		about:    []string{"Five people, one kiln, and a lot of tea."},
		pictures: map[string][]byte{},
	}
}

// tree collects files by path.
type tree map[string][]byte

func (t tree) text(name, format string, arguments ...any) {
	t[name] = fmt.Appendf(nil, format, arguments...)
}

// asset adds a file that visitors get, and returns how pages name it before the build.
func (t tree) asset(name string, content []byte) string {
	t[name] = content
	return "{{cdn}}/" + name
}

// shortHash is what a built asset's name holds: the first 8 hex digits of its SHA-256.
func shortHash(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:4])
}

// files is the whole tree, by slash-separated path.
func (w *website) files() map[string][]byte {
	t := tree{}
	w.addPages(t)
	w.addCode(t)
	return t
}

func (w *website) addPages(t tree) {
	style := t.asset("assets/app.css", w.stylesheet())
	printed := t.asset("assets/print.css", fmt.Appendf(nil, "nav, button { display: none } /* %d */\n", w.look))
	app := t.asset("assets/app.js", w.appScript())
	cart := t.asset("assets/cart.js", w.cartScript())
	logo := t.asset("img/logo.png", w.picture("logo", 0, 48))
	banner := t.asset("img/banner.png", w.picture("banner", w.look, 96))

	t.text("templates/header.html", `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{{title}}</title>
<link rel="stylesheet" href="%s">
<link rel="stylesheet" media="print" href="%s">
</head>
<body>
<header data-release="{{stamp}}">
<img src="%s" alt=""> <nav><a href="/">Home</a> <a href="/shop">Shop</a> <a href="/about">About</a></nav>
</header>
`, style, printed, logo)
	t.text("templates/footer.html", `<footer data-release="{{stamp}}">
<span id="cart">0</span> in the cart. This is build {{stamp}}.
</footer>
<script src="%s"></script>
<script src="%s"></script>
</body>
</html>
`, app, cart)

	w.addPage(t, "index", "Welcome", fmt.Sprintf("<img src=%q alt=\"\">\n%s", banner, paragraphs(w.welcome)))
	w.addPage(t, "about", "About us", paragraphs(w.about))
	var offers strings.Builder
	for i := range teapots {
		name := fmt.Sprintf("teapot-%02d", i+1)
		photograph := t.asset("img/"+name+".png", w.picture(name, w.photographs, 24))
		price := strings.TrimSpace(fmt.Sprintf("%d %s", 20+i*7%31, w.currency))
		t.text("data/"+name+".json", "{\"name\": %q, \"price\": %q}\n", name, price)
		if i%8 == 0 { // the window of the shop; the others are in the catalogue
			fmt.Fprintf(&offers, "<figure><img src=%q alt=\"\"> %s, %s</figure>\n", photograph, name, price)
		}
	}
	w.addPage(t, "shop", "Shop", offers.String())
}

func (w *website) addPage(t tree, name, heading, body string) {
	t.text("pages/"+name+".html", "<main data-release=\"{{stamp}}\">\n<h1>%s</h1>\n%s</main>\n", heading, body)
}

func paragraphs(texts []string) string {
	var b strings.Builder
	for _, text := range texts {
		fmt.Fprintf(&b, "<p>%s</p>\n", text)
	}
	return b.String()
}

// addCode adds what a site holds besides: no visitor asks for it, but it rolls with the rest.
func (w *website) addCode(t tree) {
	t.text("README.md", "# The teapot shop\n\nPages, code and data of the shop. `bin/build` makes of them what rolls.\n")
	t.text(buildScript, "%s", buildText)
	t.text("config/app.conf", "# read on each request\ntitle = The teapot shop\ndatabase = %s\ncurrency = %s\ncontact = shop@example.com\n",
		w.database, w.currency)
	for _, name := range []string{
		"address", "basket", "catalogue", "checkout", "country", "customer", "delivery", "discount",
		"invoice", "login", "mail", "money", "newsletter", "order", "payment", "price", "returns",
		"search", "session", "stock", "tax", "warehouse",
	} {
		t.text("lib/"+name+".php", "<?php\nnamespace Shop;\n\nfinal class %s\n{\n    public function __construct(private Database $database)\n    {\n    }\n}\n",
			strings.ToUpper(name[:1])+name[1:])
	}
	for _, language := range []string{"de", "en", "fr", "ja", "nl", "sv"} {
		t.text("lang/"+language+".po", "msgid \"cart\"\nmsgstr \"cart (%s)\"\n", language)
	}
	for _, mail := range []string{"order", "shipped", "welcome"} {
		t.text("templates/mail/"+mail+".txt", "Dear {{customer}},\n\nthis is about: %s.\n", mail)
	}
	for _, name := range []string{"basket", "checkout", "price", "search"} {
		t.text("tests/"+name+"_test.php", "<?php\nrequire __DIR__ . '/../lib/%s.php';\n", name)
	}
}
