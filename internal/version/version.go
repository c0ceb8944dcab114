// Package version tells which Rollcall this is.
package version

import "runtime/debug"

// Number is set by the release build.
var Number = "0.1.0-dev"

// String is the version, with the commit where the build knows it.
func String() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return Number
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" && len(setting.Value) >= 10 {
			return Number + "+" + setting.Value[:10]
		}
	}
	return Number
}
