package site

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/rollcall-dev/rollcall"
	"go.yaml.in/yaml/v4"
)

// drainWait is how long sessions may take to end, and a node to come up again, where the
// site does not say.
const drainWait = 30 * time.Second

// drain is `drain` as it was read.
type drain struct {
	haproxy        placed[[]template]
	backend        placed[[]template]
	server         placed[template]
	flag           placed[template]
	out, in, state placed[command]
	on             placed[string]
	wait           time.Duration
}

var drainKeys = keys[drain]{
	fields: []field[drain]{
		key("haproxy", "The runtime socket of HAProxy, or a list of several: a path here, host:port, or [user@]host:/path over ssh.",
			place(notEmpty(oneOrMany(socket))), func(d *drain) *placed[[]template] { return &d.haproxy }),
		key("backend", "The backend of HAProxy that the node is in, or a list.",
			place(notEmpty(oneOrMany(balancerName))), func(d *drain) *placed[[]template] { return &d.backend }),
		key("server", "The node's name in that backend (default: {name}).", place(balancerName),
			func(d *drain) *placed[template] { return &d.server }),
		key("flag", "A file on the node that is there while it is drained; the balancer's health check is to fail then.", place(flagFile),
			func(d *drain) *placed[template] { return &d.flag }),
		key("out", "The command that takes a node out of service.", place(anyCommand),
			func(d *drain) *placed[command] { return &d.out }),
		key("in", "The command that puts it back.", place(anyCommand),
			func(d *drain) *placed[command] { return &d.in }),
		key("state", "The command that ends with 0 where the node is in service.", place(anyCommand),
			func(d *drain) *placed[command] { return &d.state }),
		key("on", "Where out, in and state run: node or controller (default: controller).", place(whereKind),
			func(d *drain) *placed[string] { return &d.on }),
		key("wait", "How long requests under way may take to end, and the node to be found healthy again (default: 30s).", duration,
			func(d *drain) *time.Duration { return &d.wait }),
	},
	finish: finishDrain,
}

func finishDrain(r *reader, v value, d *drain) {
	given := 0
	for _, there := range []bool{d.haproxy.node != nil, d.flag.node != nil, d.out.node != nil} {
		if there {
			given++
		}
	}
	if given != 1 {
		r.mistake(v.owner, `a drain has exactly one of "haproxy", "flag" and "out", not %d`, given)
		return
	}
	only := func(with string, nodes map[string]*yaml.Node) {
		for name, node := range nodes {
			if node != nil {
				r.mistake(node, "%q goes with %q only", name, with)
			}
		}
	}
	if d.haproxy.node == nil {
		only("haproxy", map[string]*yaml.Node{"backend": d.backend.node, "server": d.server.node})
	} else if d.backend.node == nil {
		r.missing(v, "backend")
	}
	if d.out.node == nil {
		only("out", map[string]*yaml.Node{"in": d.in.node, "state": d.state.node, "on": d.on.node})
	} else if d.in.node == nil {
		r.missing(v, "in")
	}
	if d.server.node == nil {
		d.server = placed[template]{value: template{text: "{name}", node: d.haproxy.node}, ok: true}
	}
	if d.wait == 0 {
		d.wait = drainWait
	}
}

var (
	balancerPattern = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,100}$`)
	balancerName    = templateOf("a name in HAProxy's configuration", func(text string) error {
		if !balancerPattern.MatchString(text) {
			return errSaysNothing
		}
		return nil
	})
	socketPattern = regexp.MustCompile(`^(/[^\s:]+|([A-Za-z0-9_][A-Za-z0-9_.-]*@)?[A-Za-z0-9][A-Za-z0-9.-]*:(/[^\s:]+|[0-9]{1,5})|\[[0-9A-Fa-f:.]+\]:[0-9]{1,5})$`)
	socket        = templateOf("a socket: /path, host:port or [user@]host:/path", func(text string) error {
		if !socketPattern.MatchString(text) {
			return errSaysNothing
		}
		return checkNoControl(text)
	})
	flagFile = templateOf("an absolute path of a file on the node", func(text string) error {
		if !strings.HasPrefix(text, "/") || text == "/" {
			return errSaysNothing
		}
		if clean := path.Clean(text); clean != text {
			return fmt.Errorf("write %s", quote(clean))
		}
		return checkNoControl(text)
	})
)

// templates are the texts of a drain that {name} is expanded in.
func (d drain) templates() []template {
	all := append([]template{d.server.value, d.flag.value}, d.haproxy.value...)
	all = append(all, d.backend.value...)
	for _, c := range []command{d.out.value, d.in.value, d.state.value} {
		all = append(all, c.words...)
	}
	return all
}

func (d drain) final() rollcall.Drain {
	done := rollcall.Drain{Flag: d.flag.value.text, Wait: d.wait, OnNode: d.on.value == "node"}
	for _, t := range d.haproxy.value {
		done.HAProxy = append(done.HAProxy, t.text)
	}
	for _, t := range d.backend.value {
		done.Backend = append(done.Backend, t.text)
	}
	if len(done.HAProxy) > 0 {
		done.Server = d.server.value.text
	}
	for _, c := range []struct {
		from placed[command]
		to   **rollcall.Command
	}{{d.out, &done.Out}, {d.in, &done.In}, {d.state, &done.State}} {
		if c.from.ok {
			command := c.from.value.final(commandTimeout)
			*c.to = &command
		}
	}
	return done
}

// checkService refuses what could never be kept: a batch that leaves fewer nodes in
// service than must be.
func (l *loader) checkService(t rollingTier, nodes int) {
	at := t.rules.minInService
	if !at.ok || nodes == 0 {
		return
	}
	least := at.value.AtLeast(nodes)
	sizes := t.rules.batch
	if len(sizes) == 0 {
		sizes = []rollcall.Quantity{{Percent: 100}}
	}
	for _, size := range sizes {
		if n := size.Of(nodes, 1); nodes-n < least {
			l.mistake(at.node, "min_in_service wants %d of %s of %s in service, and a batch of %s takes %d out: that can never be kept",
				least, rollcall.Plural(nodes, "node", "nodes"), quote(t.Name), size, n)
			return
		}
	}
}
