package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/klauspost/reedsolomon"
	kcp "github.com/xtaci/kcp-go/v5"
)

// A benchJob is one measurement: both ends in this process, over the loopback.
type benchJob struct {
	settings
	// Mode says what is measured.
	//
	// Over a network: "sink" counts the bytes that arrive at the server. "echo" counts the bytes that come back to the
	// client, which reads each write back before the next write. "pipelined-echo" counts them while a writer and a reader
	// run at once, as in kcp-go's own BenchmarkEchoSpeed.
	//
	// Without a network: "seal" and "open" for packets of a cipher, "crc", "fec" for packets through kcp-go's encoder,
	// and "encode" for Reed-Solomon alone.
	Mode string `json:"mode"`
	// Size is the length of a write, or of a packet, in bytes.
	Size int `json:"size"`
	// Warmup is how many seconds pass before the count begins. Seconds is how long the count takes.
	Warmup  float64 `json:"warmup"`
	Seconds float64 `json:"seconds"`
}

// A benchResult says how many bytes were counted in how many seconds.
type benchResult struct {
	Bytes   int64   `json:"bytes"`
	Seconds float64 `json:"seconds"`
}

// bench reads one job a line from stdin, and prints one result a line.
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
	case "sink", "echo", "pipelined-echo":
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

// step returns one round of a measurement without a network. A round returns how many bytes it handled.
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

// sink uses the results: without it, the compiler could remove the computation.
var sink uint32

func (job *benchJob) runNetwork() (*benchResult, error) {
	l, err := job.listen()
	if err != nil {
		return nil, err
	}
	defer l.Close()
	var counted atomic.Int64
	go job.serve(l, &counted)
	session, err := job.dial(l.Addr().String())
	if err != nil {
		return nil, err
	}
	defer session.Close()
	over := time.Duration((job.Warmup + job.Seconds) * float64(time.Second))
	go func() {
		time.Sleep(over + time.Second)
		session.Close()
	}()
	return job.count(&counted, job.load(session, &counted))
}

// A benchEndJob is one end of a measurement over a network. The other end is in another process.
type benchEndJob struct {
	benchJob
	// Role is "server" or "client".
	Role string `json:"role"`
	// Port is the port of the server.
	Port int `json:"port"`
}

// benchEnd runs one end. A server prints its port first. The end that counts prints the result. Then the process runs
// until it is killed, so that the other end is served.
func benchEnd(task string) error {
	var job benchEndJob
	if err := json.Unmarshal([]byte(task), &job); err != nil {
		return err
	}
	output := json.NewEncoder(os.Stdout)
	var counted atomic.Int64
	var failed <-chan error
	if job.Role == "server" {
		l, err := job.listen()
		if err != nil {
			return err
		}
		if err := output.Encode(map[string]int{"port": l.Addr().(*net.UDPAddr).Port}); err != nil {
			return err
		}
		job.serve(l, &counted)
	} else {
		session, err := job.dial(fmt.Sprintf("127.0.0.1:%d", job.Port))
		if err != nil {
			return err
		}
		failed = job.load(session, &counted)
	}
	if (job.Role == "server") == (job.Mode == "sink") {
		result, err := job.count(&counted, failed)
		if err != nil {
			return err
		}
		if err := output.Encode(result); err != nil {
			return err
		}
	}
	select {}
}

func (job *benchJob) listen() (*kcp.Listener, error) {
	block, err := job.cipher()
	if err != nil {
		return nil, err
	}
	l, err := kcp.ListenWithOptions("127.0.0.1:0", block, job.Data, job.Parity)
	if err != nil {
		return nil, err
	}
	_ = l.SetReadBuffer(socketBuffer)
	_ = l.SetWriteBuffer(socketBuffer)
	return l, nil
}

func (job *benchJob) dial(address string) (*kcp.UDPSession, error) {
	block, err := job.cipher()
	if err != nil {
		return nil, err
	}
	session, err := kcp.DialWithOptions(address, block, job.Data, job.Parity)
	if err != nil {
		return nil, err
	}
	_ = session.SetReadBuffer(socketBuffer)
	_ = session.SetWriteBuffer(socketBuffer)
	return session, job.apply(session)
}

// serve accepts one session in the calling goroutine, and serves it in another.
func (job *benchJob) serve(l *kcp.Listener, counted *atomic.Int64) {
	session, err := l.AcceptKCP()
	if err != nil || job.apply(session) != nil {
		return
	}
	go func() {
		defer session.Close()
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
}

// load starts to send. It returns where an error is told.
func (job *benchJob) load(session *kcp.UDPSession, counted *atomic.Int64) <-chan error {
	sent, received := make([]byte, job.Size), make([]byte, job.Size)
	write := func() error {
		_, err := session.Write(sent)
		return err
	}
	read := func() error {
		for got := 0; got < job.Size; {
			n, err := session.Read(received)
			if err != nil {
				return err
			}
			got += n
			counted.Add(int64(n))
		}
		return nil
	}
	failed := make(chan error, 2)
	switch job.Mode {
	case "sink":
		go func() { failed <- forever(write) }()
	case "echo":
		go func() { failed <- forever(write, read) }()
	case "pipelined-echo":
		go func() { failed <- forever(write) }()
		go func() { failed <- forever(read) }()
	}
	return failed
}

// count waits for the end of the warm-up, and counts from then on.
func (job *benchJob) count(counted *atomic.Int64, failed <-chan error) (*benchResult, error) {
	time.Sleep(time.Duration(job.Warmup * float64(time.Second)))
	before, started := counted.Load(), time.Now()
	select {
	case err := <-failed:
		return nil, fmt.Errorf("%s of %d bytes: %w", job.Mode, job.Size, err)
	case <-time.After(time.Duration(job.Seconds * float64(time.Second))):
	}
	return &benchResult{counted.Load() - before, time.Since(started).Seconds()}, nil
}

// forever runs the steps in turn until one of them fails.
func forever(steps ...func() error) error {
	for {
		for _, step := range steps {
			if err := step(); err != nil {
				return err
			}
		}
	}
}
