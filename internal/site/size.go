package site

import (
	"regexp"
	"strconv"
)

const maxSize = 1 << 40

var (
	sizeText = regexp.MustCompile(`^([0-9]{1,9})(B|kB|MB|GB)$`)
	sizeUnit = map[string]int64{"B": 1, "kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}

	// size is a number of bytes above zero. A unit is always written: a bare 5 may be meant
	// as anything.
	size = scalar("a size such as 500kB, 5MB or 1GB", schema{{"type", "string"}, {"pattern", sizeText.String()}}, parseSize)
)

func parseSize(text string) (int64, error) {
	m := sizeText.FindStringSubmatch(text)
	if m == nil {
		return 0, errSaysNothing
	}
	number, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil || number == 0 || number > maxSize/sizeUnit[m[2]] {
		return 0, errSaysNothing
	}
	return number * sizeUnit[m[2]], nil
}
