package main

import (
	"bufio"
	"encoding/json"
	"os"
	"testing"
	"testing/synctest"

	kcp "github.com/xtaci/kcp-go/v5"
)

// TestVirtualTime measures kcp-go in virtual time. It reads jobs from stdin, one JSON object a line, and
// prints one result a line. It is a test because testing/synctest, which makes the time virtual, needs
// one.
func TestVirtualTime(t *testing.T) {
	var jobs []job
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var next job
		if err := json.Unmarshal(lines.Bytes(), &next); err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, next)
	}
	// Package initialization has started a scheduler in real time.
	kcp.SystemTimedSched.Close()
	synctest.Test(t, func(t *testing.T) {
		kcp.SystemTimedSched = kcp.NewTimedSched(2)
		out := json.NewEncoder(os.Stdout)
		for i := range jobs {
			if err := out.Encode(jobs[i].run()); err != nil {
				t.Fatal(err)
			}
		}
		// Goroutines of kcp-go's workers never end, and a bubble would wait for them.
		os.Exit(0)
	})
}
