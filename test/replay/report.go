package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/rollcall-dev/rollcall"
)

// report is everything that was found out.
type report struct {
	Stable     string           `json:"stable"`
	Trunk      string           `json:"trunk"`
	Fork       string           `json:"fork"`
	From       string           `json:"from"`
	To         string           `json:"to"`
	Beside     []string         `json:"beside,omitempty"`
	Commits    int              `json:"commits"` // of the stable branch in the range
	Counts     map[verdict]int  `json:"counts"`
	Agreed     int              `json:"agreed"`
	Several    int              `json:"several"` // promotions of more than one changeset
	SeveralOK  int              `json:"several_agreed"`
	Plain      int              `json:"plain"`       // the patches alone give what was made
	PlainSame  int              `json:"plain_same"`  // and that was predicted
	PlainClash int              `json:"plain_clash"` // and a conflict was predicted
	Loose      int              `json:"loose"`       // conflicts that only a stricter patch sees
	Promotions []judged         `json:"promotions"`
	Excluded   []exclusion      `json:"excluded"`
	Unmarked   []exclusion      `json:"unmarked"`
	Needs      needsJudged      `json:"needs"`
	Causes     map[string]int   `json:"causes"`
	PerSecond  predictionsSpeed `json:"speed"`
	took       time.Duration
}

// predictionsSpeed tells how long the engine took, without the comparing.
type predictionsSpeed struct {
	Prediction float64 `json:"seconds_a_prediction"`
	Needs      float64 `json:"seconds_a_question_for_needs"`
}

func newReport(h *history, o options) *report {
	return &report{
		Stable: o.stable, Trunk: o.trunk, Fork: h.fork, From: h.from, To: h.to, Beside: o.beside,
		Commits: len(h.promotions) + len(h.unmarked) + len(h.excluded),
		Counts:  map[verdict]int{}, Causes: map[string]int{},
		Excluded: append([]exclusion{}, h.excluded...), Unmarked: append([]exclusion{}, h.unmarked...),
		Needs: needsJudged{Alarms: []alarm{}, Missed: []missed{}, TooMany: []alarm{}},
	}
}

func (r *report) add(j judged) {
	r.Promotions = append(r.Promotions, j)
	r.Counts[j.Verdict]++
	r.took += j.took
	for _, c := range j.Causes {
		r.Causes[c.Kind]++
	}
	if j.Verdict.agrees() {
		r.Agreed++
	}
	if len(j.Picks) > 1 {
		r.Several++
		if j.Verdict.agrees() {
			r.SeveralOK++
		}
	}
	if j.Loose {
		r.Loose++
	}
	if j.Plain {
		r.Plain++
		switch j.Verdict {
		case sameTree, sameBeside:
			r.PlainSame++
		case wouldApply, byHand:
			r.PlainClash++
		}
	}
}

func (r *report) finish() {
	r.PerSecond = predictionsSpeed{per(r.took, len(r.Promotions)), per(r.Needs.took, r.Needs.n)}
}

func per(d time.Duration, n int) float64 { return d.Seconds() / float64(max(n, 1)) }

func (r *report) writeJSON(out io.Writer) error {
	r.finish()
	e := json.NewEncoder(out)
	e.SetIndent("", " ")
	return e.Encode(r)
}

const definitions = `clean, the same tree            the tree predicted is that of the commit really made, by its id
clean, the same but for ...     the same outside of the paths given with -beside
conflict, resolved by hand      a conflict, and git apply of the picks' patches does not give what was made of the paths in conflict
clean, another tree             no conflict, and the commit really made has another tree
conflict, would have applied    a conflict, and git apply of the patches gives exactly what was made of the paths in conflict
the first three agree; the others do not
`

func (r *report) write(out io.Writer, o options) error {
	r.finish()
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	n := len(r.Promotions)
	fmt.Fprintf(w, "%s from %s, %s..%s\n\n", r.Stable, r.Trunk, short(r.From), short(r.To))
	fmt.Fprintf(w, "first-parent commits\t%d\n", r.Commits)
	fmt.Fprintf(w, "without a mark, no promotions\t%d\n", len(r.Unmarked))
	fmt.Fprintf(w, "excluded\t%d\n", len(r.Excluded))
	fmt.Fprintf(w, "promotions\t%d\n", n)
	for _, v := range verdicts {
		if r.Counts[v] > 0 {
			fmt.Fprintf(w, "  %s\t%d\n", v, r.Counts[v])
		}
	}
	fmt.Fprintf(w, "agreed\t%s\n", share(r.Agreed, n))
	clean := r.Counts[sameTree] + r.Counts[sameBeside]
	fmt.Fprintf(w, "  of those predicted clean\t%s\n", share(clean, clean+r.Counts[otherTree]))
	fmt.Fprintf(w, "  of those predicted to conflict\t%s\n", share(r.Counts[byHand], r.Counts[byHand]+r.Counts[wouldApply]))
	fmt.Fprintf(w, "    resolved as one line of context would have\t%d\n", r.Loose)
	fmt.Fprintf(w, "  of those of several changesets\t%s\n", share(r.SeveralOK, r.Several))
	fmt.Fprintf(w, "made by the patches alone\t%d\n", r.Plain)
	fmt.Fprintf(w, "  of these predicted so\t%s\n", share(r.PlainSame, r.Plain))
	fmt.Fprintf(w, "  of these predicted to conflict\t%d\n", r.PlainClash)
	if o.needs {
		r.Needs.write(w)
	}
	fmt.Fprintf(w, "a prediction\t%.3f s\n", r.PerSecond.Prediction)
	if o.needs {
		fmt.Fprintf(w, "a question for needs\t%.3f s\n", r.PerSecond.Needs)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprint(out, "\n", definitions)
	r.writeDisagreements(out)
	r.Needs.writeList(out)
	writeExclusions(out, "excluded", r.Excluded)
	if o.unmarked {
		writeExclusions(out, "without a mark", r.Unmarked)
	}
	return nil
}

func share(k, n int) string {
	if n == 0 {
		return "0 of 0"
	}
	return fmt.Sprintf("%d of %d (%.1f%%)", k, n, 100*float64(k)/float64(n))
}

func (r *report) writeDisagreements(out io.Writer) {
	fmt.Fprintf(out, "\ncauses of the %d disagreements (one may have several)\n", len(r.Promotions)-r.Agreed)
	for _, kind := range slices.SortedFunc(maps.Keys(r.Causes), func(a, b string) int {
		if r.Causes[a] != r.Causes[b] {
			return r.Causes[b] - r.Causes[a]
		}
		return strings.Compare(a, b)
	}) {
		fmt.Fprintf(out, "%5d  %s\n", r.Causes[kind], kind)
	}
	fmt.Fprintln(out)
	for _, j := range r.Promotions {
		if j.Verdict.agrees() {
			continue
		}
		fmt.Fprintf(out, "%s  %s\n    %s: %s\n", short(j.ID), rollcall.Printable(j.Subject), short(j.Picks...), j.Verdict)
		for _, c := range j.Causes {
			fmt.Fprintf(out, "    %s%s\n", c.Kind, listed(c.Paths))
		}
		if j.Error != "" {
			fmt.Fprintf(out, "    %s\n", rollcall.Printable(j.Error))
		}
	}
}

// listed names the first paths of a list.
func listed(paths []string) string {
	if len(paths) == 0 {
		return ""
	}
	const most = 6
	text := ": " + strings.Join(paths[:min(len(paths), most)], ", ")
	if more := len(paths) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return rollcall.Printable(text)
}

func (n *needsJudged) write(w io.Writer) {
	fmt.Fprintf(w, "needs proved by blame\t%d\n", n.Pairs)
	fmt.Fprintf(w, "  named rightly\t%s\n", share(n.Named, n.Pairs))
	fmt.Fprintf(w, "  with a name too many\t%d\n", len(n.TooMany))
	fmt.Fprintf(w, "changesets that need nothing\t%d\n", n.Asked)
	fmt.Fprintf(w, "  for which something was named\t%s\n", share(len(n.Alarms), n.Asked))
	fmt.Fprintf(w, "changesets of which nobody knows\t%d\n", n.Others)
	fmt.Fprintf(w, "  for which something was named\t%d\n", n.OthersNamed)
}

func (n *needsJudged) writeList(out io.Writer) {
	if len(n.Missed) > 0 {
		fmt.Fprintln(out, "\nneeds that were not named")
	}
	for _, m := range n.Missed {
		how := "merges cleanly without it"
		if m.Conflict {
			how = "conflicts without it"
		}
		if m.Error != "" {
			how = rollcall.Printable(m.Error)
		}
		fmt.Fprintf(out, "%s  %s needs %s by %s, and %s; named: %s\n", short(m.ID), short(m.Pick), short(m.Need...), rollcall.Printable(m.Path), how, short(m.Named...))
	}
	writeAlarms(out, "needs that were named and were none", n.Alarms)
	writeAlarms(out, "names too many of pairs", n.TooMany)
}

func writeAlarms(out io.Writer, what string, all []alarm) {
	if len(all) > 0 {
		fmt.Fprintf(out, "\n%s\n", what)
	}
	for _, a := range all {
		fmt.Fprintf(out, "%s  %s\n", short(a.ID), short(a.Pick))
		for _, one := range a.Named {
			fmt.Fprintf(out, "    %s  %s\n", short(one.ID), rollcall.Printable(one.Subject))
		}
	}
}

func writeExclusions(out io.Writer, what string, all []exclusion) {
	fmt.Fprintf(out, "\n%s: %d\n", what, len(all))
	reasons := map[string]int{}
	for _, e := range all {
		if e.Why == "" {
			fmt.Fprintf(out, "%s  %s\n", short(e.ID), rollcall.Printable(e.Subject))
			continue
		}
		reasons[generalised(e.Why)]++
		fmt.Fprintf(out, "%s  %s: %s\n", short(e.ID), rollcall.Printable(e.Subject), rollcall.Printable(e.Why))
	}
	for _, why := range slices.Sorted(maps.Keys(reasons)) {
		fmt.Fprintf(out, "%5d  %s\n", reasons[why], why)
	}
}

// generalised takes the name out of a reason, so that equal ones are counted together.
func generalised(why string) string {
	if before, rest, ok := strings.Cut(why, "names "); ok {
		if name, rest, ok := strings.Cut(rest, ", which "); ok && !strings.Contains(name, " ") {
			return before + "names what " + rest
		}
	}
	return why
}
