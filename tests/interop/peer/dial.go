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

// A job for clients is one line of JSON.
type job struct {
	// ID is the id of the report, too.
	ID int `json:"id"`
	// Close closes the sessions of the job with this id. The other fields are not used then. A session stays open
	// after its report: kcp-go's Close drops what is still queued.
	Close *int `json:"close"`

	settings
	Address string `json:"address"`
	// Mode is "echo" or "datagrams". Default: "echo".
	Mode string `json:"mode"`
	// Clients is how many clients run at once. Client i has the seed Seed + i. Default: 1.
	Clients int    `json:"clients"`
	Seed    uint32 `json:"seed"`
	// Bytes is how many bytes a client sends and expects back.
	Bytes int `json:"bytes"`
	// Writes has the lengths of the writes, used in turn. Default: 65536.
	Writes []int `json:"writes"`
	// Datagrams has the lengths of out-of-band packets. A client sends each one again until it comes back.
	Datagrams []int `json:"datagrams"`
	// Timeout is in ms. Default: 60000.
	Timeout int `json:"timeout"`
}

// A result says what one client received.
type result struct {
	Conv uint32 `json:"conv"`
	// Bytes is how many bytes came back. The client has compared them with the bytes that it sent.
	Bytes int `json:"bytes"`
	// SHA256 is the hash of these bytes.
	SHA256    string `json:"sha256"`
	Datagrams int    `json:"datagrams"`
	Error     string `json:"error,omitempty"`
}

// A report has the results of all clients of a job.
type report struct {
	ID      int      `json:"id"`
	OK      bool     `json:"ok"`
	Ms      int64    `json:"ms"`
	Clients []result `json:"clients"`
	// Recovered is how many packets error correction restored, in all sessions of this process.
	Recovered uint64 `json:"recovered"`
	// Errors is how many bad packets kcp-go has counted, in all sessions of this process.
	Errors uint64 `json:"errors"`
}

type dialer struct {
	mu       sync.Mutex
	output   *json.Encoder
	sessions map[int][]*kcp.UDPSession
	jobs     sync.WaitGroup
}

// dial reads jobs from stdin, one a line, and runs all of them at once. It prints a report of each. It returns when stdin
// has ended and all jobs are done.
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
	_ = d.output.Encode(report{j.ID, ok, time.Since(started).Milliseconds(), results, recovered(), badPackets()})
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

// echo sends a pattern, and compares it with the bytes that come back.
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
			return fmt.Errorf("%[2]d bytes from byte %[1]d on differ from those that were sent", r.Bytes, n)
		}
		sum.Write(buffer[:n])
		r.Bytes += n
	}
	r.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return <-failed
}

// datagrams sends numbered out-of-band packets of the given lengths until every one has come back.
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
			wrong = fmt.Errorf("a datagram of %d bytes came, which this client has not sent", len(payload))
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
