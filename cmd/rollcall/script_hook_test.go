package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// webhook is a receiver that keeps what it is told, each key once.
type webhook struct {
	mu   sync.Mutex
	down bool
	keys map[string]bool
	told []any
}

func (h *webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.down {
		http.Error(w, "down", http.StatusServiceUnavailable)
		return
	}
	key := r.Header.Get("Idempotency-Key")
	if h.keys[key] {
		return
	}
	h.keys[key] = true
	var v any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	h.told = append(h.told, v)
}

// hook VARIABLE starts a receiver and sets the variable to its address; hook down and
// hook up let it fail and work.
func cmdHook(ts *testscript.TestScript, w *world, args []string) {
	want(ts, len(args) == 1, "hook VARIABLE|down|up")
	if args[0] == "down" || args[0] == "up" {
		w.hook.mu.Lock()
		w.hook.down = args[0] == "down"
		w.hook.mu.Unlock()
		return
	}
	w.hook = &webhook{keys: map[string]bool{}}
	server := httptest.NewServer(w.hook)
	w.closers = append(w.closers, server.Close)
	w.setenv(ts, args[0], server.URL)
}

// told N KEY VALUE waits for the N-th notice and looks into it as json does; told count
// N wants exactly so many.
func cmdTold(ts *testscript.TestScript, w *world, args []string) {
	want(ts, len(args) == 3 || len(args) == 2 && args[0] == "count", "told N KEY VALUE | told count N")
	number := args[0]
	if number == "count" {
		number = args[1]
	}
	last, err := strconv.Atoi(number)
	ts.Check(err)
	var notice any
	for late := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		w.hook.mu.Lock()
		n := len(w.hook.told)
		if n >= last {
			notice = w.hook.told[last-1]
		}
		w.hook.mu.Unlock()
		if args[0] == "count" && n > last {
			ts.Fatalf("%d notices came, want %d", n, last)
		}
		if n >= last {
			break
		}
		if time.Now().After(late) {
			ts.Fatalf("%d notices came, want %d", n, last)
		}
	}
	if args[0] == "count" {
		return
	}
	if got := jsonText(jsonAt(ts, notice, args[1])); got != args[2] {
		ts.Fatalf("%s of notice %d is %s, want %s", args[1], last, got, args[2])
	}
}
