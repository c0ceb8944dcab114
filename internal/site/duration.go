package site

import (
	"regexp"
	"strconv"
	"time"
)

// maxDuration keeps sums of durations far from overflowing.
const maxDuration = 10 * 365 * 24 * time.Hour

const wantDuration = "a duration such as 30s, 5m, 24h or 2d"

var (
	durationText = regexp.MustCompile(`^([0-9]{1,5}d)?([0-9]+(\.[0-9]+)?(ms|s|m|h))*$`)

	// duration is a time above zero; pause may be zero too.
	duration = define("duration", scalar(wantDuration, durationSchema, func(text string) (time.Duration, error) {
		d, err := ParseDuration(text)
		if err == nil && d == 0 {
			err = errSaysNothing
		}
		return d, err
	}))
	pause = define("duration", scalar(wantDuration, durationSchema, ParseDuration))

	durationSchema = schema{{"type", "string"}, {"pattern", durationText.String()}, {"minLength", 2}}
)

// ParseDuration reads Go's form of durations, and whole days before it.
func ParseDuration(text string) (time.Duration, error) {
	if text == "0" {
		return 0, nil
	}
	m := durationText.FindStringSubmatch(text)
	if m == nil || text == "" {
		return 0, errSaysNothing
	}
	var total time.Duration
	if days := m[1]; days != "" {
		number, err := strconv.Atoi(days[:len(days)-1])
		if err != nil {
			return 0, errSaysNothing
		}
		total = time.Duration(number) * 24 * time.Hour
		text = text[len(days):]
	}
	if text != "" {
		rest, err := time.ParseDuration(text)
		if err != nil || rest > maxDuration {
			return 0, errSaysNothing
		}
		total += rest
	}
	if total > maxDuration {
		return 0, errSaysNothing
	}
	return total, nil
}
