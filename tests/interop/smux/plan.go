package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/xtaci/smux"
)

// A plan says what happens on a stream: one part writes while another part reads.
type plan struct {
	// Echo writes what arrives, and ends the written half when the other half ends. The other fields of the writer are not
	// used then.
	Echo bool `json:"echo"`

	// Bytes is how much of a pattern the writer writes. The seed of the pattern is Seed + the id of the stream.
	Bytes int    `json:"bytes"`
	Seed  uint32 `json:"seed"`
	// Writes has the lengths of the writes, used in turn. Default: 65536.
	Writes []int `json:"writes"`
	// End is what the writer does then: "closeWrite" (the default), "close" or "leave".
	End string `json:"end"`
	// Later says that the writer waits for the end of the other half before it begins.
	Later bool `json:"later"`

	// NoRead turns off the reader.
	NoRead bool `json:"noRead"`
	// Limit ends the reader after so many bytes. Default: it reads to the end.
	Limit int `json:"limit"`
	// Reads is the length of the reader's buffer. Default: 65536.
	Reads int `json:"reads"`
	// ReadPause is how many ms the reader waits before each read.
	ReadPause int `json:"readPause"`
	// Hold says that the reader waits for the command "release" before it begins.
	Hold bool `json:"hold"`
	// Expect is the seed, without the id of the stream, of the pattern that must arrive.
	Expect *uint32 `json:"expect"`

	// Leave says that the stream stays open after both parts. By default it is closed.
	Leave bool `json:"leave"`
	// Timeout is in ms. Default: 60000.
	Timeout int `json:"timeout"`
}

// A result says what happened on a stream.
type result struct {
	Stream   uint32 `json:"stream"`
	Sent     int    `json:"sent"`
	Received int    `json:"received"`
	// SHA256 is the hash of the bytes that were received.
	SHA256 string `json:"sha256"`
	// EOF says whether the reader has seen the end of the other half.
	EOF        bool   `json:"eof"`
	ReadError  string `json:"readError,omitempty"`
	WriteError string `json:"writeError,omitempty"`
	// OpenError says why there is no stream. The other fields are not used then.
	OpenError string `json:"openError,omitempty"`
}

// carryOut carries the plan out, and returns when both parts have ended.
func (p *plan) carryOut(stream *smux.Stream, released <-chan struct{}) result {
	r := result{Stream: stream.ID()}
	timeout := p.Timeout
	if timeout == 0 {
		timeout = 60_000
	}
	_ = stream.SetDeadline(time.Now().Add(time.Duration(timeout) * time.Millisecond))
	written, ended := make(chan error, 1), make(chan struct{})
	if !p.Echo {
		go func() {
			if p.Later {
				<-ended
			}
			written <- p.write(stream, &r)
		}()
	}
	var failed error
	if !p.NoRead {
		failed = p.read(stream, &r, released)
	}
	close(ended)
	if p.Echo {
		written <- p.end(stream)
	}
	if err := <-written; err != nil {
		r.WriteError = err.Error()
	}
	if failed != nil {
		r.ReadError = failed.Error()
	}
	if !p.Leave {
		stream.Close()
	}
	return r
}

func (p *plan) write(stream *smux.Stream, r *result) error {
	writes := p.Writes
	if len(writes) == 0 {
		writes = []int{1 << 16}
	}
	pattern := newPattern(p.Seed + stream.ID())
	for i := 0; r.Sent < p.Bytes; i++ {
		piece := make([]byte, min(writes[i%len(writes)], p.Bytes-r.Sent))
		pattern.fill(piece)
		n, err := stream.Write(piece)
		r.Sent += n
		if err != nil {
			return fmt.Errorf("after %d bytes: %w", r.Sent, err)
		}
	}
	return p.end(stream)
}

func (p *plan) end(stream *smux.Stream) error {
	switch p.End {
	case "", "closeWrite":
		return stream.CloseWrite()
	case "close":
		return stream.Close()
	case "leave":
		return nil
	}
	return fmt.Errorf("there is no end %q", p.End)
}

func (p *plan) read(stream *smux.Stream, r *result, released <-chan struct{}) error {
	if p.Hold {
		<-released
	}
	size := p.Reads
	if size == 0 {
		size = 1 << 16
	}
	sum := sha256.New()
	defer func() { r.SHA256 = hex.EncodeToString(sum.Sum(nil)) }()
	buffer, expected := make([]byte, size), make([]byte, size)
	var pattern *pattern
	if p.Expect != nil {
		pattern = newPattern(*p.Expect + stream.ID())
	}
	for p.Limit == 0 || r.Received < p.Limit {
		if p.ReadPause > 0 {
			time.Sleep(time.Duration(p.ReadPause) * time.Millisecond)
		}
		n, err := stream.Read(buffer)
		if errors.Is(err, io.EOF) {
			// If the last data and the end arrive while smux looks whether there is data, and then whether the stream has
			// ended, it tells the end before the data. The data can still be read.
			n, err = stream.Read(buffer)
		}
		if errors.Is(err, io.EOF) {
			r.EOF = true
			return nil
		}
		if err != nil {
			return fmt.Errorf("after %d bytes: %w", r.Received, err)
		}
		if pattern != nil {
			pattern.fill(expected[:n])
			if !bytes.Equal(buffer[:n], expected[:n]) {
				return fmt.Errorf("%d bytes from byte %d on are not those of the pattern", n, r.Received)
			}
		}
		sum.Write(buffer[:n])
		r.Received += n
		if p.Echo {
			sent, err := stream.Write(buffer[:n])
			r.Sent += sent
			if err != nil {
				return fmt.Errorf("echo after %d bytes: %w", r.Sent, err)
			}
		}
	}
	return nil
}
