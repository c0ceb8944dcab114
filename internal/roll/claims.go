package roll

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"time"

	"github.com/rollcall-dev/rollcall"
)

func claimOfRoll(environment string) string   { return "roll:" + environment }
func claimOfBehind(environment string) string { return "behind:" + environment }

// ClaimOfReview is the name of the claim on a node that is out for a look.
func ClaimOfReview(environment string) string { return "review:" + environment }

// ClaimsOf are the claims that an environment has on a node, its roll's first. They are
// over when the node stands at what is live.
func ClaimsOf(environment string) []string {
	return []string{claimOfRoll(environment), claimOfBehind(environment), ClaimOfReview(environment)}
}

// ClaimOfPerson is the name of the claim that `rollcall drain` makes.
func ClaimOfPerson(environment string) string { return "person:" + environment }

// claims are the reasons for which a node is out of service, and where it was taken out
// for them since it was last in service everywhere.
type claims struct {
	all   []rollcall.Claim
	seats []rollcall.Claim // the first claim at each seat
	seq   int64
}

// ReadClaims tells for what reasons a node is out of service.
func ReadClaims(ctx context.Context, record rollcall.Record, node string) ([]rollcall.Claim, error) {
	c, err := readClaims(ctx, record, node)
	return c.all, err
}

func readClaims(ctx context.Context, record rollcall.Record, node string) (claims, error) {
	var now claims
	events, err := record.Read(ctx, rollcall.NodeStream(node), 0)
	if err != nil {
		return now, err
	}
	for _, e := range events {
		now.seq = e.Seq
		if e.Type != rollcall.EventClaimed && e.Type != rollcall.EventReleased {
			continue
		}
		var c rollcall.Claim
		if err := e.Decode(&c); err != nil {
			return now, err
		}
		c.At = e.At
		now.all = slices.DeleteFunc(now.all, func(o rollcall.Claim) bool { return o.Name == c.Name })
		if e.Type == rollcall.EventClaimed {
			now.all = append(now.all, c)
			if now.seat(c.Drain) == nil {
				now.seats = append(now.seats, c)
			}
		}
		if len(now.all) == 0 {
			now.seats = nil
		}
	}
	return now, nil
}

// seat is the first claim at the same place, or nil.
func (c *claims) seat(drain *rollcall.Drain) *rollcall.Claim {
	for i := range c.seats {
		if reflect.DeepEqual(c.seats[i].Drain, drain) {
			return &c.seats[i]
		}
	}
	return nil
}

// AddClaim writes down why a node is out of service, before it is taken out. found tells
// whether it was out there already for no reason that is known here; it is asked only
// where nobody has a claim at that place yet.
func AddClaim(ctx context.Context, record rollcall.Record, c rollcall.Claim, found func() (bool, error)) (mine rollcall.Claim, err error) {
	for {
		now, err := readClaims(ctx, record, c.Node)
		if err != nil {
			return c, err
		}
		if i := slices.IndexFunc(now.all, func(o rollcall.Claim) bool { return o.Name == c.Name }); i >= 0 {
			return now.all[i], nil
		}
		if first := now.seat(c.Drain); first != nil {
			c.Found = first.Found
		} else if c.Found, err = found(); err != nil {
			return c, err
		}
		c.At = time.Time{}
		_, err = record.Append(ctx, rollcall.NodeStream(c.Node), now.seq, rollcall.NewEvent(rollcall.EventClaimed, c))
		if !errors.Is(err, rollcall.ErrSequence) {
			return c, err
		}
	}
}

// DropClaims takes claims away. Where no other is left, restore puts the node back at
// every place where it was taken out meanwhile, and not found so, before that is written.
func DropClaims(ctx context.Context, record rollcall.Record, node string, names []string, by string, restore func(rollcall.Drain) error) (left []rollcall.Claim, err error) {
	restored := false
	for {
		now, err := readClaims(ctx, record, node)
		if err != nil {
			return nil, err
		}
		left = nil
		var events []rollcall.Event
		for _, c := range now.all {
			if !slices.Contains(names, c.Name) {
				left = append(left, c)
				continue
			}
			events = append(events, rollcall.NewEvent(rollcall.EventReleased, rollcall.Claim{Node: node, Name: c.Name, By: by}))
		}
		if len(events) == 0 {
			return left, nil
		}
		if len(left) == 0 && !restored {
			for _, seat := range now.seats {
				if seat.Found || seat.Drain == nil {
					continue
				}
				if err := restore(*seat.Drain); err != nil {
					return left, err
				}
			}
			restored = true
		}
		_, err = record.Append(ctx, rollcall.NodeStream(node), now.seq, events...)
		if !errors.Is(err, rollcall.ErrSequence) {
			return left, err
		}
	}
}
