package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/announce"
	"github.com/rollcall-dev/rollcall/internal/announce/webhook"
	"github.com/rollcall-dev/rollcall/internal/announce/xmpp"
	"github.com/rollcall-dev/rollcall/internal/site"
)

// lastWords is how long a roll that has ended waits for its channels to be told. What is
// due then is told by the next.
const lastWords = 8 * time.Second

// announce tells an environment's channels what happens there behind an event, beside
// the roll, until the function that it returns is called. Nothing of it is the roll's
// concern: what can't be told now is shown, and told later.
func (a *App) announce(ctx context.Context, env *rollcall.Environment, since int64, watch func(rollcall.Event)) func() {
	if len(env.Announce) == 0 {
		return func() {}
	}
	say := func(err error) {
		if err == nil || watch == nil {
			return
		}
		text := err.Error()
		if hint := rollcall.HintOf(err); hint != "" {
			text += " (" + hint + ")"
		}
		e := rollcall.NewEvent(rollcall.EventPreparing, rollcall.Note{Environment: env.Name, Text: text, Warning: true})
		e.At = time.Now().UTC()
		watch(e)
	}
	outbox := &announce.Outbox{Record: a.record, Channels: map[string]rollcall.Announcer{}, By: a.by}
	var names []string
	for _, name := range env.Announce {
		channel, err := a.channel(a.site.Channels[name])
		if err != nil {
			say(fmt.Errorf("channel %s: %w", name, err))
			continue
		}
		outbox.Channels[name] = channel
		names = append(names, name)
	}
	during, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wait sync.WaitGroup
	wait.Go(func() {
		_ = a.record.Follow(during, rollcall.EnvironmentStream(env.Name), since, func(e rollcall.Event) error {
			if e.Type == rollcall.EventRollStarted {
				_ = outbox.Deliver(during, env.Name, names, since) // what is still due is told at the end
			}
			return nil
		})
	})
	return func() {
		stop()
		wait.Wait()
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
		defer cancel()
		say(outbox.Deliver(last, env.Name, names, since))
		for _, channel := range outbox.Channels {
			channel.Close()
		}
	}
}

// channel makes a driver, with its secret read from where the site says.
func (a *App) channel(c *rollcall.Channel) (rollcall.Announcer, error) {
	if c == nil {
		return nil, errors.New("there is no such channel")
	}
	secret, err := site.ReadSecret(c.Secret)
	if err != nil {
		return nil, fmt.Errorf("read its secret: %w", err)
	}
	if c.Webhook != "" {
		return webhook.New(webhook.Config{URL: c.Webhook, Secret: secret})
	}
	return xmpp.New(xmpp.Config{JID: c.XMPP, Password: secret, Room: c.Room, Nick: c.Nick, Server: c.Server, CA: c.CAFile})
}
