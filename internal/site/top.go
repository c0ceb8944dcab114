package site

import (
	"net/url"

	"github.com/rollcall-dev/rollcall"
)

// draft is rollcall.yaml as it was read.
type draft struct {
	codes        []named[rollcall.Code]
	environments []named[environment]
	tickets      []named[string]
	ssh          *ssh
	channels     []named[channel]
}

var siteKeys = keys[draft]{
	fields: []field[draft]{
		key("code", "What rolls: each thing in version control, by its name.", atLeastOne(namesTo("a code", codeKeys.kind())),
			func(d *draft) *[]named[rollcall.Code] { return &d.codes }).must(),
		key("environments", "Where it rolls to, each place by its name.", atLeastOne(namesTo("an environment", environmentKeys.kind())),
			func(d *draft) *[]named[environment] { return &d.environments }).must(),
		key("tickets", "The trackers that commits name, each with its address.", namesTo("a tracker", ticketAddress),
			func(d *draft) *[]named[string] { return &d.tickets }),
		key("ssh", "How nodes are reached (default: the person's own ssh configuration).", pointer(sshKind),
			func(d *draft) **ssh { return &d.ssh }),
		key("channels", "Who is told of rolls, each channel by its name.", namesTo("a channel", channelKeys.kind()),
			func(d *draft) *[]named[channel] { return &d.channels }),
	},
	later: []string{"access", "refresh", "services"},
}

var siteKind = siteKeys.kind()

var ticketAddress = text("an https: or http: address", func(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" {
		return errSaysNothing
	}
	if u.User != nil {
		return errPassword
	}
	return nil
})
