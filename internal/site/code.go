package site

import "github.com/rollcall-dev/rollcall"

// Where neither trunk nor production is named, both are this branch.
const defaultBranch = "main"

var codeKeys = keys[rollcall.Code]{
	fields: []field[rollcall.Code]{
		key("git", "The git repository: a path from the site's folder, a file:, ssh: or https: address, or host:path.",
			gitAddress, func(c *rollcall.Code) *string { return &c.Git }).must(),
		key("trunk", "The branch that developers work on (default: the production branch).",
			branchName, func(c *rollcall.Code) *string { return &c.Trunk }),
		key("production", "The branch that rolls (default: the trunk).",
			branchName, func(c *rollcall.Code) *string { return &c.Production }),
		key("branches", "A pattern of the developers' branches, such as dev/*.",
			branchPattern, func(c *rollcall.Code) *string { return &c.Branches }),
		key("build", "A command that is run in a clean export of the tree before it becomes a release.",
			pointer(buildCommand), func(c *rollcall.Code) **rollcall.Command { return &c.Build }),
		key("exclude", "Patterns of what is left out of a release, as in .gitignore, without negation.",
			patterns, func(c *rollcall.Code) *[]string { return &c.Exclude }),
		key("submodules", "Whether a tree with submodules may roll, without their contents (default: false).",
			boolean, func(c *rollcall.Code) *bool { return &c.Submodules }),
		key("checks", "Commands that every file, or the whole tree, must pass before it can roll.",
			checks, func(c *rollcall.Code) *[]rollcall.Check { return &c.Checks }),
	},
	later: []string{"svn"},
	finish: func(_ *reader, _ value, c *rollcall.Code) {
		if c.Trunk == "" {
			c.Trunk = c.Production
		}
		if c.Trunk == "" {
			c.Trunk = defaultBranch
		}
		if c.Production == "" {
			c.Production = c.Trunk
		}
	},
}

var buildCommand = convert(anyCommand, func(c command) rollcall.Command { return c.final(buildTimeout) })
