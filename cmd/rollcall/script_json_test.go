package main

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// json LINE KEY VALUE looks into a line of the last standard output, from 1, or from -1
// at its end. KEY may lead into objects and lists with dots; VALUE is JSON, a bare text,
// or ~PATTERN.
func cmdJSON(ts *testscript.TestScript, _ *world, args []string) {
	want(ts, len(args) == 3, "json LINE KEY VALUE")
	got := jsonText(jsonAt(ts, jsonLine(ts, args[0]), args[1]))
	if pattern, ok := strings.CutPrefix(args[2], "~"); ok {
		match, err := regexp.MatchString(pattern, got)
		ts.Check(err)
		if !match {
			ts.Fatalf("%s is %s, which %s does not match", args[1], got, pattern)
		}
		return
	}
	if got != args[2] {
		ts.Fatalf("%s is %s, want %s", args[1], got, args[2])
	}
}

// jsonlast KEY VALUE is json -1 KEY VALUE.
func cmdJSONLast(ts *testscript.TestScript, w *world, args []string) {
	cmdJSON(ts, w, append([]string{"-1"}, args...))
}

// jsonkeys LINE KEY NAME... wants an object to have exactly these keys; KEY is . for the line itself.
func cmdJSONKeys(ts *testscript.TestScript, _ *world, args []string) {
	want(ts, len(args) > 2, "jsonkeys LINE KEY NAME...")
	object, ok := jsonAt(ts, jsonLine(ts, args[0]), args[1]).(map[string]any)
	if !ok {
		ts.Fatalf("%s is no object", args[1])
	}
	got, names := slices.Sorted(maps.Keys(object)), slices.Sorted(slices.Values(args[2:]))
	if !slices.Equal(got, names) {
		ts.Fatalf("the keys are\n%v, want\n%v", got, names)
	}
}

func jsonLine(ts *testscript.TestScript, number string) any {
	n, err := strconv.Atoi(number)
	ts.Check(err)
	lines := strings.Split(strings.TrimSuffix(ts.ReadFile("stdout"), "\n"), "\n")
	if n < 0 {
		n += len(lines) + 1
	}
	if n < 1 || n > len(lines) {
		ts.Fatalf("there are %d lines", len(lines))
	}
	for i, line := range lines {
		if !json.Valid([]byte(line)) {
			ts.Fatalf("line %d is no JSON: %s", i+1, line)
		}
	}
	var v any
	d := json.NewDecoder(strings.NewReader(lines[n-1]))
	d.UseNumber()
	ts.Check(d.Decode(&v))
	return v
}

func jsonAt(ts *testscript.TestScript, v any, key string) any {
	if key == "." {
		return v
	}
	for part := range strings.SplitSeq(key, ".") {
		switch at := v.(type) {
		case map[string]any:
			next, ok := at[part]
			if !ok {
				ts.Fatalf("there is no %s of %s; there are %v", part, key, slices.Sorted(maps.Keys(at)))
			}
			v = next
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(at) {
				ts.Fatalf("%s: there are %d", key, len(at))
			}
			v = at[i]
		default:
			ts.Fatalf("%s: nothing has parts here", key)
		}
	}
	return v
}

func jsonText(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
