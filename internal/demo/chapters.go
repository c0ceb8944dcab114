package demo

// change is a changeset before it is in the repository.
type change struct {
	name    string // by which the walk finds it
	by      author
	ticket  string
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

// The databases that the story's site asks for.
const (
	firstDatabase = "teapots"
	Database      = "warehouse" // made on the staging node, and on no other
)

// The changesets that the walk speaks of.
const (
	Keep      = "keep"      // the cart over a reload
	Count     = "count"     // changes the line that Keep changed
	Autumn    = "autumn"    // a stylesheet: its name differs from release to release
	Buttons   = "buttons"   // stays on the trunk
	Warehouse = "warehouse" // right in every file, and wrong on the nodes
)

// opening is on both branches from the start.
var opening = []change{
	{"import", ada, "", "Import the teapot shop", func(*website) {}},
	{"prices", grace, "81", "shop: show prices with their currency", func(w *website) { w.currency = "EUR" }},
	{"hours", tomas, "83", "about: opening hours", func(w *website) {
		w.about = append(w.about, "We are open from Tuesday to Saturday, 10 to 18 o'clock.")
	}},
}

// onTrunk waits on the trunk to be merged.
var onTrunk = []change{
	{Keep, jonas, "86", "cart: keep it over a reload", func(w *website) { w.cart = 1 }},
	{Autumn, mei, "88", "css: warmer colours for autumn", func(w *website) { w.look = 1 }},
	{"photographs", ada, "90", "shop: new photographs", func(w *website) { w.photographs = 1 }},
	{Count, grace, "91", "cart: count in every window", func(w *website) { w.cart = 2 }},
	{Buttons, tomas, "94", "css: larger buttons on phones", func(w *website) { w.buttons = 1 }},
	// No check of files can tell: the name is well formed, and that there is no such
	// database shows only where the code runs.
	{Warehouse, jonas, "97", "about: the second warehouse", func(w *website) {
		w.about = append(w.about, "A second warehouse in Ghent sends what you order in a day.")
		w.database = Database
	}},
}
