package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// changedFiles is how many files the second tree has changed.
const changedFiles = 3

// fileSize is about how long a file is.
const fileSize = 8 << 10

// material is what is checked.
type material struct {
	laid          string // the files of the first tree, in a folder
	repository    string // bare and packed
	first, second string // trees
}

func makeMaterial(ctx context.Context, dir string, files int) (*material, error) {
	m := &material{laid: filepath.Join(dir, "work"), repository: filepath.Join(dir, "www.git")}
	for i := range files {
		if err := m.write(i, phpFile(i, 0)); err != nil {
			return nil, err
		}
	}
	git := func(args ...string) (string, error) {
		c := exec.CommandContext(ctx, "git", append([]string{"-C", m.laid, "-c", "user.name=Ada", "-c", "user.email=ada@example.com"}, args...)...)
		c.Stderr = os.Stderr
		out, err := c.Output()
		return strings.TrimSpace(string(out)), err
	}
	commit := func(message string) (tree string, err error) {
		if _, err = git("add", "-A"); err == nil {
			if _, err = git("commit", "-q", "-m", message); err == nil {
				tree, err = git("rev-parse", "HEAD^{tree}")
			}
		}
		return tree, err
	}
	_, err := git("init", "-q", "-b", "main")
	if err != nil {
		return nil, err
	}
	if m.first, err = commit("a shop"); err != nil {
		return nil, err
	}
	for i := range changedFiles {
		if err := m.write(i*7, phpFile(i*7, 1)); err != nil {
			return nil, err
		}
	}
	if m.second, err = commit("prices"); err != nil {
		return nil, err
	}
	if _, err := git("clone", "-q", "--bare", ".", m.repository); err != nil {
		return nil, err
	}
	_, err = git("checkout", "-q", "HEAD~1")
	return m, err
}

func (m *material) write(i int, text string) error {
	path := filepath.Join(m.laid, "src", fmt.Sprintf("Module%02d", i%40), fmt.Sprintf("Service%04d.php", i))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// phpFile writes a class as applications have them: properties, queries, loops, strings.
func phpFile(i, edition int) string {
	r := rand.New(rand.NewPCG(uint64(i), uint64(edition)))
	nouns := []string{"order", "customer", "invoice", "product", "price", "stock", "payment", "address", "voucher", "basket"}
	noun := func() string { return nouns[r.IntN(len(nouns))] }
	var b strings.Builder
	fmt.Fprintf(&b, "<?php\n\ndeclare(strict_types=1);\n\nnamespace Shop\\Module%02d;\n\nfinal class Service%04d\n{\n    private array $cache = [];\n", i%40, i)
	fmt.Fprintf(&b, "\n    public function __construct(private \\PDO $db, private int $limit = %d)\n    {\n    }\n", r.IntN(1000))
	for method := 0; b.Len() < fileSize; method++ {
		a, c := noun(), noun()
		fmt.Fprintf(&b, "\n    /**\n     * Finds the %s of each %s, the newest first.\n     */\n", a, c)
		fmt.Fprintf(&b, "    public function find%s%d(int $id, ?string $name = null): array\n    {\n", strings.ToUpper(a[:1])+a[1:], method)
		fmt.Fprintf(&b, "        if (isset($this->cache['%s'][$id])) {\n            return $this->cache['%s'][$id];\n        }\n", a, a)
		fmt.Fprintf(&b, "        $query = $this->db->prepare('SELECT id, name, total FROM %ss WHERE %s_id = :id AND total > %d ORDER BY id DESC');\n", a, c, r.IntN(10000))
		b.WriteString("        $query->execute(['id' => $id]);\n        $rows = [];\n        foreach ($query->fetchAll(\\PDO::FETCH_ASSOC) as $n => $row) {\n")
		fmt.Fprintf(&b, "            $row['label'] = sprintf('%%s (%%d of %%d)', $row['name'] ?? \"no %s\", $n + 1, $this->limit);\n", c)
		fmt.Fprintf(&b, "            $rows[] = $name === null || str_contains($row['label'], $name) ? $row : ['%s' => %d] + $row;\n        }\n", c, r.IntN(100))
		fmt.Fprintf(&b, "\n        return $this->cache['%s'][$id] = array_map(static fn (array $row): array => $row + ['seen' => true], $rows);\n    }\n", a)
	}
	b.WriteString("}\n")
	return b.String()
}
