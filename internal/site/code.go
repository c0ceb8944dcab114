package site

import (
	"cmp"

	"github.com/rollcall-dev/rollcall"
)

const (
	// defaultBranch is both of git's, where neither trunk nor production is named.
	defaultBranch = "main"
	// svnTrunk is what everybody calls it.
	svnTrunk = "trunk"
)

var codeKeys = keys[rollcall.Code]{
	fields: []field[rollcall.Code]{
		key("git", "The git repository: a path from the site's folder, a file:, ssh: or https: address, or host:path.",
			gitAddress, func(c *rollcall.Code) *string { return &c.Git }),
		key("svn", "The Subversion repository, or a folder in it: a path from the site's folder, or a https:, http:, svn:, svn+ssh: or file: address.",
			svnAddress, func(c *rollcall.Code) *string { return &c.SVN }),
		key("password_file", "The file with the password for svn, where its address has a user.", siteFile,
			func(c *rollcall.Code) *string { return &c.Password.File }),
		key("password_env", "The environment variable with the password for svn.", envName,
			func(c *rollcall.Code) *string { return &c.Password.Env }),
		key("trunk", "The branch that developers work on; in Subversion its folder (default: the production branch; in Subversion trunk).",
			branchName, func(c *rollcall.Code) *string { return &c.Trunk }),
		key("production", "The branch that rolls (default: the trunk).",
			branchName, func(c *rollcall.Code) *string { return &c.Production }),
		key("branches", "A pattern of the developers' branches, such as dev/*; in Subversion of their folders.",
			branchPattern, func(c *rollcall.Code) *string { return &c.Branches }),
		key("build", "A command that is run in a clean export of the tree before it becomes a release.",
			pointer(buildCommand), func(c *rollcall.Code) **rollcall.Command { return &c.Build }),
		key("exclude", "Patterns of what is left out of a release, as in .gitignore, without negation.",
			patterns, func(c *rollcall.Code) *[]string { return &c.Exclude }),
		key("submodules", "Whether a tree with submodules, or svn:externals, may roll, without their contents (default: false).",
			boolean, func(c *rollcall.Code) *bool { return &c.Submodules }),
		key("checks", "Commands that every file, or the whole tree, must pass before it can roll.",
			checks, func(c *rollcall.Code) *[]rollcall.Check { return &c.Checks }),
		key("markers", "Where conflict markers may stand (default: nowhere).",
			markersKeys.kind(), func(c *rollcall.Code) *rollcall.Markers { return &c.Markers }),
	},
	oneOf:  []string{"git", "svn"},
	finish: finishCode,
}

func finishCode(r *reader, v value, c *rollcall.Code) {
	if v.key("svn") != nil {
		c.Trunk = cmp.Or(c.Trunk, svnTrunk)
	} else {
		c.Trunk = cmp.Or(c.Trunk, c.Production, defaultBranch)
		for _, name := range []string{"password_file", "password_env"} {
			if key := v.key(name); key != nil {
				r.mistake(key, "%q goes with %q only", name, "svn")
			}
		}
	}
	c.Production = cmp.Or(c.Production, c.Trunk)
}

var buildCommand = convert(anyCommand, func(c command) rollcall.Command { return c.final(buildTimeout) })
