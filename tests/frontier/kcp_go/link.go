package main

import (
	"container/heap"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// linkOptions say what a link does to packets. The members mean the same as those of the project's
// own links, in transport/link/link_options.ts.
type linkOptions struct {
	// Latency is the one-way delay in ms.
	Latency float64 `json:"latency"`
	// Jitter is the largest random delay in addition, in ms. It never reorders packets.
	Jitter float64 `json:"jitter"`
	// Loss is the probability that a packet is lost, independent of others.
	Loss float64 `json:"loss"`
	// BurstLoss is loss in bursts; nil for none.
	BurstLoss *struct {
		// Enter and Leave are the probabilities that a packet changes the state.
		Enter float64 `json:"enter"`
		Leave float64 `json:"leave"`
	} `json:"burstLoss"`
	// Reorder holds some packets back; nil for none.
	Reorder *struct {
		Probability float64 `json:"probability"`
		// Delay is how long a packet is held back, in ms.
		Delay float64 `json:"delay"`
	} `json:"reorder"`
}

// link is one direction of a path: what it does to the n-th packet depends only on the seed and n.
type link struct {
	options linkOptions
	// Each option draws from a stream of its own.
	loss, burst, jitter, late *rand.Rand
	bad                       bool
	last                      time.Time
}

func newLink(options linkOptions, seed, direction uint64) *link {
	stream := func(n uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 4*direction+n)) }
	return &link{
		options: options,
		loss:    stream(0),
		burst:   stream(1),
		jitter:  stream(2),
		late:    stream(3),
	}
}

// transmit returns when a packet that is sent now arrives, and whether it does.
func (l *link) transmit(now time.Time) (time.Time, bool) {
	o := &l.options
	lost := l.loss.Float64() < o.Loss
	if move := l.burst.Float64(); o.BurstLoss != nil {
		limit := o.BurstLoss.Enter
		if l.bad {
			limit = o.BurstLoss.Leave
		}
		if move < limit {
			l.bad = !l.bad
		}
		lost = lost || l.bad
	}
	jitter := l.jitter.Float64() * o.Jitter
	late := l.late.Float64()
	at := now.Add(milliseconds(o.Latency + jitter))
	if at.Before(l.last) {
		at = l.last
	}
	l.last = at
	if o.Reorder != nil && late < o.Reorder.Probability {
		at = at.Add(milliseconds(o.Reorder.Delay))
	}
	return at, !lost
}

func milliseconds(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

// address is the name of one end of a path.
type address string

func (a address) Network() string { return "memory" }
func (a address) String() string  { return string(a) }

// packet is a packet on its way.
type packet struct {
	at    time.Time
	order uint64
	data  []byte
}

// packets are a heap of packets. Those of one time keep their order.
type packets []packet

func (p packets) Len() int { return len(p) }
func (p packets) Less(i, j int) bool {
	if p[i].at.Equal(p[j].at) {
		return p[i].order < p[j].order
	}
	return p[i].at.Before(p[j].at)
}
func (p packets) Swap(i, j int) { p[i], p[j] = p[j], p[i] }
func (p *packets) Push(x any)   { *p = append(*p, x.(packet)) }
func (p *packets) Pop() any {
	last := len(*p) - 1
	top := (*p)[last]
	(*p)[last] = packet{}
	*p = (*p)[:last]
	return top
}

// queue holds packets until they arrive.
type queue struct {
	mu     sync.Mutex
	coming packets
	order  uint64
	// wake tells the reader that a packet arrives sooner than those before.
	wake chan struct{}
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

// put adds a packet that arrives at a time.
func (q *queue) put(at time.Time, data []byte) {
	q.mu.Lock()
	q.order++
	heap.Push(&q.coming, packet{at, q.order, data})
	first := q.coming[0].order == q.order
	q.mu.Unlock()
	if first {
		select {
		case q.wake <- struct{}{}:
		default:
		}
	}
}

// next waits until a packet arrives, and takes it; false when die is closed before.
func (q *queue) next(die <-chan struct{}) (packet, bool) {
	for {
		var timer *time.Timer
		var due <-chan time.Time
		q.mu.Lock()
		if len(q.coming) > 0 {
			wait := time.Until(q.coming[0].at)
			if wait <= 0 {
				next := heap.Pop(&q.coming).(packet)
				q.mu.Unlock()
				return next, true
			}
			timer = time.NewTimer(wait)
			due = timer.C
		}
		q.mu.Unlock()
		select {
		case <-due:
		case <-q.wake:
		case <-die:
			return packet{}, false
		}
		if timer != nil {
			timer.Stop()
		}
	}
}

// end is one end of a path in memory: a net.PacketConn that has one peer.
type end struct {
	own  address
	peer *end
	// coming are packets on their way to this end.
	coming *queue
	die    chan struct{}
	once   sync.Once

	mu sync.Mutex
	// link leads to the peer.
	link *link
	// sentBytes and sentPackets count what this end sent, lost packets included.
	sentBytes, sentPackets int64
}

// newPath makes the two ends of a path.
func newPath(options linkOptions, seed uint64) (*end, *end) {
	newEnd := func(own address, direction uint64) *end {
		return &end{
			own:    own,
			link:   newLink(options, seed, direction),
			coming: newQueue(),
			die:    make(chan struct{}),
		}
	}
	a, b := newEnd("a", 0), newEnd("b", 1)
	a.peer, b.peer = b, a
	return a, b
}

func (e *end) WriteTo(p []byte, _ net.Addr) (int, error) {
	e.mu.Lock()
	e.sentBytes += int64(len(p))
	e.sentPackets++
	at, arrives := e.link.transmit(time.Now())
	e.mu.Unlock()
	if arrives {
		e.peer.coming.put(at, append([]byte(nil), p...))
	}
	return len(p), nil
}

func (e *end) ReadFrom(p []byte) (int, net.Addr, error) {
	next, ok := e.coming.next(e.die)
	if !ok {
		return 0, nil, net.ErrClosed
	}
	return copy(p, next.data), e.peer.own, nil
}

// sent returns how many bytes and packets this end has sent.
func (e *end) sent() (int64, int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.sentBytes, e.sentPackets
}

func (e *end) Close() error                     { e.once.Do(func() { close(e.die) }); return nil }
func (e *end) LocalAddr() net.Addr              { return e.own }
func (e *end) SetDeadline(time.Time) error      { return nil }
func (e *end) SetReadDeadline(time.Time) error  { return nil }
func (e *end) SetWriteDeadline(time.Time) error { return nil }
