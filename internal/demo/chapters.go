package demo

// chapter is a push before it is in the repository.
type chapter struct {
	name, subject string
	changes       []change
}

type change struct {
	by      author
	subject string
	edit    func(*website)
}

type author struct{ name, email string }

var (
	ada   = author{"Ada Vermeer", "ada@example.com"}
	grace = author{"Grace Okafor", "grace@example.com"}
	tomas = author{"Tomas Lindgren", "tomas@example.com"}
	mei   = author{"Mei Tanaka", "mei@example.com"}
	jonas = author{"Jonas Weber", "jonas@example.com"}
)

// chapters are the story. Each set changes what the stylesheets and scripts are named, so
// that a page of one release can't do with the assets of another.
var chapters = []chapter{
	{"set1", "the shop opens", []change{
		{ada, "Import the teapot shop", func(*website) {}},
		{grace, "shop: show prices with their currency, #81", func(w *website) {
			w.currency = "EUR"
			w.script++
		}},
		{tomas, "about: opening hours, #83", func(w *website) {
			w.about = append(w.about, "We are open from Tuesday to Saturday, 10 to 18 o'clock.")
		}},
	}},
	{"set2", "an autumn look", []change{
		{mei, "css: warmer colours for autumn, #88", func(w *website) { w.look++ }},
		{jonas, "cart: keep the cart over a reload, #86", func(w *website) { w.script++ }},
		{ada, "shop: new photographs of the teapots, #90", func(w *website) { w.photographs++ }},
	}},
	{"set3", "a quicker cart", []change{
		{grace, "cart: count items without loading the page, #91", func(w *website) { w.script++ }},
		{tomas, "css: larger buttons on phones, #94", func(w *website) { w.look++ }},
		{mei, "home: say that delivery is free, #95", func(w *website) {
			w.welcome = append(w.welcome, "Delivery is free from now on.")
		}},
	}},
	// The page is right and passes any check of files. The slip of the pen beside it shows
	// only when the code runs.
	{"bad", "a second warehouse", []change{
		{jonas, "about: the second warehouse and its database, #97", func(w *website) {
			w.about = append(w.about, "A second warehouse in Ghent sends what you order in a day.")
			w.databaseKey, w.database = "databse", "shop"
		}},
	}},
	{"fix", "the database's name put right", []change{
		{ada, "config: spell database right, #97", func(w *website) { w.databaseKey = "database" }},
	}},
}
