package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	kcp "github.com/xtaci/kcp-go/v5"
)

// A job is what clients do: one line of JSON.
type job struct {
	// ID comes back with the result.
	ID int `json:"id"`
	// Close ends the sessions of the job with this id, and does nothing else. A session stays open after its
	// result was printed, since kcp-go's Close does not wait until the peer has everything.
	Close *int `json:"close"`

	settings
	Address string `json:"address"`
	// Mode is "echo", unless given, or "datagrams".
	Mode string `json:"mode"`
	// Clients is how many do the same at once, with the seeds Seed, Seed + 1 and so on; 1 unless given.
	Clients int    `json:"clients"`
	Seed    uint32 `json:"seed"`
	// Bytes is how many are sent in writes of the lengths in Writes, in turn, and expected back.
	Bytes  int   `json:"bytes"`
	Writes []int `json:"writes"`
	// Datagrams has the lengths of the out-of-band packets to send; each is sent until it comes back.
	Datagrams []int `json:"datagrams"`
	// Timeout is in ms; 60000 unless given.
	Timeout int `json:"timeout"`
}

// A result is what one client saw.
type result struct {
	Conv uint32 `json:"conv"`
	// Bytes is how many came back, and SHA256 their hash. They are compared with what was sent already.
	Bytes     int    `json:"bytes"`
	SHA256    string `json:"sha256"`
	Datagrams int    `json:"datagrams"`
	Error     string `json:"error,omitempty"`
}

// A report is what all clients of a job saw.
type report struct {
	ID      int      `json:"id"`
	OK      bool     `json:"ok"`
	Ms      int64    `json:"ms"`
	Clients []result `json:"clients"`
	// Recovered is how many packets this process restored by error correction so far, in all sessions.
	Recovered uint64 `json:"recovered"`
}

type dialer struct {
	mu       sync.Mutex
	output   *json.Encoder
	sessions map[int][]*kcp.UDPSession
	jobs     sync.WaitGroup
}

// dial does the jobs that stdin has, one a line and all at once, and prints a report of each. It ends when stdin has
// ended and the jobs are done.
func dial() error {
	d := &dialer{output: json.NewEncoder(os.Stdout), sessions: make(map[int][]*kcp.UDPSession)}
	input := bufio.NewReaderSize(os.Stdin, 1<<20)
	for {
		line, err := input.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			var j job
			if err := json.Unmarshal(line, &j); err != nil {
				return err
			}
			if j.Close != nil {
				d.close(*j.Close)
			} else {
				d.jobs.Add(1)
				go d.run(j)
			}
		}
		if errors.Is(err, io.EOF) {
			d.jobs.Wait()
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (d *dialer) close(id int) {
	d.mu.Lock()
	sessions := d.sessions[id]
	delete(d.sessions, id)
	d.mu.Unlock()
	for _, session := range sessions {
		session.Close()
	}
}

func (d *dialer) run(j job) {
	defer d.jobs.Done()
	started := time.Now()
	results := make([]result, max(1, j.Clients))
	var clients sync.WaitGroup
	for i := range results {
		clients.Add(1)
		go func() {
			defer clients.Done()
			err := d.client(j, j.Seed+uint32(i), &results[i])
			if err != nil {
				results[i].Error = err.Error()
			}
		}()
	}
	clients.Wait()
	ok := true
	for _, r := range results {
		ok = ok && r.Error == ""
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	_ = d.output.Encode(report{j.ID, ok, time.Since(started).Milliseconds(), results, recovered()})
}

func (d *dialer) client(j job, seed uint32, r *result) error {
	block, err := j.cipher()
	if err != nil {
		return err
	}
	session, err := kcp.DialWithOptions(j.Address, block, j.Data, j.Parity)
	if err != nil {
		return err
	}
	d.mu.Lock()
	d.sessions[j.ID] = append(d.sessions[j.ID], session)
	d.mu.Unlock()
	_ = session.SetReadBuffer(socketBuffer)
	_ = session.SetWriteBuffer(socketBuffer)
	if err := j.apply(session); err != nil {
		return err
	}
	r.Conv = session.GetConv()
	timeout := j.Timeout
	if timeout == 0 {
		timeout = 60_000
	}
	deadline := time.Now().Add(time.Duration(timeout) * time.Millisecond)
	_ = session.SetDeadline(deadline)
	if err := echo(session, j, seed, r); err != nil {
		return err
	}
	if j.Mode == "datagrams" {
		return datagrams(session, j, seed, deadline, r)
	}
	return nil
}

// echo sends the pattern, and compares what comes back with it.
func echo(session *kcp.UDPSession, j job, seed uint32, r *result) error {
	writes := j.Writes
	if len(writes) == 0 {
		writes = []int{1 << 16}
	}
	failed := make(chan error, 1)
	go func() {
		p := newPattern(seed)
		sent := 0
		for i := 0; sent < j.Bytes; i++ {
			piece := make([]byte, min(writes[i%len(writes)], j.Bytes-sent))
			p.fill(piece)
			if _, err := session.Write(piece); err != nil {
				failed <- fmt.Errorf("write after %d bytes: %w", sent, err)
				return
			}
			sent += len(piece)
		}
		failed <- nil
	}()
	p := newPattern(seed)
	sum := sha256.New()
	buffer, expected := make([]byte, 1<<16), make([]byte, 1<<16)
	for r.Bytes < j.Bytes {
		n, err := session.Read(buffer)
		if err != nil {
			return fmt.Errorf("read after %d bytes: %w", r.Bytes, err)
		}
		p.fill(expected[:n])
		if !bytes.Equal(buffer[:n], expected[:n]) {
			return fmt.Errorf("the bytes from %d on, %d in number, are not those that were sent", r.Bytes, n)
		}
		sum.Write(buffer[:n])
		r.Bytes += n
	}
	r.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return <-failed
}

// datagrams sends out-of-band packets of the given lengths, each numbered, until every one has come back.
func datagrams(session *kcp.UDPSession, j job, seed uint32, deadline time.Time, r *result) error {
	var mu sync.Mutex
	var wrong error
	missing := make(map[uint32][]byte)
	for i, length := range j.Datagrams {
		if length < 4 || length > session.GetOOBMaxSize() {
			return fmt.Errorf("a datagram of %d bytes: allowed are 4 to %d", length, session.GetOOBMaxSize())
		}
		payload := patternBytes(seed+uint32(i), length)
		binary.LittleEndian.PutUint32(payload, uint32(i))
		missing[uint32(i)] = payload
	}
	err := session.SetOOBHandler(func(payload []byte) {
		mu.Lock()
		defer mu.Unlock()
		if len(payload) < 4 {
			wrong = fmt.Errorf("a datagram of %d bytes came, which nobody sent", len(payload))
			return
		}
		i := binary.LittleEndian.Uint32(payload)
		expected, ok := missing[i]
		if !ok {
			return
		}
		if !bytes.Equal(payload, expected) {
			wrong = fmt.Errorf("datagram %d came back changed", i)
			return
		}
		delete(missing, i)
		r.Datagrams++
	})
	if err != nil {
		return err
	}
	for {
		mu.Lock()
		waiting := make([][]byte, 0, len(missing))
		for _, payload := range missing {
			waiting = append(waiting, payload)
		}
		err := wrong
		mu.Unlock()
		if err != nil || len(waiting) == 0 {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d of %d datagrams never came back", len(waiting), len(j.Datagrams))
		}
		for _, payload := range waiting {
			if err := session.SendOOB(payload); err != nil {
				return err
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
}
