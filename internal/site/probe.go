package site

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-dev/rollcall"
)

// How long a probe waits, and which status it wants, where the site does not say.
const (
	probeWithin = 10 * time.Second
	probeExpect = 200
)

// probe is an entry of `verify` as it was read.
type probe struct {
	http, tcp placed[template]
	run       placed[command]
	expect    placed[int]
	body      placed[template]
	header    placed[[]template]
	within    time.Duration
}

var probeKeys = keys[probe]{
	fields: []field[probe]{
		key("http", "An http: or https: address to ask, such as http://{address}:8080/health.", place(httpAddress),
			func(p *probe) *placed[template] { return &p.http }),
		key("tcp", "A host:port that must accept a connection.", place(tcpAddress),
			func(p *probe) *placed[template] { return &p.tcp }),
		key("run", "A command on the node that must end with exit code 0.", place(anyCommand),
			func(p *probe) *placed[command] { return &p.run }),
		key("expect", "The status that http must answer with (default: 200).", place(integer("a status from 100 to 599", 100, 599)),
			func(p *probe) *placed[int] { return &p.expect }),
		key("body", "A text that the answer to http must contain.", place(anyTemplate),
			func(p *probe) *placed[template] { return &p.body }),
		key("header", "Headers to send with http, each as \"Name: value\".", place(listOf("a list of headers", header)),
			func(p *probe) *placed[[]template] { return &p.header }),
		key("within", "How long it may take until the probe passes (default: 10s).", duration,
			func(p *probe) *time.Duration { return &p.within }),
	},
	finish: finishProbe,
}

func finishProbe(r *reader, v value, p *probe) {
	given := 0
	for _, there := range []bool{p.http.node != nil, p.tcp.node != nil, p.run.node != nil} {
		if there {
			given++
		}
	}
	if given != 1 {
		r.mistake(v.owner, `a probe has exactly one of "http", "tcp" and "run", not %d`, given)
	}
	if p.http.node == nil && given > 0 {
		const only = `%q goes with "http" only`
		if p.expect.node != nil {
			r.mistake(p.expect.node, only, "expect")
		}
		if p.body.node != nil {
			r.mistake(p.body.node, only, "body")
		}
		if p.header.node != nil {
			r.mistake(p.header.node, only, "header")
		}
	}
	if p.within == 0 {
		p.within = probeWithin
	}
}

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
	return append(all, p.run.value.words...)
}

func (p probe) final() rollcall.Probe {
	done := rollcall.Probe{
		HTTP: p.http.value.text, TCP: p.tcp.value.text, Body: p.body.value.text,
		Expect: p.expect.value, Within: p.within,
	}
	if p.run.ok {
		run := p.run.value.final(commandTimeout)
		done.Run = &run
	}
	if done.HTTP != "" && done.Expect == 0 {
		done.Expect = probeExpect
	}
	for _, h := range p.header.value {
		done.Header = append(done.Header, h.text)
	}
	return done
}
