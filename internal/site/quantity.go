package site

import (
	"regexp"
	"strconv"

	"github.com/rollcall-dev/rollcall"
)

const maxCount = 1_000_000

var (
	share = regexp.MustCompile(`^[0-9]{1,3}(\.[0-9]{1,6})?%$`)
	count = regexp.MustCompile(`^[0-9]{1,7}$`)
)

func quantitySchema(low int) schema {
	return schema{{"anyOf", []schema{
		{{"type", "integer"}, {"minimum", low}, {"maximum", maxCount}},
		{{"type", "string"}, {"pattern", share.String()}},
	}}}
}

var (
	// quantity is how many nodes switch together: never none.
	quantity = define("quantity", scalar("a number of nodes or a share such as 25%", quantitySchema(1),
		func(text string) (rollcall.Quantity, error) { return parseQuantity(text, false) }))
	// limit is how many nodes may be missed.
	limit = define("limit", scalar("a number of nodes, 0 too, or a share such as 5%", quantitySchema(0),
		func(text string) (rollcall.Quantity, error) { return parseQuantity(text, true) }))
)

func parseQuantity(text string, zero bool) (rollcall.Quantity, error) {
	var q rollcall.Quantity
	switch {
	case share.MatchString(text):
		percent, err := strconv.ParseFloat(text[:len(text)-1], 64)
		if err != nil || percent > 100 {
			return q, errSaysNothing
		}
		q.Percent = percent
	case count.MatchString(text):
		number, err := strconv.Atoi(text)
		if err != nil || number > maxCount {
			return q, errSaysNothing
		}
		q.Count = number
	default:
		return q, errSaysNothing
	}
	if q == (rollcall.Quantity{}) && !zero {
		return q, errSaysNothing
	}
	return q, nil
}
