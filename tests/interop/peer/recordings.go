package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"time"

	kcp "github.com/xtaci/kcp-go/v5"
)

// A recorded packet.
type recordedPacket struct {
	// From is "client" or "server".
	From string `json:"from"`
	// At is the time since the start, in ms.
	At float64 `json:"at"`
	// Bytes are in base64.
	Bytes string `json:"bytes"`
}

type recorder struct {
	mu      sync.Mutex
	start   time.Time
	packets []recordedPacket
	stopped bool
}

func (r *recorder) note(from string, packet []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return
	}
	at := float64(time.Since(r.start).Microseconds()) / 1000
	r.packets = append(r.packets, recordedPacket{from, at, base64.StdEncoding.EncodeToString(packet)})
}

// stop ends the recording, and returns its packets.
func (r *recorder) stop() []recordedPacket {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
	return r.packets
}

// An end of a cable in memory. The cable loses nothing and records everything.
type end struct {
	name     string
	peer     *end
	arrived  chan []byte
	closed   chan struct{}
	once     sync.Once
	recorder *recorder
}

type address string

func (a address) Network() string { return "memory" }
func (a address) String() string  { return string(a) }

func cable() (client, server *end, r *recorder) {
	r = &recorder{start: time.Now()}
	plug := func(name string) *end {
		return &end{name: name, arrived: make(chan []byte, 4096), closed: make(chan struct{}), recorder: r}
	}
	client, server = plug("client"), plug("server")
	client.peer, server.peer = server, client
	return client, server, r
}

func (e *end) WriteTo(packet []byte, _ net.Addr) (int, error) {
	e.recorder.note(e.name, packet)
	select {
	case e.peer.arrived <- append([]byte{}, packet...):
		return len(packet), nil
	case <-e.peer.closed:
		return len(packet), nil
	}
}

func (e *end) ReadFrom(buffer []byte) (int, net.Addr, error) {
	select {
	case packet := <-e.arrived:
		return copy(buffer, packet), address(e.peer.name), nil
	case <-e.closed:
		return 0, nil, net.ErrClosed
	}
}

func (e *end) Close() error                     { e.once.Do(func() { close(e.closed) }); return nil }
func (e *end) LocalAddr() net.Addr              { return address(e.name) }
func (e *end) SetDeadline(time.Time) error      { return nil }
func (e *end) SetReadDeadline(time.Time) error  { return nil }
func (e *end) SetWriteDeadline(time.Time) error { return nil }

// A talk is a client and a server on one cable.
type talk struct {
	client   *kcp.UDPSession
	server   *kcp.UDPSession
	recorder *recorder
	close    func()
}

// begin connects a client and a server. The server accepts after the client has sent its first bytes.
func begin(s settings, conv uint32, first []byte) (*talk, error) {
	block, err := s.cipher()
	if err != nil {
		return nil, err
	}
	clientEnd, serverEnd, recorder := cable()
	listener, err := kcp.ServeConn(block, s.Data, s.Parity, serverEnd)
	if err != nil {
		return nil, err
	}
	client, err := kcp.NewConn3(conv, address("server"), block, s.Data, s.Parity, clientEnd)
	if err != nil {
		return nil, err
	}
	t := &talk{client: client, recorder: recorder}
	t.close = func() {
		recorder.stop()
		client.Close()
		if t.server != nil {
			t.server.Close()
		}
		listener.Close()
		clientEnd.Close()
		serverEnd.Close()
	}
	if err := s.apply(client); err != nil {
		return t, err
	}
	if _, err := client.Write(first); err != nil {
		return t, err
	}
	if err := listener.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return t, err
	}
	if t.server, err = listener.AcceptKCP(); err != nil {
		return t, err
	}
	return t, s.apply(t.server)
}

// writeRecordings records the packets of kcp-go. They contain timestamps: so they differ each time.
func writeRecordings(dir string) error {
	// The nonces are the same each time.
	kcp.SetEntropy(&lockedReader{reader: rand.NewChaCha8([32]byte{1})})
	for name, make := range map[string]func() (any, error){
		"fec.json":      fecRecordings,
		"exchange.json": exchangeRecordings,
	} {
		value, err := make()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := writeJSON(dir, name, value); err != nil {
			return err
		}
	}
	return nil
}

type lockedReader struct {
	mu     sync.Mutex
	reader io.Reader
}

func (l *lockedReader) Read(target []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reader.Read(target)
}

type fecRecording struct {
	Name   string `json:"name"`
	Data   int    `json:"data"`
	Parity int    `json:"parity"`
	// Packets are the packets of the client: data shards, and the parity shards behind them.
	Packets []recordedPacket `json:"packets"`
}

// fecRecordings records whole groups of a client. Each write is a packet of its own.
func fecRecordings() (any, error) {
	var recordings []fecRecording
	for _, c := range []struct {
		name   string
		ratio  [2]int
		sizes  []int
		pauses map[int]time.Duration
	}{
		{"10/3, unequal lengths", [2]int{10, 3}, repeat([]int{1, 300, 37, 1368, 2, 900, 64, 65, 255, 256}, 40), nil},
		{"10/3, equal lengths", [2]int{10, 3}, repeat([]int{100}, 30), nil},
		{"3/1", [2]int{3, 1}, repeat([]int{500, 20, 20, 1368, 700}, 25), nil},
		{"1/1", [2]int{1, 1}, repeat([]int{10, 1000, 1}, 9), nil},
		{"2/2", [2]int{2, 2}, repeat([]int{10, 1000, 1}, 9), nil},
		{"4/4", [2]int{4, 4}, repeat([]int{7, 400, 1, 90, 33}, 16), nil},
		{"20/5", [2]int{20, 5}, repeat([]int{50, 120, 3}, 60), nil},
		{"1/3", [2]int{1, 3}, repeat([]int{50, 120, 3}, 6), nil},
		// After a pause before the last packet of a group, kcp-go sends no parity of the group. Other pauses do not matter.
		{"3/1, with pauses", [2]int{3, 1}, repeat([]int{400, 10, 80}, 15), map[int]time.Duration{
			4: 600 * time.Millisecond, 5: 600 * time.Millisecond, 9: 600 * time.Millisecond,
		}},
		{"2/2, with pauses", [2]int{2, 2}, repeat([]int{400, 10, 80}, 16), map[int]time.Duration{
			1: 600 * time.Millisecond, 5: 700 * time.Millisecond,
		}},
	} {
		packets, err := recordGroups(settings{Data: c.ratio[0], Parity: c.ratio[1]}, c.sizes, c.pauses)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		recordings = append(recordings, fecRecording{c.name, c.ratio[0], c.ratio[1], packets})
	}
	return recordings, nil
}

func repeat(sizes []int, count int) []int {
	all := make([]int, count)
	for i := range all {
		all[i] = sizes[i%len(sizes)]
	}
	return all
}

func recordGroups(s settings, sizes []int, pauses map[int]time.Duration) ([]recordedPacket, error) {
	t, err := begin(s, 0x01020304, patternBytes(1, sizes[0]))
	if t != nil {
		defer t.close()
	}
	if err != nil {
		return nil, err
	}
	for i, size := range sizes[1:] {
		// The packet before has left: the order of the packets is the order of the writes.
		time.Sleep(max(2*time.Millisecond, pauses[i+1]))
		if _, err := t.client.Write(patternBytes(uint32(i+2), size)); err != nil {
			return nil, err
		}
	}
	time.Sleep(10 * time.Millisecond)
	var packets []recordedPacket
	for _, packet := range t.recorder.stop() {
		if packet.From == "client" {
			packets = append(packets, packet)
		}
	}
	return packets, nil
}

type exchangeRecording struct {
	Name   string `json:"name"`
	Cipher string `json:"cipher"`
	Key    string `json:"key"`
	Data   int    `json:"data"`
	Parity int    `json:"parity"`
	Conv   uint32 `json:"conv"`
	// The client sends the pattern of Seed in writes of these lengths. The server sends the same bytes back in one
	// write, after it has received all.
	Seed    uint32           `json:"seed"`
	Writes  []int            `json:"writes"`
	SHA256  string           `json:"sha256"`
	Packets []recordedPacket `json:"packets"`
}

func exchangeRecordings() (any, error) {
	var recordings []exchangeRecording
	for i, c := range []struct {
		cipher       string
		keySize      int
		data, parity int
	}{
		{"", 0, 0, 0},
		{"", 0, 10, 3},
		{"", 0, 1, 1},
		{"aes-128", 16, 3, 1},
		{"aes-128-gcm", 16, 0, 0},
		{"chacha20-poly1305", 32, 5, 5},
		{"salsa20", 32, 0, 0},
	} {
		recording := exchangeRecording{
			Name:   fmt.Sprintf("%s %d/%d", c.cipher, c.data, c.parity),
			Cipher: c.cipher,
			Key:    hex.EncodeToString(patternBytes(uint32(30_000+i), c.keySize)),
			Data:   c.data,
			Parity: c.parity,
			Conv:   0x81000000 + uint32(i),
			Seed:   uint32(31_000 + i),
			Writes: []int{700, 1, 1300, 2, 5000, 64, 1000, 3, 4000, 12_000, 17, 333},
		}
		if err := recordExchange(&recording); err != nil {
			return nil, fmt.Errorf("%s: %w", recording.Name, err)
		}
		recordings = append(recordings, recording)
	}
	return recordings, nil
}

func recordExchange(r *exchangeRecording) error {
	total := 0
	for _, length := range r.Writes {
		total += length
	}
	bytes := patternBytes(r.Seed, total)
	sum := sha256.Sum256(bytes)
	r.SHA256 = hex.EncodeToString(sum[:])
	s := settings{Cipher: r.Cipher, Key: r.Key, Data: r.Data, Parity: r.Parity}
	t, err := begin(s, r.Conv, bytes[:r.Writes[0]])
	if t != nil {
		defer t.close()
	}
	if err != nil {
		return err
	}
	deadline := time.Now().Add(10 * time.Second)
	if err := errors.Join(t.client.SetDeadline(deadline), t.server.SetDeadline(deadline)); err != nil {
		return err
	}
	failed := make(chan error, 1)
	go func() {
		received := make([]byte, total)
		_, err := io.ReadFull(t.server, received)
		if err == nil {
			_, err = t.server.Write(received)
		}
		failed <- err
	}()
	at := r.Writes[0]
	for _, length := range r.Writes[1:] {
		time.Sleep(3 * time.Millisecond)
		if _, err := t.client.Write(bytes[at : at+length]); err != nil {
			return err
		}
		at += length
	}
	received := make([]byte, total)
	if _, err := io.ReadFull(t.client, received); err != nil {
		return err
	}
	if err := <-failed; err != nil {
		return err
	}
	if string(received) != string(bytes) {
		return errors.New("the echo is not what was sent")
	}
	// The last acknowledgments leave within two intervals.
	time.Sleep(50 * time.Millisecond)
	r.Packets = t.recorder.stop()
	fmt.Fprintf(os.Stderr, "%s: %d packets\n", r.Name, len(r.Packets))
	return nil
}
