package main

import (
	"encoding/json"
	"math"
	"testing"
	"time"
)

// TestLoss checks that losses have the average and the mean length that the options ask for.
func TestLoss(t *testing.T) {
	for _, c := range []struct {
		options      string
		share, burst float64
	}{
		{`{"loss": 0.05}`, 0.05, 1 / 0.95},
		{`{"loss": 0.2}`, 0.2, 1 / 0.8},
		{`{"burstLoss": {"enter": 0.0175438596, "leave": 0.3333333333}}`, 0.05, 3},
		{`{"burstLoss": {"enter": 0.025, "leave": 0.1}}`, 0.2, 10},
	} {
		var options linkOptions
		if err := json.Unmarshal([]byte(c.options), &options); err != nil {
			t.Fatal(err)
		}
		line := newLink(options, 1, 0)
		const count = 400_000
		lost, bursts, before := 0.0, 0.0, false
		for range count {
			_, arrived := line.transmit(time.Time{})
			if !arrived {
				lost++
				if !before {
					bursts++
				}
			}
			before = !arrived
		}
		// The lengths are geometric: their standard deviation is below their mean.
		spread := 4 / math.Sqrt(bursts)
		if math.Abs(lost/bursts-c.burst) > spread*c.burst {
			t.Errorf("%s: bursts of %.3f packets, want %.3f", c.options, lost/bursts, c.burst)
		}
		if math.Abs(lost/count-c.share) > 1.5*spread*c.share {
			t.Errorf("%s: a loss of %.4f, want %.4f", c.options, lost/count, c.share)
		}
	}
}

// TestDelay checks that jitter keeps the order, and that reordering does not.
func TestDelay(t *testing.T) {
	start := time.Unix(0, 0)
	line := newLink(linkOptions{Latency: 50, Jitter: 20}, 1, 0)
	last := start
	for i := range 10_000 {
		now := start.Add(time.Duration(i) * time.Millisecond)
		at, _ := line.transmit(now)
		if delay := at.Sub(now); delay < 50*time.Millisecond || delay > 70*time.Millisecond || at.Before(last) {
			t.Fatalf("packet %d takes %v", i, delay)
		}
		last = at
	}
	var options linkOptions
	if err := json.Unmarshal([]byte(`{"reorder": {"probability": 0.05, "delay": 20}}`), &options); err != nil {
		t.Fatal(err)
	}
	line = newLink(options, 1, 0)
	late := 0
	for range 10_000 {
		if at, _ := line.transmit(start); at.Equal(start.Add(20 * time.Millisecond)) {
			late++
		} else if !at.Equal(start) {
			t.Fatalf("a packet takes %v", at.Sub(start))
		}
	}
	if late < 400 || late > 600 {
		t.Errorf("%d of 10000 packets are late, want about 500", late)
	}
}
