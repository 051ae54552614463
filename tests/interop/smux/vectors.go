package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/xtaci/smux"
)

// The commands of frames.
const (
	syn = iota
	fin
	psh
	nop
	upd
)

// A talk is one session of smux whose peer is this program: it gives the session bytes, and notes what it writes.
type talk struct {
	Name    string `json:"name"`
	Version int    `json:"version"`
	// Client says whether smux is the client.
	Client bool `json:"client"`
	// Settings are those that differ from the defaults of smux.
	Settings muxSettings `json:"settings"`
	Steps    []step      `json:"steps"`

	session *smux.Session
	wire    *wire
	streams map[uint32]*smux.Stream
	// writing are the writes that wait.
	writing map[uint32]chan error
	failed  error
}

// A step is what was done to the session, and what it has written then.
type step struct {
	// Do is "open", "accept", "write", "read", "closeWrite", "close", "input" or "wait".
	Do string `json:"do"`
	// Stream is the id of the stream. For "open" and "accept", it is the result.
	Stream uint32 `json:"stream,omitempty"`
	// Bytes is how many bytes of the pattern with Seed were written, or how many were read.
	Bytes int    `json:"bytes,omitempty"`
	Seed  uint32 `json:"seed,omitempty"`
	// Size is the length of the buffer of a read.
	Size int `json:"size,omitempty"`
	// Data is what was read, or what the peer has sent, in hexadecimal.
	Data string `json:"data,omitempty"`
	// Error is the error of the session. End says that a read has seen the end.
	Error string `json:"error,omitempty"`
	End   bool   `json:"end,omitempty"`
	// Waits says that the write has not ended: the window is full.
	Waits bool `json:"waits,omitempty"`
	// Wire is what smux has written, in hexadecimal. For more than 256 bytes: Long.
	Wire string    `json:"wire"`
	Long *longWire `json:"long,omitempty"`
}

// A longWire describes many bytes.
type longWire struct {
	Bytes  int    `json:"bytes"`
	SHA256 string `json:"sha256"`
	// Headers are those of the frames, in hexadecimal.
	Headers []string `json:"headers"`
}

// A wire is the connection below. What smux writes stays in written.
type wire struct {
	mu      sync.Mutex
	changed *sync.Cond
	read    []byte
	written []byte
	closed  bool
}

func newWire() *wire {
	w := &wire{}
	w.changed = sync.NewCond(&w.mu)
	return w
}

func (w *wire) Read(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.read) == 0 && !w.closed {
		w.changed.Wait()
	}
	if len(w.read) == 0 {
		return 0, io.EOF
	}
	n := copy(p, w.read)
	w.read = w.read[n:]
	return n, nil
}

func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return 0, io.ErrClosedPipe
	}
	w.written = append(w.written, p...)
	return len(p), nil
}

func (w *wire) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.changed.Broadcast()
	return nil
}

// give gives bytes to smux.
func (w *wire) give(data []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.read = append(w.read, data...)
	w.changed.Broadcast()
}

// take returns what smux has written since.
func (w *wire) take() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	written := w.written
	w.written = nil
	return written
}

// pending is how many bytes smux has written since.
func (w *wire) pending() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.written)
}

// settle is how long a step waits for what smux writes by itself. A step that blocks until smux has written needs none.
const settle = 30 * time.Millisecond

// frame makes a frame as a peer sends it.
func frame(version, cmd byte, stream uint32, data []byte) []byte {
	header := make([]byte, 8, 8+len(data))
	header[0], header[1] = version, cmd
	binary.LittleEndian.PutUint16(header[2:], uint16(len(data)))
	binary.LittleEndian.PutUint32(header[4:], stream)
	return append(header, data...)
}

// frame makes a frame of the version of the talk.
func (t *talk) frame(cmd byte, stream uint32, data []byte) []byte {
	return frame(byte(t.Version), cmd, stream, data)
}

// update makes a frame that tells a window.
func (t *talk) update(stream, consumed, window uint32) []byte {
	data := make([]byte, 8)
	binary.LittleEndian.PutUint32(data, consumed)
	binary.LittleEndian.PutUint32(data[4:], window)
	return t.frame(upd, stream, data)
}

func (t *talk) note(s step, err error) {
	if err != nil && t.failed == nil {
		t.failed = fmt.Errorf("%s, step %d, %s: %w", t.Name, len(t.Steps), s.Do, err)
	}
	written := t.wire.take()
	s.Wire = hex.EncodeToString(written)
	if len(written) > 256 {
		sum := sha256.Sum256(written)
		s.Wire = ""
		s.Long = &longWire{Bytes: len(written), SHA256: hex.EncodeToString(sum[:])}
		for at := 0; at < len(written); at += 8 + int(binary.LittleEndian.Uint16(written[at+2:])) {
			s.Long.Headers = append(s.Long.Headers, hex.EncodeToString(written[at:at+8]))
		}
	}
	t.Steps = append(t.Steps, s)
}

func (t *talk) open() uint32 {
	stream, err := t.session.OpenStream()
	if err != nil {
		t.note(step{Do: "open"}, err)
		return 0
	}
	t.streams[stream.ID()] = stream
	t.note(step{Do: "open", Stream: stream.ID()}, nil)
	return stream.ID()
}

// accept accepts a stream, or notes the error of the session.
func (t *talk) accept() uint32 {
	_ = t.session.SetDeadline(time.Now().Add(10 * time.Second))
	stream, err := t.session.AcceptStream()
	if errors.Is(err, smux.ErrTimeout) {
		t.note(step{Do: "accept"}, err)
		return 0
	}
	if err != nil {
		t.note(step{Do: "accept", Error: err.Error()}, nil)
		return 0
	}
	t.streams[stream.ID()] = stream
	t.note(step{Do: "accept", Stream: stream.ID()}, nil)
	return stream.ID()
}

// write writes bytes of a pattern. With blocks, the window is too small, and the write goes on in the background.
func (t *talk) write(stream uint32, bytes int, seed uint32, blocks bool) {
	done := make(chan error, 1)
	go func() {
		_, err := t.streams[stream].Write(patternBytes(seed, bytes))
		done <- err
	}()
	s := step{Do: "write", Stream: stream, Bytes: bytes, Seed: seed}
	if !blocks {
		t.note(s, <-done)
		return
	}
	s.Waits = true
	time.Sleep(settle)
	select {
	case err := <-done:
		t.note(s, fmt.Errorf("the write does not wait: %w", err))
	default:
		t.writing[stream] = done
		t.note(s, nil)
	}
}

// read reads once.
func (t *talk) read(stream uint32, size int) {
	buffer := make([]byte, size)
	_ = t.streams[stream].SetReadDeadline(time.Now().Add(10 * time.Second))
	n, err := t.streams[stream].Read(buffer)
	s := step{Do: "read", Stream: stream, Size: size, Bytes: n}
	if errors.Is(err, io.EOF) {
		s.End, err = true, nil
	}
	if n <= 256 {
		s.Data = hex.EncodeToString(buffer[:n])
	}
	t.note(s, err)
}

// input gives bytes of the peer to the session.
func (t *talk) input(data ...[]byte) {
	all := bytes.Join(data, nil)
	t.wire.give(all)
	time.Sleep(settle)
	t.note(step{Do: "input", Data: hex.EncodeToString(all)}, nil)
}

// pattern gives the session a frame with a pattern. Long frames are not in the vectors.
func (t *talk) pattern(stream uint32, bytes int, seed uint32) {
	t.wire.give(t.frame(psh, stream, patternBytes(seed, bytes)))
	time.Sleep(settle)
	t.note(step{Do: "input", Stream: stream, Bytes: bytes, Seed: seed}, nil)
}

// ended waits for a write that has waited.
func (t *talk) ended(stream uint32) {
	t.note(step{Do: "wait", Stream: stream}, <-t.writing[stream])
}

func (t *talk) closeWrite(stream uint32) {
	t.note(step{Do: "closeWrite", Stream: stream}, t.streams[stream].CloseWrite())
}

func (t *talk) close(stream uint32) {
	t.note(step{Do: "close", Stream: stream}, t.streams[stream].Close())
}

// A scenario is what happens in a talk.
type scenario struct {
	name   string
	client bool
	// versions are those in which it runs.
	versions []int
	settings muxSettings
	run      func(t *talk)
}

var both = []int{1, 2}

var scenarios = []scenario{
	{"a client opens streams", true, both, muxSettings{}, func(t *talk) {
		t.open()
		t.open()
		t.open()
	}},
	{"a server opens streams", false, both, muxSettings{}, func(t *talk) {
		t.open()
		t.open()
	}},
	{"writes become frames", true, both, muxSettings{}, func(t *talk) {
		id := t.open()
		for i, length := range []int{1, 2, 100, 32_767, 32_768, 32_769, 100_000} {
			t.write(id, length, uint32(i), false)
		}
	}},
	{"frames of one byte", true, both, muxSettings{MaxFrameSize: 1}, func(t *talk) {
		t.write(t.open(), 9, 1, false)
	}},
	{"frames of 65,535 bytes", true, both, muxSettings{MaxFrameSize: 65_535}, func(t *talk) {
		t.write(t.open(), 140_000, 1, false)
	}},
	{"two streams end, each in its own way", true, both, muxSettings{}, func(t *talk) {
		first, second := t.open(), t.open()
		t.write(first, 5, 1, false)
		t.closeWrite(first)
		t.write(second, 5, 2, false)
		t.close(second)
	}},
	{"a stream without data ends", true, both, muxSettings{}, func(t *talk) {
		t.close(t.open())
	}},
	{"a server answers after the end of the request", false, both, muxSettings{}, func(t *talk) {
		t.input(t.frame(syn, 3, nil), t.frame(psh, 3, []byte("request")), t.frame(fin, 3, nil))
		id := t.accept()
		t.read(id, 100)
		t.read(id, 100)
		t.write(id, 8, 1, false)
		t.closeWrite(id)
	}},
	{"a client reads the answer after it has ended its request", true, both, muxSettings{}, func(t *talk) {
		id := t.open()
		t.write(id, 7, 1, false)
		t.closeWrite(id)
		t.input(t.frame(psh, id, []byte("answer")), t.frame(fin, id, nil))
		t.read(id, 100)
		t.read(id, 100)
	}},
	{"data before the end is read although the end has come", true, both, muxSettings{}, func(t *talk) {
		id := t.open()
		t.input(t.frame(psh, id, []byte("first")), t.frame(psh, id, []byte("last")), t.frame(fin, id, nil))
		t.read(id, 3)
		t.read(id, 100)
		t.read(id, 100)
		t.read(id, 100)
	}},
	{"data after the end is still read", true, both, muxSettings{}, func(t *talk) {
		id := t.open()
		t.input(t.frame(fin, id, nil), t.frame(psh, id, []byte("late")))
		t.read(id, 100)
		t.read(id, 100)
	}},
	{"what smux ignores", false, both, muxSettings{}, func(t *talk) {
		t.input(t.frame(nop, 0, nil))
		t.input(t.frame(nop, 9, nil))
		t.input(t.frame(psh, 3, nil))
		t.input(t.frame(psh, 3, []byte("for nobody")))
		t.input(t.frame(fin, 3, nil))
		t.input(t.frame(syn, 3, nil), t.frame(syn, 3, nil))
		t.accept()
		t.input(t.frame(psh, 3, nil))
		t.input(t.frame(syn, 5, nil))
		t.accept()
		t.input(t.frame(psh, 3, []byte("data")), t.frame(fin, 3, nil), t.frame(fin, 3, nil))
		t.read(3, 100)
		t.read(3, 100)
		t.close(3)
		t.input(t.frame(psh, 3, []byte("too late")), t.frame(fin, 3, nil))
		t.input(t.frame(syn, 7, nil))
		t.accept()
	}},
	{"ids of any kind", false, both, muxSettings{}, func(t *talk) {
		for _, id := range []uint32{1, 2, 4, 0x7fffffff, 0xffffffff} {
			t.input(t.frame(syn, id, nil))
			t.accept()
		}
	}},
	{"a frame in pieces", false, both, muxSettings{}, func(t *talk) {
		whole := bytes.Join([][]byte{t.frame(syn, 3, nil), t.frame(psh, 3, []byte("pieces"))}, nil)
		for _, piece := range whole {
			t.input([]byte{piece})
		}
		t.read(t.accept(), 100)
	}},
	{"the window grows by updates", true, []int{2}, muxSettings{}, func(t *talk) {
		id := t.open()
		t.write(id, 500_000, 1, true)
		// 162,144 are in flight: more than the window.
		t.input(t.update(id, 100_000, 65_536))
		t.input(t.update(id, 262_144, 65_536))
		t.input(t.update(id, 262_144, 100_000))
		t.input(t.update(id, 362_144, 1_000_000))
		t.ended(id)
		t.closeWrite(id)
	}},
	{"a window of 0, then of 1", true, []int{2}, muxSettings{}, func(t *talk) {
		id := t.open()
		t.input(t.update(id, 0, 0))
		t.write(id, 3, 1, true)
		t.input(t.update(id, 0, 1))
		t.input(t.update(id, 1, 1))
		t.input(t.update(id, 2, 100))
		t.ended(id)
	}},
	{"reads tell the window", false, []int{2}, muxSettings{MaxStreamBuffer: 1000}, func(t *talk) {
		t.input(t.frame(syn, 3, nil))
		id := t.accept()
		t.input(t.frame(psh, id, patternBytes(1, 100)))
		// The first read tells it, then each one after half of the buffer.
		t.read(id, 10)
		t.read(id, 90)
		t.input(t.frame(psh, id, patternBytes(2, 409)))
		t.read(id, 409)
		t.input(t.frame(psh, id, []byte{1}))
		t.read(id, 1)
		t.input(t.frame(psh, id, patternBytes(3, 499)))
		t.read(id, 499)
		t.input(t.frame(psh, id, []byte{1}))
		t.read(id, 1)
	}},
	{"reads tell the window of 65,536", false, []int{2}, muxSettings{}, func(t *talk) {
		t.input(t.frame(syn, 3, nil))
		id := t.accept()
		for i := range 6 {
			t.pattern(id, 20_000, uint32(i))
			t.read(id, 20_000)
		}
	}},
	{"nothing tells a window", false, []int{1}, muxSettings{}, func(t *talk) {
		t.input(t.frame(syn, 3, nil))
		id := t.accept()
		for i := range 6 {
			t.pattern(id, 20_000, uint32(i))
			t.read(id, 20_000)
		}
	}},
	{"an idle session sends a keep-alive", true, both, muxSettings{KeepAlive: 200, KeepAliveTimeout: 60_000}, func(t *talk) {
		for t.wire.pending() < 8 {
			time.Sleep(time.Millisecond)
		}
		t.note(step{Do: "wait"}, nil)
	}},
	{"an update for nobody", false, []int{2}, muxSettings{}, func(t *talk) {
		t.input(t.update(3, 5, 100))
		t.input(t.frame(syn, 5, nil))
		t.accept()
	}},
}

// fatal are inputs that end a session. Each is one talk.
var fatal = []struct {
	name     string
	versions []int
	input    func(t *talk) []byte
}{
	{"another version", both, func(t *talk) []byte { return frame(byte(3-t.Version), syn, 3, nil) }},
	{"version 0", both, func(t *talk) []byte { return frame(0, syn, 3, nil) }},
	{"version 3", both, func(t *talk) []byte { return frame(3, syn, 3, nil) }},
	{"an unknown command", both, func(t *talk) []byte { return t.frame(5, 3, nil) }},
	{"command 255", both, func(t *talk) []byte { return t.frame(255, 3, nil) }},
	{"SYN with data", both, func(t *talk) []byte { return t.frame(syn, 3, []byte{1}) }},
	{"FIN with data", both, func(t *talk) []byte { return t.frame(fin, 3, []byte{1}) }},
	{"NOP with data", both, func(t *talk) []byte { return t.frame(nop, 0, []byte{1}) }},
	{"an update in version 1", []int{1}, func(t *talk) []byte { return t.update(3, 0, 1) }},
	{"an update without data", []int{2}, func(t *talk) []byte { return t.frame(upd, 3, nil) }},
	{"an update of 7 bytes", []int{2}, func(t *talk) []byte { return t.frame(upd, 3, make([]byte, 7)) }},
	{"an update of 9 bytes", []int{2}, func(t *talk) []byte { return t.frame(upd, 3, make([]byte, 9)) }},
}

func record(name string, version int, client bool, settings muxSettings, run func(t *talk)) (*talk, error) {
	settings.Version = version
	if settings.KeepAlive == 0 {
		settings.KeepAlive = -1
	}
	t := &talk{
		Name: name, Version: version, Client: client, Settings: settings,
		wire: newWire(), streams: make(map[uint32]*smux.Stream), writing: make(map[uint32]chan error),
	}
	start := smux.Server
	if client {
		start = smux.Client
	}
	session, err := start(t.wire, settings.config())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	defer session.Close()
	t.session = session
	run(t)
	return t, t.failed
}

// writeVectors writes smux.json.
func writeVectors(dir string) error {
	var talks []*talk
	add := func(t *talk, err error) error {
		talks = append(talks, t)
		return err
	}
	for _, s := range scenarios {
		for _, version := range s.versions {
			if err := add(record(s.name, version, s.client, s.settings, s.run)); err != nil {
				return err
			}
		}
	}
	for _, f := range fatal {
		for _, version := range f.versions {
			err := add(record(f.name, version, false, muxSettings{}, func(t *talk) {
				t.input(f.input(t))
				t.accept()
				if last := t.Steps[len(t.Steps)-1]; last.Error == "" {
					t.failed = fmt.Errorf("%s does not end the session", f.name)
				}
			}))
			if err != nil {
				return err
			}
		}
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(talks); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "smux.json"), text.Bytes(), 0o644)
}
