package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/klauspost/reedsolomon"
	kcp "github.com/xtaci/kcp-go/v5"
)

// A benchJob is one measurement: both ends in this process, over the loopback.
type benchJob struct {
	settings
	// Mode is "sink", where the server counts what arrives, or "echo", where the client counts what comes back; or,
	// without a network, "seal" or "open" for packets of a cipher, "crc", "fec" for packets through kcp-go's encoder, and
	// "encode" for Reed-Solomon alone.
	Mode string `json:"mode"`
	// Size is how many bytes are written at a time, and read back before the next in an echo; or those of a packet.
	Size int `json:"size"`
	// Warmup and Seconds are how long it runs before the count begins, and after.
	Warmup  float64 `json:"warmup"`
	Seconds float64 `json:"seconds"`
}

// A benchResult is what was counted, and in which time.
type benchResult struct {
	Bytes   int64   `json:"bytes"`
	Seconds float64 `json:"seconds"`
}

// bench takes one job a line from stdin, and prints one result a line.
func bench() error {
	input := json.NewDecoder(os.Stdin)
	output := json.NewEncoder(os.Stdout)
	for {
		var job benchJob
		if err := input.Decode(&job); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		result, err := job.run()
		if err != nil {
			return err
		}
		if err := output.Encode(result); err != nil {
			return err
		}
	}
}

func (job *benchJob) run() (*benchResult, error) {
	switch job.Mode {
	case "sink", "echo":
		return job.runNetwork()
	}
	step, err := job.step()
	if err != nil {
		return nil, err
	}
	measure := func(seconds float64) (int64, float64) {
		bytes, started := int64(0), time.Now()
		for {
			for i := 0; i < 64; i++ {
				bytes += int64(step())
			}
			if passed := time.Since(started).Seconds(); passed >= seconds {
				return bytes, passed
			}
		}
	}
	measure(job.Warmup)
	bytes, seconds := measure(job.Seconds)
	return &benchResult{bytes, seconds}, nil
}

// step is one round of a measurement without a network; it returns the bytes that count.
func (job *benchJob) step() (func() int, error) {
	packet := make([]byte, job.Size, job.Size+64)
	switch job.Mode {
	case "crc":
		return func() int {
			sink += crc32.ChecksumIEEE(packet)
			return len(packet)
		}, nil
	case "encode":
		codec, err := reedsolomon.New(job.Data, job.Parity)
		if err != nil {
			return nil, err
		}
		shards := make([][]byte, job.Data+job.Parity)
		for i := range shards {
			shards[i] = make([]byte, job.Size)
		}
		return func() int {
			if err := codec.Encode(shards); err != nil {
				panic(err)
			}
			return job.Data * job.Size
		}, nil
	case "fec":
		encoder := newFECEncoder(job.Data, job.Parity, 0)
		return func() int {
			fecEncode(encoder, packet, 500)
			return len(packet)
		}, nil
	case "seal", "open":
	default:
		return nil, fmt.Errorf("there is no mode %q", job.Mode)
	}
	block, err := job.cipher()
	if err != nil {
		return nil, err
	}
	if aead, ok := block.(interface {
		Seal(dst, nonce, plaintext, additionalData []byte) []byte
		Open(dst, nonce, ciphertext, additionalData []byte) ([]byte, error)
		NonceSize() int
		Overhead() int
	}); ok {
		nonce := packet[:aead.NonceSize()]
		plain := packet[aead.NonceSize() : job.Size-aead.Overhead()]
		if job.Mode == "seal" {
			return func() int { return len(aead.Seal(nonce, nonce, plain, nil)) }, nil
		}
		sealed := aead.Seal(make([]byte, 0, job.Size), nonce, plain, nil)
		opened := make([]byte, 0, job.Size)
		return func() int {
			if _, err := aead.Open(opened, nonce, sealed, nil); err != nil {
				panic(err)
			}
			return job.Size
		}, nil
	}
	const nonceSize, crcSize = 16, 4
	if job.Mode == "seal" {
		return func() int {
			sum := crc32.ChecksumIEEE(packet[nonceSize+crcSize:])
			binary.LittleEndian.PutUint32(packet[nonceSize:], sum)
			block.Encrypt(packet, packet)
			return len(packet)
		}, nil
	}
	return func() int {
		block.Decrypt(packet, packet)
		sink += crc32.ChecksumIEEE(packet[nonceSize+crcSize:])
		return len(packet)
	}, nil
}

// sink keeps results in use.
var sink uint32

func (job *benchJob) runNetwork() (*benchResult, error) {
	block, err := job.cipher()
	if err != nil {
		return nil, err
	}
	l, err := kcp.ListenWithOptions("127.0.0.1:0", block, job.Data, job.Parity)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	_ = l.SetReadBuffer(socketBuffer)
	_ = l.SetWriteBuffer(socketBuffer)
	var counted atomic.Int64
	go func() {
		session, err := l.AcceptKCP()
		if err != nil {
			return
		}
		defer session.Close()
		if job.apply(session) != nil {
			return
		}
		buffer := make([]byte, max(job.Size, 65536))
		for {
			n, err := session.Read(buffer)
			if err != nil {
				return
			}
			if job.Mode == "sink" {
				counted.Add(int64(n))
			} else if _, err := session.Write(buffer[:n]); err != nil {
				return
			}
		}
	}()
	session, err := kcp.DialWithOptions(l.Addr().String(), block, job.Data, job.Parity)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	_ = session.SetReadBuffer(socketBuffer)
	_ = session.SetWriteBuffer(socketBuffer)
	if err := job.apply(session); err != nil {
		return nil, err
	}
	over := time.Duration((job.Warmup + job.Seconds) * float64(time.Second))
	go func() {
		time.Sleep(over + time.Second)
		session.Close()
	}()
	failed := make(chan error, 1)
	go func() {
		buffer := make([]byte, job.Size)
		for {
			if _, err := session.Write(buffer); err != nil {
				failed <- err
				return
			}
			if job.Mode != "echo" {
				continue
			}
			for got := 0; got < len(buffer); {
				n, err := session.Read(buffer)
				if err != nil {
					failed <- err
					return
				}
				got += n
				counted.Add(int64(n))
			}
		}
	}()
	time.Sleep(time.Duration(job.Warmup * float64(time.Second)))
	before, started := counted.Load(), time.Now()
	select {
	case err := <-failed:
		return nil, fmt.Errorf("%s of %d bytes: %w", job.Mode, job.Size, err)
	case <-time.After(time.Duration(job.Seconds * float64(time.Second))):
	}
	return &benchResult{counted.Load() - before, time.Since(started).Seconds()}, nil
}
