package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
)

type options struct {
	repo, stable, trunk, from, to string
	read                          func(message string) (names []string, why string)
	beside                        []string
	pairs                         int
	needs, json, unmarked         bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	o, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		err = run(ctx, o, os.Stdout, os.Stderr)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "replay:", err)
		os.Exit(1)
	}
}

func parse(args []string, complaints io.Writer) (options, error) {
	o := options{}
	f := flag.NewFlagSet("replay", flag.ContinueOnError)
	f.SetOutput(complaints)
	f.StringVar(&o.repo, "repo", "", "the git repository; nothing is written to it")
	f.StringVar(&o.stable, "stable", "", "the branch that promotions were made to")
	f.StringVar(&o.trunk, "trunk", "", "the branch that they were picked from")
	f.StringVar(&o.from, "from", "", "replay what lies behind this revision (default: where the branches parted)")
	f.StringVar(&o.to, "to", "", "up to this one (default: the stable branch's tip)")
	kind := f.String("marks", "cherry-pick", "how messages say what was picked: "+markingNames())
	expression := f.String("mark", "", "or a regular expression whose first group is the commit's id, for every one picked")
	f.Func("beside", "a pattern of paths that promotions edit beside what they pick (a status file); may be repeated", func(text string) error {
		o.beside = append(o.beside, text)
		return nil
	})
	f.BoolVar(&o.needs, "needs", true, "ask for needs too")
	f.IntVar(&o.pairs, "pairs", 0, "at most so many pairs of needs, the oldest first (0: all)")
	f.BoolVar(&o.json, "json", false, "print one JSON object")
	f.BoolVar(&o.unmarked, "unmarked", false, "list the commits without marks too")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if o.repo == "" || o.stable == "" || o.trunk == "" || f.NArg() > 0 {
		return o, errors.New("-repo, -stable and -trunk are needed, and nothing else without a dash")
	}
	if *expression != "" {
		re, err := regexp.Compile(*expression)
		if err != nil {
			return o, fmt.Errorf("-mark: %w", err)
		}
		if re.NumSubexp() < 1 {
			return o, errors.New("-mark wants a regular expression with a group")
		}
		o.read = byExpression(re)
		return o, nil
	}
	m, ok := markings[*kind]
	if !ok {
		return o, fmt.Errorf("-marks %s: it knows %s", *kind, markingNames())
	}
	o.read = m.read
	return o, nil
}

// run replays one history: read what is true, predict it in order, compare, report.
func run(ctx context.Context, o options, out, progress io.Writer) error {
	r, err := replay(ctx, o, progress)
	if err != nil {
		return err
	}
	if o.json {
		return r.writeJSON(out)
	}
	return r.write(out, o)
}

func replay(ctx context.Context, o options, progress io.Writer) (*report, error) {
	folder, err := os.MkdirTemp("", "replay-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	g, err := newScratch(ctx, o.repo, folder)
	if err != nil {
		return nil, err
	}
	h, err := readHistory(ctx, g, o)
	if err != nil {
		return nil, err
	}
	ledger, err := h.writeLedger(ctx)
	if err != nil {
		return nil, err
	}
	e, err := newEngine(ctx, h, ledger, folder)
	if err != nil {
		return nil, err
	}
	defer e.Close()
	r := newReport(h, o)
	plain := map[string]bool{}
	for i := range h.promotions {
		p := &h.promotions[i]
		base := ledger.as[p.Parents[0]]
		j, err := h.judge(ctx, e, p, base, o, folder)
		if err == nil && o.needs {
			err = r.Needs.own(ctx, e, h, p, &j, base)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.ID, err)
		}
		plain[p.ID] = j.Plain
		r.add(j)
		if p.Number%50 == 0 {
			fmt.Fprintf(progress, "%d of %d promotions\n", p.Number, len(h.promotions))
		}
	}
	if !o.needs {
		return r, nil
	}
	pairs, err := h.pairs(ctx, o.pairs, o.beside)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(progress, "%d pairs of needs\n", len(pairs))
	for _, q := range pairs {
		if err := r.Needs.pair(ctx, e, h, q, plain[q.Later.ID], ledger); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// short is an id as people read it.
func short(ids ...string) string {
	var all []string
	for _, id := range ids {
		all = append(all, id[:min(len(id), 10)])
	}
	return strings.Join(all, " ")
}
