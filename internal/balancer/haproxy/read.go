package haproxy

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-dev/rollcall"
)

// lookLine asks for all that a look needs in one exchange, so that it is of one moment
// and of one process, whatever is reloaded meanwhile. 4 is the type of servers.
//
// The level is asked for because a socket of a lower one shows everything and changes
// nothing: better known at the first look than at the first drain of a roll.
const lookLine = "show cli level;show servers state;show stat -1 4 -1"

// backends are the servers by backend and name.
type backends map[string]map[string]server

func (b *Balancer) readSocket(ctx context.Context, socket string) (backends, error) {
	reply, err := b.exchange(ctx, socket, lookLine)
	if err != nil {
		return nil, err
	}
	level, rest, _ := strings.Cut(reply, "\n")
	if level == "operator" || level == "user" {
		return nil, denied(socket)
	}
	all, err := parseServers(rest)
	if err != nil {
		return nil, rollcall.Errorf(rollcall.KindUnreachable, "haproxy at %s answers strangely: %w", socket, err).
			WithHint("look whether that is the socket of `stats socket` in its configuration; it said: %s", excerpt(reply))
	}
	return all, nil
}

// parseServers reads the replies to `show servers state` and `show stat`. Columns go by
// their names: every version adds some.
func parseServers(reply string) (backends, error) {
	_, state, found := strings.Cut(reply, "\n# be_id ")
	if !found {
		return nil, errors.New("the states of servers are missing")
	}
	// The first table ends with an empty line.
	state, stat, found := strings.Cut("be_id "+state, "\n\n")
	if !found {
		return nil, errors.New("the states of servers break off")
	}
	all, err := parseState(state)
	if err != nil {
		return nil, err
	}
	return all, addSessions(all, stat)
}

func parseState(table string) (backends, error) {
	head, body, _ := strings.Cut(table, "\n")
	columns := strings.Fields(head)
	index := func(name string) int { return slices.Index(columns, name) }
	backend, name, op, admin, weight := index("be_name"), index("srv_name"), index("srv_op_state"), index("srv_admin_state"), index("srv_uweight")
	need := max(backend, name, op, admin, weight)
	if min(backend, name, op, admin, weight) < 0 {
		return nil, errors.New("the states of servers lack a column")
	}
	all := backends{}
	for line := range strings.Lines(body) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if len(fields) <= need {
			return nil, fmt.Errorf("the states of servers have a short line: %q", excerpt(line))
		}
		var s server
		var err [3]error
		s.op, err[0] = strconv.Atoi(fields[op])
		s.admin, err[1] = strconv.Atoi(fields[admin])
		s.weight, err[2] = strconv.Atoi(fields[weight])
		if e := errors.Join(err[:]...); e != nil {
			return nil, e
		}
		if all[fields[backend]] == nil {
			all[fields[backend]] = map[string]server{}
		}
		all[fields[backend]][fields[name]] = s
	}
	return all, nil
}

// addSessions adds what is under way at each server, and waits there.
func addSessions(all backends, table string) error {
	_, table, found := strings.Cut(table, "# ")
	if !found {
		return errors.New("the statistics are missing")
	}
	r := csv.NewReader(strings.NewReader(table))
	r.FieldsPerRecord = -1 // a header ends with a comma, or not, by version
	lines, err := r.ReadAll()
	if err != nil {
		return fmt.Errorf("the statistics can't be read: %w", err)
	}
	if len(lines) == 0 {
		return errors.New("the statistics are empty")
	}
	columns := lines[0]
	index := func(name string) int { return slices.Index(columns, name) }
	backend, name, current, queued := index("pxname"), index("svname"), index("scur"), index("qcur")
	if min(backend, name, current, queued) < 0 {
		return errors.New("the statistics lack a column")
	}
	for _, fields := range lines[1:] {
		if len(fields) <= max(backend, name, current, queued) {
			return fmt.Errorf("the statistics have a short line: %q", excerpt(strings.Join(fields, ",")))
		}
		s, known := all[fields[backend]][fields[name]]
		if !known {
			continue
		}
		for _, column := range []int{current, queued} {
			n, err := strconv.Atoi(fields[column])
			if err != nil || n < 0 || n > 1<<30 {
				return fmt.Errorf("the statistics count %q sessions", excerpt(fields[column]))
			}
			s.sessions += n
		}
		s.counted = true
		all[fields[backend]][fields[name]] = s
	}
	return nil
}
