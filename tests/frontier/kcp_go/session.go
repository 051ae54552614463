package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	kcp "github.com/xtaci/kcp-go/v5"
)

// job is one session: what tests/frontier/session.ts calls SessionJob, and kcp-go's settings.
type job struct {
	ID   int    `json:"id"`
	Seed uint64 `json:"seed"`
	// Rate is in messages a second, Size in bytes.
	Rate float64 `json:"rate"`
	Size int     `json:"size"`
	// Messages is how many of each sender are measured. The senders go on until all of them have
	// arrived.
	Messages int `json:"messages"`
	// BothWays says whether the listener's end sends too.
	BothWays bool        `json:"bothWays"`
	Link     linkOptions `json:"link"`
	// Data and Parity are the ratio of error correction; 0 and 0 for none.
	Data   int `json:"data"`
	Parity int `json:"parity"`
}

// result is what came of a session.
type result struct {
	ID int `json:"id"`
	// Delays counts the messages for each delay, in steps of 0.1 ms.
	Delays map[int]int `json:"delays"`
	// Bytes and Packets were sent by both ends until the last message was read.
	Bytes   int64 `json:"bytes"`
	Packets int64 `json:"packets"`
	// Sent is how many messages were sent in that time, those that are not measured included.
	Sent  int64  `json:"sent"`
	Error string `json:"error,omitempty"`
}

// grace is how long after its last message a session may go on.
const grace = 10 * time.Minute

// stepsPerMs is the resolution of the delays.
const stepsPerMs = 10

// delays counts messages by their delay.
type delays struct {
	mu     sync.Mutex
	counts map[int]int
}

func (d *delays) add(delay time.Duration) {
	d.mu.Lock()
	d.counts[int(math.Round(stepsPerMs*float64(delay)/float64(time.Millisecond)))]++
	d.mu.Unlock()
}

func apply(s *kcp.UDPSession) {
	s.SetNoDelay(1, 10, 2, 1)
	s.SetWindowSize(1024, 1024)
	s.SetMtu(1400)
	s.SetStreamMode(false)
	s.SetWriteDelay(false)
	s.SetACKNoDelay(false)
}

// due is when the i-th message is due. Its delay counts from there, also if the write has to wait.
func (j *job) due(start time.Time, i int) time.Time {
	return start.Add(time.Duration(float64(i) / j.Rate * float64(time.Second)))
}

// write writes messages at their times until the session is closed. It counts them in sent.
func (j *job) write(s *kcp.UDPSession, start time.Time, sent *atomic.Int64) {
	message := make([]byte, j.Size)
	for i := 0; ; i++ {
		time.Sleep(time.Until(j.due(start, i)))
		binary.LittleEndian.PutUint32(message, uint32(i))
		if _, err := s.Write(message); err != nil {
			return
		}
		sent.Add(1)
	}
}

// read reads the messages that are measured, and further ones in the background. The function start returns when the first one was due.
func (j *job) read(s *kcp.UDPSession, start func() time.Time, into *delays) error {
	buffer := make([]byte, j.Size+1)
	for i := 0; i < j.Messages; i++ {
		n, err := s.Read(buffer)
		if err != nil {
			return fmt.Errorf("message %d of %d: %w", i, j.Messages, err)
		}
		if n != j.Size || binary.LittleEndian.Uint32(buffer) != uint32(i) {
			return fmt.Errorf("message %d of %d is wrong: it has %d bytes", i, j.Messages, n)
		}
		into.add(time.Since(j.due(start(), i)))
	}
	go func() {
		for {
			if _, err := s.Read(buffer); err != nil {
				return
			}
		}
	}()
	return nil
}

// run runs a session from its first message until the last one was read.
func (j *job) run() result {
	found := delays{counts: map[int]int{}}
	a, b := newPath(j.Link, j.Seed)
	fail := func(err error) result { return result{ID: j.ID, Error: err.Error()} }
	listener, err := kcp.ServeConn(nil, j.Data, j.Parity, b)
	if err != nil {
		return fail(err)
	}
	client, err := kcp.NewConn3(uint32(j.Seed), b.own, nil, j.Data, j.Parity, a)
	if err != nil {
		return fail(err)
	}
	apply(client)
	last := j.due(time.Now(), j.Messages)
	stop := time.AfterFunc(time.Until(last)+grace, func() {
		client.Close()
		listener.Close()
		a.Close()
		b.Close()
	})
	start := time.Now()
	var sent atomic.Int64
	go j.write(client, start, &sent)
	server, err := listener.AcceptKCP()
	if err != nil {
		return fail(err)
	}
	apply(server)
	failed := make(chan error, 2)
	readers := 1
	go func() { failed <- j.read(server, func() time.Time { return start }, &found) }()
	if j.BothWays {
		// The phase is the same part of the interval in both programs only on average.
		phase := rand.New(rand.NewPCG(j.Seed, 100)).Float64() / j.Rate
		begin := time.Now().Add(time.Duration(phase * float64(time.Second)))
		readers++
		go j.write(server, begin, &sent)
		go func() { failed <- j.read(client, func() time.Time { return begin }, &found) }()
	}
	var wrong error
	for range readers {
		if err := <-failed; err != nil {
			wrong = err
		}
	}
	written := sent.Load()
	aBytes, aPackets := a.sent()
	bBytes, bPackets := b.sent()
	stop.Stop()
	client.Close()
	server.Close()
	listener.Close()
	a.Close()
	b.Close()
	if wrong != nil {
		return fail(wrong)
	}
	return result{
		ID:      j.ID,
		Delays:  found.counts,
		Bytes:   aBytes + bBytes,
		Packets: aPackets + bPackets,
		Sent:    written,
	}
}
