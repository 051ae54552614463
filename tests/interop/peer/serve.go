package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"sync"
	"sync/atomic"

	kcp "github.com/xtaci/kcp-go/v5"
)

// A listenerConfig has the settings of a listener, and says what its sessions do.
type listenerConfig struct {
	settings
	// Mode is "echo", "sink" (reads only) or "source" (answers the first bytes with a pattern). Default: "echo".
	Mode string `json:"mode"`
	// Bytes and Seed are the pattern that a source sends.
	Bytes int    `json:"bytes"`
	Seed  uint32 `json:"seed"`
}

// A command to a running server is one line of JSON.
type command struct {
	// ID is the id of the answer, too.
	ID int `json:"id"`
	// Listener and Conv name a session.
	Listener int    `json:"listener"`
	Conv     uint32 `json:"conv"`
	// Close closes the session after the answer.
	Close bool `json:"close"`
}

// An answer to a command.
type answer struct {
	ID        int    `json:"id"`
	Bytes     int    `json:"bytes"`
	SHA256    string `json:"sha256"`
	Datagrams int    `json:"datagrams"`
	// Recovered is how many packets error correction restored, in all sessions of this process.
	Recovered uint64 `json:"recovered"`
	// Errors is how many bad packets kcp-go has counted, in all sessions of this process.
	Errors uint64 `json:"errors"`
	Error  string `json:"error,omitempty"`
}

// recovered returns the count of kcp-go.
func recovered() uint64 {
	return atomic.LoadUint64(&kcp.DefaultSnmp.FECRecovered)
}

// badPackets returns the sum of the error counters of kcp-go.
func badPackets() uint64 {
	snmp := kcp.DefaultSnmp
	return atomic.LoadUint64(&snmp.InErrs) + atomic.LoadUint64(&snmp.InCsumErrors) +
		atomic.LoadUint64(&snmp.KCPInErrors) + atomic.LoadUint64(&snmp.FECErrs)
}

// A servedSession counts the bytes that one session receives.
type servedSession struct {
	session *kcp.UDPSession

	mu        sync.Mutex
	bytes     int
	sum       hash.Hash
	datagrams int
}

type listener struct {
	config   listenerConfig
	listener *kcp.Listener

	mu       sync.Mutex
	sessions map[uint32]*servedSession
}

// serve opens the listeners that the first line of stdin describes, and prints their addresses. Then it answers commands
// until stdin ends.
func serve() error {
	input := bufio.NewReaderSize(os.Stdin, 1<<20)
	output := json.NewEncoder(os.Stdout)
	var configs []listenerConfig
	line, err := input.ReadBytes('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if err := json.Unmarshal(line, &configs); err != nil {
		return err
	}
	listeners := make([]*listener, len(configs))
	addresses := make([]string, len(configs))
	for i, config := range configs {
		l, err := listen(config)
		if err != nil {
			return fmt.Errorf("listener %d: %w", i, err)
		}
		listeners[i] = l
		addresses[i] = l.listener.Addr().String()
	}
	if err := output.Encode(map[string]any{"addresses": addresses}); err != nil {
		return err
	}
	for {
		line, err := input.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var c command
		if err := json.Unmarshal(line, &c); err != nil {
			return err
		}
		if err := output.Encode(obey(listeners, c)); err != nil {
			return err
		}
	}
}

func obey(listeners []*listener, c command) answer {
	if c.Listener < 0 || c.Listener >= len(listeners) {
		return answer{ID: c.ID, Error: fmt.Sprintf("there is no listener %d", c.Listener)}
	}
	l := listeners[c.Listener]
	l.mu.Lock()
	served := l.sessions[c.Conv]
	if served != nil && c.Close {
		delete(l.sessions, c.Conv)
	}
	l.mu.Unlock()
	if served == nil {
		return answer{ID: c.ID, Error: fmt.Sprintf("there is no session %d", c.Conv)}
	}
	if c.Close {
		served.session.Close()
	}
	served.mu.Lock()
	defer served.mu.Unlock()
	return answer{
		ID:        c.ID,
		Bytes:     served.bytes,
		SHA256:    hex.EncodeToString(served.sum.Sum(nil)),
		Datagrams: served.datagrams,
		Recovered: recovered(),
		Errors:    badPackets(),
	}
}

func listen(config listenerConfig) (*listener, error) {
	block, err := config.cipher()
	if err != nil {
		return nil, err
	}
	kl, err := kcp.ListenWithOptions("127.0.0.1:0", block, config.Data, config.Parity)
	if err != nil {
		return nil, err
	}
	_ = kl.SetReadBuffer(socketBuffer)
	_ = kl.SetWriteBuffer(socketBuffer)
	l := &listener{config: config, listener: kl, sessions: make(map[uint32]*servedSession)}
	go l.accept()
	return l, nil
}

func (l *listener) accept() {
	for {
		session, err := l.listener.AcceptKCP()
		if err != nil {
			return
		}
		if err := l.config.apply(session); err != nil {
			fmt.Fprintln(os.Stderr, err)
			session.Close()
			continue
		}
		served := &servedSession{session: session, sum: sha256.New()}
		l.mu.Lock()
		l.sessions[session.GetConv()] = served
		l.mu.Unlock()
		if l.config.Data > 0 {
			if err := session.SetOOBHandler(served.datagram); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}
		go served.run(l.config)
	}
}

// datagram sends an out-of-band packet back.
func (s *servedSession) datagram(payload []byte) {
	s.mu.Lock()
	s.datagrams++
	s.mu.Unlock()
	// SendOOB copies the payload before it returns.
	_ = s.session.SendOOB(payload)
}

func (s *servedSession) run(config listenerConfig) {
	buffer := make([]byte, 1<<16)
	started := false
	for {
		n, err := s.session.Read(buffer)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.bytes += n
		s.sum.Write(buffer[:n])
		s.mu.Unlock()
		switch config.Mode {
		case "sink":
		case "source":
			if !started {
				started = true
				go s.source(config)
			}
		default:
			if _, err := s.session.Write(buffer[:n]); err != nil {
				return
			}
		}
	}
}

func (s *servedSession) source(config listenerConfig) {
	p := newPattern(config.Seed)
	buffer := make([]byte, 1<<16)
	for left := config.Bytes; left > 0; {
		piece := buffer[:min(left, len(buffer))]
		p.fill(piece)
		if _, err := s.session.Write(piece); err != nil {
			return
		}
		left -= len(piece)
	}
}
