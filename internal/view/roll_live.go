package view

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-dev/rollcall"
)

// frame is what a terminal shows now: a line a node, and a bar for the whole. Where
// there are more nodes than lines, those that are busy or in trouble come first.
func (r *Roll) frame() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	columns, rows := r.p.Columns, r.p.Rows
	if columns == 0 {
		columns, rows = 80, 24
	}
	if r.plan == nil {
		if r.note == "" {
			return nil
		}
		return []string{cut("  "+r.note+"…", columns)}
	}
	shown := r.nodes
	room := max(rows-4, 3)
	if len(shown) > room {
		shown = slices.Clone(shown)
		slices.SortStableFunc(shown, func(a, b *nodeLine) int { return urgency(a.step) - urgency(b.step) })
		shown = shown[:room-1]
	}
	nameWidth, tierWidth := 4, 0
	for _, n := range shown {
		nameWidth = min(max(nameWidth, width(n.name)), columns/3)
		tierWidth = min(max(tierWidth, width(n.tier)), columns/6)
	}
	var lines []string
	for _, n := range shown {
		lines = append(lines, cut(r.nodeText(n, nameWidth, tierWidth), columns))
	}
	if more := len(r.nodes) - len(shown); more > 0 {
		lines = append(lines, cut(r.p.errStyle().dim(fmt.Sprintf("  and %d more: %s", more, counts(r.nodes, shown))), columns))
	}
	return append(lines, cut(r.whole(columns), columns))
}

func urgency(s rollcall.Step) int {
	switch s {
	case rollcall.StepFailed, rollcall.StepBroken, rollcall.StepUnreachable:
		return 0
	case rollcall.StepReceiving, rollcall.StepDraining, rollcall.StepSwitching, rollcall.StepSwitched, rollcall.StepVerifying, rollcall.StepRestoring, rollcall.StepReverting:
		return 1
	case rollcall.StepConnecting:
		return 2
	case rollcall.StepOK, rollcall.StepReverted:
		return 4
	default:
		return 3
	}
}

func counts(all, shown []*nodeLine) string {
	left := map[rollcall.Step]int{}
	for _, n := range all {
		left[n.step]++
	}
	for _, n := range shown {
		left[n.step]--
	}
	var parts []string
	for step, n := range left {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, step))
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

func (r *Roll) nodeText(n *nodeLine, nameWidth, tierWidth int) string {
	s := r.p.errStyle()
	step := pad(string(n.step), 11)
	detail := ""
	switch n.step {
	case rollcall.StepOK:
		step = s.green(step)
		if n.sent > 0 {
			detail = s.dim(sizeOf(n.sent))
		}
	case rollcall.StepFailed, rollcall.StepBroken, rollcall.StepUnreachable:
		step, detail = s.red(step), n.message
	case rollcall.StepReverting, rollcall.StepReverted:
		step = s.yellow(step)
		if n.message != "" {
			detail = s.dim(n.message)
		}
	case rollcall.StepReceiving:
		step = s.bold(step)
		detail = n.phase
		if n.total > 0 {
			detail = bar(float64(n.sent)/float64(n.total), 14) + fmt.Sprintf(" %s of %s", sizeOf(n.sent), sizeOf(n.total))
			if n.phase != "sending" && n.sent >= n.total {
				detail += ", " + n.phase
			}
		}
	case rollcall.StepDraining, rollcall.StepSwitching, rollcall.StepSwitched, rollcall.StepVerifying, rollcall.StepRestoring:
		step = s.bold(step)
	case rollcall.StepPrepared:
		if n.sent > 0 {
			detail = s.dim(sizeOf(n.sent))
		}
	default:
		step = s.dim(step)
	}
	return fmt.Sprintf("  %s  %s  %s %s", pad(cut(n.name, nameWidth), nameWidth), s.dim(pad(cut(n.tier, tierWidth), tierWidth)), step, detail)
}

// whole is the last line: how far the roll is, how fast, and how long still.
func (r *Roll) whole(columns int) string {
	var done float64
	var sent, total int64
	ok := 0
	for _, n := range r.nodes {
		switch n.step {
		case rollcall.StepWaiting, rollcall.StepConnecting:
		case rollcall.StepReceiving:
			if n.total > 0 {
				done += 0.5 * float64(n.sent) / float64(n.total)
			}
		case rollcall.StepPrepared:
			done += 0.5
		case rollcall.StepDraining, rollcall.StepSwitching, rollcall.StepSwitched, rollcall.StepVerifying, rollcall.StepRestoring, rollcall.StepReverting:
			done += 0.75
		default:
			done++
		}
		if n.step == rollcall.StepOK {
			ok++
		}
		sent += n.sent
		total += n.total
	}
	text := fmt.Sprintf("%d/%d", ok, len(r.nodes))
	if sent > 0 {
		text += "  " + sizeOf(sent)
	}
	if !r.sending.IsZero() && sent < total {
		if seconds := time.Since(r.sending).Seconds(); seconds > 0.5 {
			rate := float64(sent) / seconds
			text += fmt.Sprintf("  %s/s  %s left", sizeOf(int64(rate)), secondsOf(float64(total-sent)/max(rate, 1)))
		}
	} else {
		text += "  " + secondsOf(time.Since(r.begun).Seconds())
	}
	if r.note != "" {
		text += "  " + r.note
	}
	title := r.phase
	if title == "" {
		title = r.plan.Environment
	}
	return fmt.Sprintf("  %s %s %s", title, bar(done/float64(max(len(r.nodes), 1)), min(24, columns/4)), text)
}

func bar(share float64, columns int) string {
	full := min(max(int(share*float64(columns)+0.5), 0), columns)
	return strings.Repeat("█", full) + strings.Repeat("░", columns-full)
}
