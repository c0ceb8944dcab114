package desk

import (
	"context"
	"slices"
	"time"

	"github.com/rollcall-dev/rollcall"
)

const (
	// DefaultPredict is for how many of the newest changesets is told what would come of
	// merging them.
	DefaultPredict = 100
	// availTime bounds how long is looked for what conflicts need, beyond whose lines they
	// change; Show and Merge look on.
	availTime = 2 * time.Second
)

// Avail lists the changesets of the trunk, newest first, and what would come of merging
// each of the newest alone.
func (d *Desk) Avail(ctx context.Context, request rollcall.AvailRequest) ([]rollcall.Available, error) {
	wants := func(s rollcall.Standing) bool {
		if len(request.States) == 0 {
			return s != rollcall.StandIntegrated && s != rollcall.StandReflected
		}
		return slices.Contains(request.States, s)
	}
	all := slices.Contains(request.States, rollcall.StandIntegrated) || slices.Contains(request.States, rollcall.StandReflected)
	listed, err := d.Repo.Standees(ctx, d.Code.Trunk, d.Code.Production, all)
	if err != nil {
		return nil, err
	}
	var wanted []rollcall.Standee
	for _, s := range listed {
		if Matches(s.Changeset, request.Tickets, request.Authors) && (wants(s.Standing) || s.Standing == rollcall.StandEligible && wants(rollcall.StandNoop)) {
			wanted = append(wanted, s)
		}
	}
	known, err := d.predict(ctx, wanted, listed, request.Predict)
	if err != nil {
		return nil, err
	}
	available := []rollcall.Available{}
	for _, s := range wanted {
		a := rollcall.Available{Code: d.Code.Name, Standee: s, Needs: []string{}, Conflicts: []string{}}
		if p, ok := known[s.ID]; ok {
			a.Predicted, a.Unasked = true, p.Unasked
			a.Needs, a.Conflicts = append(a.Needs, p.Needs...), append(a.Conflicts, p.Conflicts...)
			if !p.Changed && len(p.Conflicts) == 0 && s.Standing == rollcall.StandEligible {
				a.Standing = rollcall.StandNoop
			}
		}
		if wants(a.Standing) {
			available = append(available, a)
		}
	}
	return available, nil
}

// predict tells, for the newest of some changesets, what would come of merging each alone.
func (d *Desk) predict(ctx context.Context, wanted, listed []rollcall.Standee, most int) (map[string]prediction, error) {
	var asked []rollcall.Standee
	for _, s := range wanted {
		if s.Standing.Mergeable() && (most < 0 || len(asked) < most) {
			asked = append(asked, s)
		}
	}
	if len(asked) == 0 {
		return nil, nil
	}
	base, err := d.Repo.Tip(ctx, d.Code.Production)
	if err != nil {
		return nil, err
	}
	store, err := openKept(ctx, d.Dir)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	known, err := store.read(ctx, d.Code.Trunk, d.Code.Production, base.Tree)
	if err != nil {
		return nil, err
	}
	asked = slices.DeleteFunc(asked, func(s rollcall.Standee) bool { _, ok := known[s.ID]; return ok })
	if len(asked) == 0 {
		return known, nil
	}
	d.note("predicting what would come of %s", rollcall.Plural(len(asked), "changeset", "changesets"))
	fresh, err := d.tryEach(ctx, base, asked)
	if err != nil {
		return nil, err
	}
	if err := d.addNeeds(ctx, base, asked, listed, fresh); err != nil {
		return nil, err
	}
	for id, p := range fresh {
		known[id] = p
	}
	return known, store.write(ctx, d.Code.Trunk, d.Code.Production, base.Tree, fresh)
}

// tryEach merges each changeset alone.
func (d *Desk) tryEach(ctx context.Context, base rollcall.Revision, asked []rollcall.Standee) (map[string]prediction, error) {
	bench, err := d.Repo.Bench(ctx, "", d.Code.Production, base)
	if err != nil {
		return nil, err
	}
	defer bench.Close()
	steps := make([]rollcall.DeskStep, len(asked))
	for i, s := range asked {
		steps[i] = rollcall.DeskStep{Kind: rollcall.StepPick, Source: d.Code.Trunk, ID: s.ID}
	}
	fresh := map[string]prediction{}
	var failed error
	add := func(i int, applied rollcall.Applied, err error) {
		if err != nil {
			failed = err
			return
		}
		p := prediction{Changed: applied.Changed}
		for _, c := range applied.Conflicts {
			if !slices.Contains(p.Conflicts, c.Path) {
				p.Conflicts = append(p.Conflicts, c.Path)
			}
		}
		fresh[steps[i].ID] = p
	}
	if many, ok := bench.(rollcall.Parallel); ok {
		if err := many.Each(ctx, steps, add); err != nil {
			return nil, err
		}
		return fresh, failed
	}
	for i, step := range steps {
		if err := bench.Reset(ctx); err != nil {
			return nil, err
		}
		applied, err := bench.Apply(ctx, step, nil)
		add(i, applied, err)
	}
	return fresh, failed
}

// addNeeds adds what each changeset builds upon. Where the lines that it changes do not say
// why it conflicts, it is tried, for a while.
func (d *Desk) addNeeds(ctx context.Context, base rollcall.Revision, asked, listed []rollcall.Standee, fresh map[string]prediction) error {
	ids := make([]string, len(asked))
	for i, s := range asked {
		ids[i] = s.ID
	}
	touched, err := touchedByEach(ctx, d.Repo, d.Code.Trunk, d.Code.Production, ids)
	if err != nil {
		return err
	}
	for _, s := range asked {
		p := fresh[s.ID]
		p.Needs, p.Unasked = needsOf(touched[s.ID].Touches, s, listed), touched[s.ID].Unasked
		fresh[s.ID] = p
	}
	until := time.Now().Add(availTime)
	for _, s := range asked {
		p := fresh[s.ID]
		if len(p.Conflicts) == 0 || len(p.Needs) > 0 {
			continue
		}
		left := time.Until(until)
		if left <= 0 {
			p.Short = true
			fresh[s.ID] = p
			continue
		}
		step := rollcall.DeskStep{Kind: rollcall.StepPick, Source: d.Code.Trunk, ID: s.ID}
		needs, err := d.smallest(ctx, base, d.Code.Production, step, nil, nil, listed, left)
		if err != nil {
			return err
		}
		p.Needs = needs
		fresh[s.ID] = p
	}
	return nil
}

// Show tells everything of one changeset.
func (d *Desk) Show(ctx context.Context, text string) (*rollcall.Shown, error) {
	listed, err := d.Repo.Standees(ctx, d.Code.Trunk, d.Code.Production, false)
	if err != nil {
		return nil, err
	}
	one, err := choice{listed, d.Code.Name}.one(text)
	if rollcall.KindOf(err) == rollcall.KindNotFound {
		if listed, err = d.Repo.Standees(ctx, d.Code.Trunk, d.Code.Production, true); err != nil {
			return nil, err
		}
		one, err = choice{listed, d.Code.Name}.through(text)
	}
	if err != nil {
		return nil, err
	}
	shown := &rollcall.Shown{Available: rollcall.Available{Code: d.Code.Name, Standee: *one, Needs: []string{}, Conflicts: []string{}}, Touched: []rollcall.Toucher{}}
	patch, err := d.Repo.Patch(ctx, d.Code.Trunk, one.ID)
	if err != nil {
		return nil, err
	}
	shown.Patch = string(patch)
	touched, err := d.Repo.Touched(ctx, d.Code.Trunk, d.Code.Production, one.ID)
	if err != nil {
		return nil, err
	}
	for _, t := range touched.Touches {
		by := rollcall.Toucher{Path: t.Path, Lines: t.Lines, Standee: rollcall.Standee{Changeset: rollcall.Changeset{ID: t.ID}}}
		if i := slices.IndexFunc(listed, func(l rollcall.Standee) bool { return l.ID == t.ID }); i >= 0 {
			by.Standee = listed[i]
		}
		shown.Touched = append(shown.Touched, by)
	}
	shown.Unasked = touched.Unasked
	if !one.Standing.Mergeable() {
		return shown, nil
	}
	known, err := d.predict(ctx, []rollcall.Standee{*one}, listed, 1)
	if err != nil {
		return nil, err
	}
	p := known[one.ID]
	if touched.Unasked < p.Unasked { // it was one of many then
		p.Needs = needsOf(touched.Touches, *one, listed)
	}
	shown.Predicted, shown.Needs, shown.Conflicts = true, append(shown.Needs, p.Needs...), append(shown.Conflicts, p.Conflicts...)
	if len(p.Conflicts) > 0 {
		base, err := d.Repo.Tip(ctx, d.Code.Production)
		if err != nil {
			return nil, err
		}
		step := rollcall.DeskStep{Kind: rollcall.StepPick, Source: d.Code.Trunk, ID: one.ID}
		shown.Minimum, err = d.smallest(ctx, base, d.Code.Production, step, nil, nil, listed, minimumTime)
		return shown, err
	}
	if !p.Changed && shown.Standing == rollcall.StandEligible {
		shown.Standing = rollcall.StandNoop
	}
	return shown, nil
}
