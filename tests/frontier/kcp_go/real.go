// The program measures kcp-go in real time. It has three modes, each with a task in JSON:
//
//	proxy TASK  forwards packets between clients and a server, over a bad link for each client
//	serve TASK  accepts sessions of kcp-go
//	dial TASK   opens sessions of kcp-go
//
// Each prints one JSON object a line. The first of proxy and serve has the port. The test in this folder
// measures in virtual time.
package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"os"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	kcp "github.com/xtaci/kcp-go/v5"
)

// task is what a process does.
type task struct {
	// Port is where a client or a proxy sends to.
	Port int `json:"port"`
	// Sessions is how many there are at once.
	Sessions int `json:"sessions"`
	// Rate is in messages a second, Size in bytes.
	Rate float64 `json:"rate"`
	Size int     `json:"size"`
	// Messages is how many each sender sends.
	Messages int `json:"messages"`
	// BothWays says whether the server's ends send too.
	BothWays bool `json:"bothWays"`
	// Data and Parity are the ratio of error correction; 0 and 0 for none.
	Data   int `json:"data"`
	Parity int `json:"parity"`
	// Link and Seed are those of a proxy.
	Link linkOptions `json:"link"`
	Seed uint64      `json:"seed"`
}

// socketBuffer is the size of the buffers that each socket requests.
const socketBuffer = 4 << 20

func main() {
	if len(os.Args) != 3 {
		fail(fmt.Errorf("want a mode and a task, got %d arguments", len(os.Args)-1))
	}
	var t task
	if err := json.Unmarshal([]byte(os.Args[2]), &t); err != nil {
		fail(err)
	}
	go watchStalls()
	var err error
	switch os.Args[1] {
	case "proxy":
		err = t.proxy()
	case "serve":
		err = t.serve()
	case "dial":
		err = t.dial()
	default:
		err = fmt.Errorf("unknown mode %q", os.Args[1])
	}
	if err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// stall is the longest time that a sleep of 10 ms took too long, in ns: the process did not run.
var stall atomic.Int64

func watchStalls() {
	for {
		began := time.Now()
		time.Sleep(10 * time.Millisecond)
		if late := int64(time.Since(began) - 10*time.Millisecond); late > stall.Load() {
			stall.Store(late)
		}
	}
}

func print(value any) error { return json.NewEncoder(os.Stdout).Encode(value) }

// waitForEnd waits until stdin is closed.
func waitForEnd() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
	}
}

// --- the proxy ---

// lateness counts how late packets leave the proxy, in steps of 0.1 ms.
var lateness = delays{counts: map[int]int{}}

// sums count what arrived at the proxy.
var sums struct {
	mu             sync.Mutex
	bytes, packets int64
}

// proxy forwards packets. For each line on stdin it prints what has arrived, and how late it left.
func (t *task) proxy() error {
	listener, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	_ = listener.SetReadBuffer(socketBuffer)
	if err := print(map[string]int{"port": listener.LocalAddr().(*net.UDPAddr).Port}); err != nil {
		return err
	}
	go func() {
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			sums.mu.Lock()
			bytes, packets := sums.bytes, sums.packets
			sums.mu.Unlock()
			_ = print(map[string]any{
				"bytes":   bytes,
				"packets": packets,
				"late":    lateness.quantile(0.99),
				"stall":   float64(stall.Load()) / 1e6,
			})
		}
		os.Exit(0)
	}()
	clients := map[string]func([]byte){}
	buffer := make([]byte, 65536)
	for {
		n, from, err := listener.ReadFromUDP(buffer)
		if err != nil {
			return err
		}
		up := clients[from.String()]
		if up == nil {
			if up, err = t.admit(listener, from, uint64(len(clients))); err != nil {
				return err
			}
			clients[from.String()] = up
		}
		up(buffer[:n])
	}
}

// admit makes the way to the server and back for a client. It returns what takes the client's packets.
func (t *task) admit(listener *net.UDPConn, client *net.UDPAddr, index uint64) (func([]byte), error) {
	server, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: t.Port})
	if err != nil {
		return nil, err
	}
	way := func(direction uint64, send func([]byte)) func([]byte) {
		line := newLink(t.Link, t.Seed+index, direction)
		coming := newQueue()
		go func() {
			for {
				next, _ := coming.next(nil)
				lateness.add(time.Since(next.at))
				send(next.data)
			}
		}()
		return func(data []byte) {
			sums.mu.Lock()
			sums.bytes += int64(len(data))
			sums.packets++
			sums.mu.Unlock()
			if at, arrives := line.transmit(time.Now()); arrives {
				coming.put(at, append([]byte(nil), data...))
			}
		}
	}
	up := way(0, func(data []byte) { _, _ = server.Write(data) })
	down := way(1, func(data []byte) { _, _ = listener.WriteToUDP(data, client) })
	go func() {
		buffer := make([]byte, 65536)
		for {
			n, err := server.Read(buffer)
			if err != nil {
				return
			}
			down(buffer[:n])
		}
	}()
	return up, nil
}

// quantile returns a percentile by the nearest rank, in ms.
func (d *delays) quantile(share float64) float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	var steps []int
	total := 0
	for step, count := range d.counts {
		steps = append(steps, step)
		total += count
	}
	sort.Ints(steps)
	rank := int(math.Ceil(share * float64(total)))
	for _, step := range steps {
		if rank -= d.counts[step]; rank <= 0 {
			return float64(step) / stepsPerMs
		}
	}
	return 0
}

// --- the ends ---

// sessions collects what the sessions of a process received.
type sessions struct {
	wait sync.WaitGroup
	mu   sync.Mutex
	// all are the delays of each session, by its conversation id.
	all map[uint32]map[int]int
	err error
}

// receive reads the messages of a session in the background.
func (s *sessions) receive(t *task, session *kcp.UDPSession) {
	s.wait.Go(func() {
		found := delays{counts: map[int]int{}}
		err := t.receive(session, &found)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.all == nil {
			s.all = map[uint32]map[int]int{}
		}
		s.all[session.GetConv()] = found.counts
		if err != nil {
			s.err = err
		}
	})
}

// report waits for all, prints the delays, and waits for the end of stdin.
func (s *sessions) report() error {
	s.wait.Wait()
	if s.err != nil {
		return s.err
	}
	if err := print(map[string]any{"delays": s.all, "stall": float64(stall.Load()) / 1e6}); err != nil {
		return err
	}
	waitForEnd()
	return nil
}

// now is the time in ms since 1970.
func now() float64 { return float64(time.Now().UnixNano()) / 1e6 }

// send writes messages at their times. Each begins with its number and the time of its write.
func (t *task) send(session *kcp.UDPSession) {
	message := make([]byte, t.Size)
	start := time.Now()
	for i := 0; i < t.Messages; i++ {
		time.Sleep(time.Until(start.Add(time.Duration(float64(i) / t.Rate * float64(time.Second)))))
		binary.LittleEndian.PutUint32(message, uint32(i))
		binary.LittleEndian.PutUint64(message[4:], math.Float64bits(now()))
		if _, err := session.Write(message); err != nil {
			return
		}
	}
}

func (t *task) receive(session *kcp.UDPSession, into *delays) error {
	buffer := make([]byte, t.Size+1)
	for i := 0; i < t.Messages; i++ {
		n, err := session.Read(buffer)
		if err != nil {
			return fmt.Errorf("message %d of %d: %w", i, t.Messages, err)
		}
		if n != t.Size || binary.LittleEndian.Uint32(buffer) != uint32(i) {
			return fmt.Errorf("message %d of %d is wrong: it has %d bytes", i, t.Messages, n)
		}
		written := math.Float64frombits(binary.LittleEndian.Uint64(buffer[4:]))
		into.add(time.Duration((now() - written) * float64(time.Millisecond)))
	}
	return nil
}

func (t *task) serve() error {
	listener, err := kcp.ListenWithOptions("127.0.0.1:0", nil, t.Data, t.Parity)
	if err != nil {
		return err
	}
	_ = listener.SetReadBuffer(socketBuffer)
	_ = listener.SetWriteBuffer(socketBuffer)
	if err := print(map[string]int{"port": listener.Addr().(*net.UDPAddr).Port}); err != nil {
		return err
	}
	var all sessions
	for range t.Sessions {
		session, err := listener.AcceptKCP()
		if err != nil {
			return err
		}
		apply(session)
		all.receive(t, session)
		if t.BothWays {
			go t.send(session)
		}
	}
	return all.report()
}

func (t *task) dial() error {
	var all sessions
	// The sessions begin one after the other within one interval, so that they are out of step.
	step := time.Duration(float64(time.Second) / t.Rate / float64(t.Sessions))
	start := time.Now()
	for i := range t.Sessions {
		session, err := kcp.DialWithOptions(fmt.Sprintf("127.0.0.1:%d", t.Port), nil, t.Data, t.Parity)
		if err != nil {
			return err
		}
		apply(session)
		time.Sleep(time.Until(start.Add(time.Duration(i) * step)))
		if t.BothWays {
			all.receive(t, session)
		}
		all.wait.Go(func() { t.send(session) })
	}
	return all.report()
}
