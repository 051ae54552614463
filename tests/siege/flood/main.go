// Command flood attacks a KCP listener on the loopback.
//
// It sends packets with forged sources in 127.0.0.0/8, as fast as it can or at a rate. It needs raw
// sockets, which root has. Without them it binds many addresses of 127.0.0.0/8, and sends from those.
// It ends after a time, or when its stdin is closed. It then prints a line of JSON: what it sent.
package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// The kinds of packets, by the names that -mix uses.
const (
	opening = "openings" // the first segment of a new conversation
	wask    = "wask"     // the question of a new conversation
	garbage = "garbage"  // random bytes of random length
	header  = "headers"  // a random KCP header from the honest client's address, in its conversation
	replay  = "replays"  // a copy of an honest packet
	zero    = "zero"     // the first segment of a new conversation, from port 0
)

var kinds = []string{opening, wask, garbage, header, replay, zero}

// Report is what the program prints at its end.
type Report struct {
	Raw     bool             `json:"raw"`
	Seconds float64          `json:"seconds"`
	Sent    map[string]int64 `json:"sent"`
	// Packets that the system refused.
	Refused int64 `json:"refused"`
}

func main() {
	target := flag.String("target", "", "address of the listener, such as 127.0.0.1:4000")
	honest := flag.String("honest", "", "address of an honest client, for headers")
	conv := flag.Uint("conv", 0, "conversation of the honest client")
	rate := flag.Int("rate", 0, "packets a second; 0: as fast as possible")
	seconds := flag.Float64("seconds", 10, "how long it runs")
	mix := flag.String("mix", "openings=40,wask=10,garbage=20,headers=10,replays=15,zero=5",
		"kinds of packets with their shares")
	seed := flag.Uint64("seed", 1, "seed of the random numbers")
	flag.Parse()

	f := &flood{random: rand.New(rand.NewPCG(*seed, 0)), conv: uint32(*conv)}
	var err error
	if f.target, err = netip.ParseAddrPort(*target); err != nil {
		fail(err)
	}
	if *honest != "" {
		if f.honest, err = netip.ParseAddrPort(*honest); err != nil {
			fail(err)
		}
	}
	shares, err := parseMix(*mix)
	if err != nil {
		fail(err)
	}
	if f.sender, err = openRaw(); err != nil {
		if f.sender, err = openBound(256); err != nil {
			fail(err)
		}
	}
	if _, raw := f.sender.(*rawSender); raw {
		go f.sniff()
	}
	var stop atomic.Bool
	go func() {
		io.Copy(io.Discard, os.Stdin)
		stop.Store(true)
	}()
	report := f.run(shares, *rate, time.Duration(*seconds*float64(time.Second)), &stop)
	line, _ := json.Marshal(report)
	fmt.Println(string(line))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "flood:", err)
	os.Exit(1)
}

// parseMix returns a table of 256 kinds, in which each kind has its share.
func parseMix(text string) ([]string, error) {
	weights := map[string]int{}
	sum := 0
	for part := range strings.SplitSeq(text, ",") {
		name, number, _ := strings.Cut(part, "=")
		weight, err := strconv.Atoi(number)
		known := false
		for _, kind := range kinds {
			known = known || kind == name
		}
		if err != nil || weight < 0 || !known {
			return nil, fmt.Errorf("bad part of the mix: %q", part)
		}
		weights[name] += weight
		sum += weight
	}
	if sum == 0 {
		return nil, errors.New("the mix is empty")
	}
	table := make([]string, 0, 256)
	reached := 0
	for _, kind := range kinds {
		reached += weights[kind]
		for len(table) < 256*reached/sum {
			table = append(table, kind)
		}
	}
	return table, nil
}

// A sender sends a UDP payload from a source. It may replace the source by one that it can use.
type sender interface {
	send(source, target netip.AddrPort, payload []byte) error
}

type flood struct {
	sender sender
	target netip.AddrPort
	honest netip.AddrPort
	conv   uint32
	random *rand.Rand
	// Copies of honest packets. Each is replaced by a newer one from time to time.
	copies [1024]atomic.Pointer[capture]
	packet [1500]byte
}

// A capture is a copy of an honest packet.
type capture struct {
	source  netip.AddrPort
	payload []byte
}

func (f *flood) run(shares []string, rate int, length time.Duration, stop *atomic.Bool) Report {
	_, raw := f.sender.(*rawSender)
	report := Report{Raw: raw, Sent: map[string]int64{}}
	counts := make(map[string]*int64)
	for _, kind := range kinds {
		counts[kind] = new(int64)
	}
	start := time.Now()
	total := 0
	for !stop.Load() {
		elapsed := time.Since(start)
		if elapsed >= length {
			break
		}
		burst := 64
		if rate > 0 {
			burst = int(elapsed.Seconds()*float64(rate)) - total
			if burst <= 0 {
				time.Sleep(time.Millisecond)
				continue
			}
			// A program that did not run for a while makes up for a part of it.
			if burst > rate/20+1 {
				total += burst - (rate/20 + 1)
				burst = rate/20 + 1
			}
		}
		total += burst
		for range burst {
			kind := shares[f.random.Uint32()&255]
			source, payload := f.make(kind)
			if payload == nil {
				continue
			}
			if f.sender.send(source, f.target, payload) != nil {
				report.Refused++
				continue
			}
			*counts[kind]++
		}
	}
	for kind, count := range counts {
		report.Sent[kind] = *count
	}
	report.Seconds = time.Since(start).Seconds()
	return report
}

// Commands of KCP, and `frg` of a question that opens a conversation.
const (
	cmdPush  = 81
	cmdAck   = 82
	cmdWask  = 83
	cmdWins  = 84
	cmdReset = 88
	question = 0xe1
	overhead = 24
)

// make makes a packet of a kind, and its source. The packet is nil if there is nothing to send.
func (f *flood) make(kind string) (netip.AddrPort, []byte) {
	r := f.random
	packet := f.packet[:]
	source := f.anywhere()
	switch kind {
	case opening, zero:
		size := r.IntN(64)
		if r.IntN(8) == 0 {
			size = r.IntN(1200)
		}
		putHeader(packet, r.Uint32(), cmdPush, 0, 128, r.Uint32(), 0, 0, uint32(size))
		if kind == zero {
			source = netip.AddrPortFrom(source.Addr(), 0)
		}
		return source, packet[:overhead+size]
	case wask:
		putHeader(packet, r.Uint32(), cmdWask, question, 128, r.Uint32(), 0, 0, 0)
		return source, packet[:overhead]
	case garbage:
		size := r.IntN(len(packet) - 28)
		for at := 0; at < size; at += 8 {
			binary.LittleEndian.PutUint64(packet[at:], r.Uint64())
		}
		return source, packet[:size]
	case header:
		if !f.honest.IsValid() {
			return source, nil
		}
		cmd := []byte{cmdReset, cmdAck, cmdWins, cmdWask}[r.IntN(4)]
		// Without a cipher, a `una` or `sn` that the client could send is a guess of 22 bits that the
		// protocol can't refuse. So these are none that a short transfer reaches.
		una := r.Uint32() | 1<<31
		if r.IntN(2) == 0 {
			una = 0
		}
		sn := r.Uint32()
		if cmd == cmdAck {
			sn |= 1 << 31
		}
		putHeader(packet, f.conv, cmd, byte(r.Uint32()), uint16(r.Uint32()), r.Uint32(), sn, una, 0)
		return f.honest, packet[:overhead]
	case replay:
		copied := f.copies[r.IntN(len(f.copies))].Load()
		if copied == nil {
			return source, nil
		}
		return copied.source, copied.payload
	}
	return source, nil
}

// anywhere returns a random address of 127.0.0.0/8 with a random port.
func (f *flood) anywhere() netip.AddrPort {
	n := f.random.Uint64()
	host := netip.AddrFrom4([4]byte{127, byte(n), byte(n >> 8), byte(n>>16) | 2})
	return netip.AddrPortFrom(host, uint16(n>>32)|1)
}

func putHeader(to []byte, conv uint32, cmd, frg byte, wnd uint16, ts, sn, una, size uint32) {
	binary.LittleEndian.PutUint32(to, conv)
	to[4] = cmd
	to[5] = frg
	binary.LittleEndian.PutUint16(to[6:], wnd)
	binary.LittleEndian.PutUint32(to[8:], ts)
	binary.LittleEndian.PutUint32(to[12:], sn)
	binary.LittleEndian.PutUint32(to[16:], una)
	binary.LittleEndian.PutUint32(to[20:], size)
}

// forgedTTL marks the packets of this program: the sniffer takes no copies of them.
const forgedTTL = 63

// A rawSender sends from any source.
type rawSender struct {
	fd     int
	packet [1600]byte
}

func openRaw() (sender, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_RAW, syscall.IPPROTO_RAW)
	if err != nil {
		return nil, err
	}
	return &rawSender{fd: fd}, nil
}

func (s *rawSender) send(source, target netip.AddrPort, payload []byte) error {
	total := 28 + len(payload)
	p := s.packet[:total]
	// The kernel fills in the id and the checksum. A UDP checksum of 0 means that there is none.
	copy(p, []byte{0x45, 0, 0, 0, 0, 0, 0, 0, forgedTTL, syscall.IPPROTO_UDP, 0, 0})
	binary.NativeEndian.PutUint16(p[2:], uint16(total))
	from, to := source.Addr().As4(), target.Addr().As4()
	copy(p[12:], from[:])
	copy(p[16:], to[:])
	binary.BigEndian.PutUint16(p[20:], source.Port())
	binary.BigEndian.PutUint16(p[22:], target.Port())
	binary.BigEndian.PutUint16(p[24:], uint16(8+len(payload)))
	p[26], p[27] = 0, 0
	copy(p[28:], payload)
	return syscall.Sendto(s.fd, p, 0, &syscall.SockaddrInet4{Addr: to})
}

// A boundSender sends from sockets that are bound to addresses of 127.0.0.0/8.
type boundSender struct {
	fds  []int
	next int
}

func openBound(count int) (sender, error) {
	s := &boundSender{}
	for i := range count {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
		if err != nil {
			return nil, err
		}
		host := [4]byte{127, 1, byte(i), 2}
		if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: host}); err != nil {
			return nil, err
		}
		s.fds = append(s.fds, fd)
	}
	return s, nil
}

func (s *boundSender) send(source, target netip.AddrPort, payload []byte) error {
	if source.Port() == 0 {
		return errors.New("no socket sends from port 0")
	}
	s.next = (s.next + 1) % len(s.fds)
	to := &syscall.SockaddrInet4{Addr: target.Addr().As4(), Port: int(target.Port())}
	return syscall.Sendto(s.fds[s.next], payload, 0, to)
}

// sniff copies packets of others to the target, until the process ends.
func (f *flood) sniff() {
	const ipv4 = 0x0800
	// Network byte order.
	protocol := int(ipv4>>8 | ipv4&0xff<<8)
	fd, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_DGRAM, protocol)
	if err != nil {
		return
	}
	// Keeps what this program did not send: only that is copied to the process.
	filter := []syscall.SockFilter{
		*syscall.LsfStmt(syscall.BPF_LD|syscall.BPF_B|syscall.BPF_ABS, 8),
		*syscall.LsfJump(syscall.BPF_JMP|syscall.BPF_JEQ|syscall.BPF_K, forgedTTL, 0, 1),
		*syscall.LsfStmt(syscall.BPF_RET|syscall.BPF_K, 0),
		*syscall.LsfStmt(syscall.BPF_RET|syscall.BPF_K, 0xffff),
	}
	if err := syscall.AttachLsf(fd, filter); err != nil {
		return
	}
	buffer := make([]byte, 1<<16)
	for next := 0; ; {
		n, _, err := syscall.Recvfrom(fd, buffer, 0)
		if err != nil {
			continue
		}
		// Longer packets are runs that the kernel has joined.
		if n < 28 || n > 1500 || buffer[0] != 0x45 || buffer[9] != syscall.IPPROTO_UDP {
			continue
		}
		to := netip.AddrPortFrom(
			netip.AddrFrom4([4]byte(buffer[16:20])), binary.BigEndian.Uint16(buffer[22:]))
		if to != f.target {
			continue
		}
		source := netip.AddrPortFrom(
			netip.AddrFrom4([4]byte(buffer[12:16])), binary.BigEndian.Uint16(buffer[20:]))
		f.copies[next].Store(&capture{source, append([]byte(nil), buffer[28:n]...)})
		next = (next + 1) % len(f.copies)
		if next == 0 {
			// The copies stay for a while: old ones are as interesting as new ones.
			time.Sleep(500 * time.Millisecond)
		}
	}
}
