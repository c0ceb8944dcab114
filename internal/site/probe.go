package site

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-dev/rollcall"
	"go.yaml.in/yaml/v4"
)

// How long a probe waits, and which status it wants, where the site does not say.
const (
	probeWithin = 10 * time.Second
	probeExpect = 200
)

// probe is an entry of `verify` as it was read.
type probe struct {
	http, tcp   placed[template]
	run, nagios placed[command]
	on          placed[string]
	expect      placed[int]
	body        placed[template]
	match       placed[string]
	header      placed[[]template]
	answer      placed[[]template]
	faster      placed[time.Duration]
	within      time.Duration
	proves      int
}

var probeKeys = keys[probe]{
	fields: []field[probe]{
		key("http", "An http: or https: address to ask, such as http://{address}:8080/health.", place(httpAddress),
			func(p *probe) *placed[template] { return &p.http }),
		key("tcp", "A host:port that must accept a connection.", place(tcpAddress),
			func(p *probe) *placed[template] { return &p.tcp }),
		key("run", "A command on the node that must end with exit code 0.", place(anyCommand),
			func(p *probe) *placed[command] { return &p.run }),
		key("nagios", "A Nagios plugin: OK and WARNING pass, CRITICAL does not, UNKNOWN pauses the roll.", place(anyCommand),
			func(p *probe) *placed[command] { return &p.nagios }),
		key("on", "Where run and nagios run: node or controller (default: node).", place(whereKind),
			func(p *probe) *placed[string] { return &p.on }),
		key("expect", "The status that http must answer with (default: 200).", place(integer("a status from 100 to 599", 100, 599)),
			func(p *probe) *placed[int] { return &p.expect }),
		key("body", "A text that the answer to http must contain.", place(anyTemplate),
			func(p *probe) *placed[template] { return &p.body }),
		key("match", "A regular expression that the body of the answer to http must match.", place(expression),
			func(p *probe) *placed[string] { return &p.match }),
		key("answer", "Headers that the answer to http must have, each as \"Name: part of its value\".", place(listOf("a list of headers", header)),
			func(p *probe) *placed[[]template] { return &p.answer }),
		key("faster", "How long one answer to http may take.", place(duration),
			func(p *probe) *placed[time.Duration] { return &p.faster }),
		key("header", "Headers to send with http, each as \"Name: value\".", place(listOf("a list of headers", header)),
			func(p *probe) *placed[[]template] { return &p.header }),
		key("within", "How long it may take until the probe passes (default: 10s).", duration,
			func(p *probe) *time.Duration { return &p.within }),
	},
	finish: finishProbe,
}

func finishProbe(r *reader, v value, p *probe) {
	given := 0
	for _, there := range []bool{p.http.node != nil, p.tcp.node != nil, p.run.node != nil, p.nagios.node != nil} {
		if there {
			given++
		}
	}
	if given != 1 {
		r.mistake(v.owner, `a probe has exactly one of "http", "tcp", "run" and "nagios", not %d`, given)
	}
	if p.http.node == nil && given > 0 {
		for name, node := range map[string]*yaml.Node{
			"expect": p.expect.node, "body": p.body.node, "match": p.match.node, "header": p.header.node,
			"answer": p.answer.node, "faster": p.faster.node,
		} {
			if node != nil {
				r.mistake(node, `%q goes with "http" only`, name)
			}
		}
	}
	if p.on.node != nil && p.run.node == nil && p.nagios.node == nil && given > 0 {
		r.mistake(p.on.node, `"on" goes with "run" and "nagios" only`)
	}
	if p.within == 0 {
		p.within = probeWithin
	}
}

// proveKind is `prove`: an address alone, or with how many answers it takes.
var proveKind = kind[probe]{
	schema{{"anyOf", []schema{httpAddress.schema, proveKeys.kind().schema}}},
	func(r *reader, v value) (probe, bool) {
		if v.node.Kind == yaml.MappingNode {
			return proveKeys.read(r, v)
		}
		address, ok := place(httpAddress).read(r, v)
		return probe{http: address, within: proveWithin, proves: proveAnswers}, ok && address.ok
	},
}

// How many answers prove a switch, and how long it may take, where the site does not say.
const (
	proveAnswers = 20
	proveWithin  = 30 * time.Second
)

var proveKeys = keys[probe]{
	fields: []field[probe]{
		key("http", "The address whose answer names the release.", place(httpAddress),
			func(p *probe) *placed[template] { return &p.http }).must(),
		key("header", "Headers to send, each as \"Name: value\".", place(listOf("a list of headers", header)),
			func(p *probe) *placed[[]template] { return &p.header }),
		key("answers", "How many answers in a row, each over its own connection, must name the new release (default: 20).",
			integer("a number from 1 to 1000", 1, 1000), func(p *probe) *int { return &p.proves }),
		key("within", "How long that may take (default: 30s).", duration,
			func(p *probe) *time.Duration { return &p.within }),
	},
	finish: func(_ *reader, _ value, p *probe) {
		p.within, p.proves = cmp.Or(p.within, proveWithin), cmp.Or(p.proves, proveAnswers)
	},
}

// whereKind is where a command runs.
var whereKind = choice([]string{"node", rollcall.OnController}, nil)

// expression is a regular expression.
var expression = text("a regular expression", func(text string) error {
	_, err := regexp.Compile(text)
	return err
})

var (
	httpAddress = templateOf("an http: or https: address", func(text string) error {
		_, rest, _ := strings.Cut(text, "://")
		host, _, _ := strings.Cut(rest, "/")
		if strings.Count(host, ":") > 1 && !strings.Contains(host, "[") && !strings.Contains(host, "@") {
			return fmt.Errorf("an IPv6 address stands in [ ]")
		}
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
			return errSaysNothing
		}
		if u.User != nil {
			return errPassword
		}
		return checkPort(u.Port(), true)
	})
	tcpAddress = templateOf("host:port", func(text string) error {
		host, port, err := net.SplitHostPort(text)
		if err != nil || !validHost(host) {
			return errSaysNothing
		}
		return checkPort(port, false)
	})
	anyTemplate = templateOf("a text", func(string) error { return nil })
	header      = templateOf(`a header: "Name: value"`, func(text string) error {
		if !headerPattern.MatchString(text) {
			return errSaysNothing
		}
		return checkNoControl(text)
	})
	headerPattern = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+:")
)

func checkPort(text string, optional bool) error {
	if text == "" && optional {
		return nil
	}
	if port, err := strconv.Atoi(text); err != nil || port < 1 || port > 65535 {
		return fmt.Errorf("a port is a number from 1 to 65535")
	}
	return nil
}

// templates are the texts of a probe that {name} is expanded in.
func (p probe) templates() []template {
	all := append([]template{p.http.value, p.tcp.value, p.body.value}, p.header.value...)
	all = append(append(all, p.answer.value...), p.run.value.words...)
	return append(all, p.nagios.value.words...)
}

func (p probe) final() rollcall.Probe {
	done := rollcall.Probe{
		HTTP: p.http.value.text, TCP: p.tcp.value.text, Body: p.body.value.text,
		Expect: p.expect.value, Within: p.within, Match: p.match.value, Faster: p.faster.value,
		Proves: p.proves, Here: p.on.value == rollcall.OnController,
	}
	for _, c := range []struct {
		from placed[command]
		to   **rollcall.Command
	}{{p.run, &done.Run}, {p.nagios, &done.Nagios}} {
		if c.from.ok {
			command := c.from.value.final(commandTimeout)
			*c.to = &command
		}
	}
	for _, h := range p.answer.value {
		done.Answer = append(done.Answer, h.text)
	}
	if done.HTTP != "" && done.Expect == 0 {
		done.Expect = probeExpect
	}
	for _, h := range p.header.value {
		done.Header = append(done.Header, h.text)
	}
	return done
}
