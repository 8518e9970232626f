package service

import "runtime/debug"

// Version is the build's version, as Go's tools know it: a tag, or the commit with its date.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "unknown"
	}
	return info.Main.Version
}
