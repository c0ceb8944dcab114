package roll

import (
	"context"
	"errors"
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
const ClaimOfPerson = "person"

// ReadClaims tells for what reasons a node is out of service.
func ReadClaims(ctx context.Context, record rollcall.Record, node string) ([]rollcall.Claim, int64, error) {
	events, err := record.Read(ctx, rollcall.NodeStream(node), 0)
	if err != nil {
		return nil, 0, err
	}
	var claims []rollcall.Claim
	var seq int64
	for _, e := range events {
		seq = e.Seq
		if e.Type != rollcall.EventClaimed && e.Type != rollcall.EventReleased {
			continue
		}
		var c rollcall.Claim
		if err := e.Decode(&c); err != nil {
			return nil, 0, err
		}
		c.At = e.At
		claims = slices.DeleteFunc(claims, func(o rollcall.Claim) bool { return o.Name == c.Name })
		if e.Type == rollcall.EventClaimed {
			claims = append(claims, c)
		}
	}
	return claims, seq, nil
}

// AddClaim writes down why a node is out of service, before it is taken out. found tells
// whether it was out already for no reason that is known here; it is asked only where
// the node has no claims yet.
func AddClaim(ctx context.Context, record rollcall.Record, c rollcall.Claim, found func() (bool, error)) (mine rollcall.Claim, err error) {
	for {
		claims, seq, err := ReadClaims(ctx, record, c.Node)
		if err != nil {
			return c, err
		}
		if i := slices.IndexFunc(claims, func(o rollcall.Claim) bool { return o.Name == c.Name }); i >= 0 {
			return claims[i], nil
		}
		if len(claims) > 0 {
			c.Found = claims[0].Found
		} else if c.Found, err = found(); err != nil {
			return c, err
		}
		c.At = time.Time{}
		_, err = record.Append(ctx, rollcall.NodeStream(c.Node), seq, rollcall.NewEvent(rollcall.EventClaimed, c))
		if !errors.Is(err, rollcall.ErrSequence) {
			return c, err
		}
	}
}

// DropClaims takes claims away. last, where no other is left and the node was not found out
// of service, puts it back before that is written.
func DropClaims(ctx context.Context, record rollcall.Record, node string, names []string, by string, last func() error) (left []rollcall.Claim, err error) {
	restored := false
	for {
		claims, seq, err := ReadClaims(ctx, record, node)
		if err != nil {
			return nil, err
		}
		left = nil
		var events []rollcall.Event
		found := false
		for _, c := range claims {
			if !slices.Contains(names, c.Name) {
				left = append(left, c)
				continue
			}
			found = found || c.Found
			events = append(events, rollcall.NewEvent(rollcall.EventReleased, rollcall.Claim{Node: node, Name: c.Name, By: by}))
		}
		if len(events) == 0 {
			return left, nil
		}
		if len(left) == 0 && !found && !restored {
			if err := last(); err != nil {
				return left, err
			}
			restored = true
		}
		_, err = record.Append(ctx, rollcall.NodeStream(node), seq, events...)
		if !errors.Is(err, rollcall.ErrSequence) {
			return left, err
		}
	}
}
