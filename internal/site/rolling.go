package site

import (
	"errors"
	"io/fs"
	"path/filepath"
)

// inventoryFile is a nodes file that was read, or why it could not be.
type inventoryFile struct {
	*Inventory
	err error
	// right is false where the file has mistakes: what it seems to lack may only be
	// misspelt there, and is not complained of.
	right bool
}

// inventory reads an environment's nodes file, once for all environments that share it.
func (l *loader) inventory(e named[environment], file string) inventoryFile {
	if e.value.nodes.wrong() {
		return inventoryFile{}
	}
	read, ok := l.inventories[file]
	if !ok {
		var text []byte
		text, read.err = readFile(filepath.Join(l.dir, filepath.FromSlash(file)))
		if read.err == nil {
			inv, mistakes := ParseInventory(file, text)
			l.mistakes = append(l.mistakes, mistakes...)
			read.Inventory, read.right = inv, len(mistakes) == 0
		}
		l.inventories[file] = read
	}
	at := e.node
	if e.value.nodes.node != nil {
		at = e.value.nodes.node
	}
	switch {
	case errors.Is(read.err, fs.ErrNotExist):
		l.mistake(at, `there is no nodes file %s; write one with a section for each tier, or name another with "nodes"`, quote(file))
	case read.err != nil:
		l.mistake(at, "cannot read the nodes file %s: %v", quote(file), read.err)
	}
	return read
}

// rollingTier is a tier that rolls: a section, its hosts, and the rules for them.
type rollingTier struct {
	RollingSection
	rules tier
}

// rolling matches an environment's tiers with the sections of its nodes file, in the
// file's order.
func (l *loader) rolling(e named[environment], inv inventoryFile) []rollingTier {
	var all []rollingTier
	if tiers := e.value.tiers.value; len(tiers) > 0 {
		all = l.namedTiers(tiers, inv)
	} else {
		for _, s := range inv.Rolling() {
			all = append(all, rollingTier{RollingSection: s})
		}
		if len(all) == 0 && inv.right {
			l.mistakeAt(inv.File, 0, 0, "has no nodes")
		}
	}
	l.checkOneTierEach(inv.Inventory, all)
	return all
}

func (l *loader) namedTiers(tiers []named[tier], inv inventoryFile) []rollingTier {
	var names []string
	rules := map[*Section]named[tier]{}
	for _, s := range inv.Sections {
		names = append(names, s.Name)
	}
	for _, t := range tiers {
		switch s := inv.Section(t.name); {
		case s != nil:
			rules[s] = t
		case inv.right && validName.MatchString(t.name):
			l.mistake(t.node, "%s", unknown("tier", t.name, names))
		}
	}
	var all []rollingTier
	for _, s := range inv.Sections {
		t, ok := rules[s]
		if !ok {
			continue
		}
		entries := inv.Entries(s)
		if len(entries) == 0 && inv.right {
			l.mistake(t.node, "tier %s has no nodes: section [%s] of %s is empty", quote(t.name), s.Name, quote(inv.File))
		}
		all = append(all, rollingTier{RollingSection{s, entries}, t.value})
	}
	return all
}

// checkOneTierEach refuses a node that would roll twice.
func (l *loader) checkOneTierEach(inv *Inventory, all []rollingTier) {
	tierOf := map[*Host]string{}
	for _, t := range all {
		for _, entry := range t.Entries {
			if first, twice := tierOf[entry.Host]; twice {
				l.mistakeAt(inv.File, entry.Line, entry.Column, "node %s is in two tiers that roll, %s and %s",
					quote(entry.Host.Name), quote(first), quote(t.Name))
				continue
			}
			tierOf[entry.Host] = t.Name
		}
	}
}
