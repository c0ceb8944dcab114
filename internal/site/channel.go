package site

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/rollcall-dev/rollcall"
	"go.yaml.in/yaml/v4"
)

// channel is an entry of `channels` as it was read.
type channel struct {
	xmpp, room, nick, server  placed[string]
	caFile                    placed[string]
	passwordFile, passwordEnv placed[string]
	webhook                   placed[string]
	secretFile, secretEnv     placed[string]
}

var channelKeys = keys[channel]{
	fields: []field[channel]{
		key("xmpp", "The account that speaks: name@domain.", place(jid), func(c *channel) *placed[string] { return &c.xmpp }),
		key("room", "The room that is told: room@service.", place(jid), func(c *channel) *placed[string] { return &c.room }),
		key("nick", "How it is called in the room (default: the account's name).", place(text("a nick", func(string) error { return nil })),
			func(c *channel) *placed[string] { return &c.nick }),
		key("server", "host:port of the XMPP server, where the domain's records do not say.", place(hostPort),
			func(c *channel) *placed[string] { return &c.server }),
		key("ca_file", "Certificates to trust besides the system's.", place(siteFile), func(c *channel) *placed[string] { return &c.caFile }),
		key("password_file", "The file with the account's password.", place(siteFile), func(c *channel) *placed[string] { return &c.passwordFile }),
		key("password_env", "The environment variable with the account's password.", place(envName), func(c *channel) *placed[string] { return &c.passwordEnv }),
		key("webhook", "An https: or http: address that is told as JSON.", place(ticketAddress), func(c *channel) *placed[string] { return &c.webhook }),
		key("secret_file", "The file with the secret that signs what is told.", place(siteFile), func(c *channel) *placed[string] { return &c.secretFile }),
		key("secret_env", "The environment variable with that secret.", place(envName), func(c *channel) *placed[string] { return &c.secretEnv }),
	},
	finish: finishChannel,
}

func finishChannel(r *reader, v value, c *channel) {
	if (c.xmpp.node != nil) == (c.webhook.node != nil) {
		r.mistake(v.owner, `%s has exactly one of "xmpp" and "webhook"`, v.subject)
		return
	}
	of := map[string]*yaml.Node{"secret_file": c.secretFile.node, "secret_env": c.secretEnv.node}
	with := "webhook"
	if c.webhook.node != nil {
		with = "xmpp"
		of = map[string]*yaml.Node{
			"room": c.room.node, "nick": c.nick.node, "server": c.server.node, "ca_file": c.caFile.node,
			"password_file": c.passwordFile.node, "password_env": c.passwordEnv.node,
		}
	}
	for name, node := range of {
		if node != nil {
			r.mistake(node, "%q goes with %q only", name, with)
		}
	}
	if with == "webhook" {
		if c.room.node == nil {
			r.missing(v, "room")
		}
		if c.passwordFile.node == nil && c.passwordEnv.node == nil {
			r.missing(v, "password_file")
		}
	}
}

var (
	jidPattern = regexp.MustCompile(`^[^\s@/"&'<>:]+@[A-Za-z0-9][A-Za-z0-9.-]*$`)
	jid        = text("an address such as name@example.com", func(text string) error {
		if !jidPattern.MatchString(text) {
			return errSaysNothing
		}
		return nil
	})
	hostPort = text("host:port", func(text string) error {
		host, port, err := net.SplitHostPort(text)
		if err != nil || !validHost(host) {
			return errSaysNothing
		}
		return checkPort(port, false)
	})
	envPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	envName    = text("the name of an environment variable", func(text string) error {
		if !envPattern.MatchString(text) {
			return errSaysNothing
		}
		return nil
	})
)

// channels makes the site's channels. Their secrets are read when they are needed.
func (l *loader) channels(all []named[channel]) map[string]*rollcall.Channel {
	done := map[string]*rollcall.Channel{}
	for _, one := range all {
		c := one.value
		if c.webhook.ok {
			if u, err := url.Parse(c.webhook.value); err == nil && u.Scheme == "http" && !isLoopback(u.Hostname()) && (c.secretFile.ok || c.secretEnv.ok) {
				l.mistake(c.webhook.node, "what is signed is to be sent by https:")
			}
		}
		done[one.name] = &rollcall.Channel{
			Name: one.name, XMPP: c.xmpp.value, Room: c.room.value, Nick: c.nick.value, Server: c.server.value,
			CAFile: within(l.dir, c.caFile.value), Webhook: c.webhook.value,
			Secret: rollcall.SecretPlace{
				File: within(l.dir, c.passwordFile.value+c.secretFile.value), Env: c.passwordEnv.value + c.secretEnv.value,
			},
		}
	}
	return done
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// announced refuses channels that the site does not have.
func (l *loader) announced(all []placed[string], channels []named[channel]) []string {
	var names []string
	for _, one := range all {
		if !one.ok {
			continue
		}
		known := false
		for _, c := range channels {
			known = known || c.name == one.value
		}
		if !known {
			l.mistake(one.node, "%s", unknown("channel", one.value, namesOf(channels)))
		}
		names = append(names, one.value)
	}
	return names
}

// ReadSecret reads a secret from where the site says that it is.
func ReadSecret(place rollcall.SecretPlace) (string, error) {
	switch {
	case place.Env != "":
		secret := os.Getenv(place.Env)
		if secret == "" {
			return "", fmt.Errorf("the environment variable %s is empty", place.Env)
		}
		return secret, nil
	case place.File != "":
		b, err := os.ReadFile(place.File)
		return strings.TrimRight(string(b), "\r\n"), err
	}
	return "", nil
}
