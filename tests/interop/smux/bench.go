package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/xtaci/smux"
)

// A benchTask is what one end of a measurement does. The other end is in another process.
type benchTask struct {
	settings
	// Role is "server" or "client".
	Role string `json:"role"`
	// Port is that of the server, or that of a proxy in front of it.
	Port int `json:"port"`
	// Mode says what is measured:
	//
	//	sink     the client writes on all streams, and the server counts the bytes that arrive
	//	request  the client writes on one stream as fast as it can, and sends a request on another each Pause. It measures how
	//	         long each answer took, which has the same length
	//	idle     the client opens streams, sends one byte on each, and gets it back: both ends measure the memory of a stream
	//	opens    Streams workers of the client open a stream, send one byte, get it back, and close the stream, again and again
	Mode    string `json:"mode"`
	Streams int    `json:"streams"`
	// Waiting says that both ends of an idle stream wait for the next byte.
	Waiting bool `json:"waiting"`
	// Size is the length of a write, or of a request.
	Size int `json:"size"`
	// Pause is in ms.
	Pause int `json:"pause"`
	// Warmup is how many seconds pass before the count begins. Seconds is how long the count takes.
	Warmup  float64 `json:"warmup"`
	Seconds float64 `json:"seconds"`
}

// A benchCount says how much was counted in how many seconds.
type benchCount struct {
	Count   int64   `json:"count"`
	Seconds float64 `json:"seconds"`
}

// A benchDelays has the percentiles of the requests, in ms, and what the bulk stream got through meanwhile.
type benchDelays struct {
	Requests int     `json:"requests"`
	P50      float64 `json:"p50"`
	P99      float64 `json:"p99"`
	Max      float64 `json:"max"`
	Bulk     float64 `json:"bulk"`
}

// A benchMemory has the memory of a process in bytes, before the streams and with them.
type benchMemory struct {
	Before  int64 `json:"before"`
	After   int64 `json:"after"`
	Streams int   `json:"streams"`
}

// The first byte of a stream says what the server does with it.
const (
	kindSink = iota
	kindEcho
)

// benchEnd runs one end. A server prints its port first. Then each end prints its result, and runs until it is killed.
func benchEnd(text string) error {
	var task benchTask
	if err := json.Unmarshal([]byte(text), &task); err != nil {
		return err
	}
	output := json.NewEncoder(os.Stdout)
	end := task.client
	if task.Role == "server" {
		end = task.server
	}
	result, err := end(output)
	if err != nil {
		return err
	}
	if result != nil {
		if err := output.Encode(result); err != nil {
			return err
		}
	}
	select {}
}

func (task *benchTask) duration(seconds float64) time.Duration {
	return time.Duration(seconds * float64(time.Second))
}

// count waits for the end of the warm-up, and counts from then on.
func (task *benchTask) count(counted *atomic.Int64) *benchCount {
	time.Sleep(task.duration(task.Warmup))
	before, started := counted.Load(), time.Now()
	time.Sleep(task.duration(task.Seconds))
	return &benchCount{counted.Load() - before, time.Since(started).Seconds()}
}

func (task *benchTask) server(output *json.Encoder) (any, error) {
	l, err := task.listen()
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(l.Addr().String()[strings.LastIndex(l.Addr().String(), ":")+1:])
	if err != nil {
		return nil, err
	}
	if err := output.Encode(map[string]int{"port": port}); err != nil {
		return nil, err
	}
	conn, err := l.Accept()
	if err != nil {
		return nil, err
	}
	before := memory()
	session, err := task.settings.server(conn)
	if err != nil {
		return nil, err
	}
	var counted, opened atomic.Int64
	go func() {
		for {
			stream, err := session.AcceptStream()
			if err != nil {
				return
			}
			go task.serve(stream, &counted, &opened)
		}
	}()
	switch task.Mode {
	case "sink":
		for counted.Load() == 0 {
			time.Sleep(time.Millisecond)
		}
		return task.count(&counted), nil
	case "idle":
		for opened.Load() < int64(task.Streams) {
			time.Sleep(time.Millisecond)
		}
		// The last goroutines end.
		time.Sleep(200 * time.Millisecond)
		return &benchMemory{before, memory(), task.Streams}, nil
	}
	return nil, nil
}

// serve serves one stream.
func (task *benchTask) serve(stream *smux.Stream, counted, opened *atomic.Int64) {
	first := make([]byte, 1)
	if _, err := io.ReadFull(stream, first); err != nil {
		return
	}
	if task.Mode == "idle" {
		_, _ = stream.Write(first)
		opened.Add(1)
		if task.Waiting {
			_, _ = stream.Read(first)
		}
		return
	}
	defer stream.Close()
	if task.Mode == "opens" {
		_, _ = stream.Write(first)
		_, _ = stream.Read(first)
		return
	}
	buffer := make([]byte, 65_536)
	for {
		n, err := stream.Read(buffer)
		if err != nil {
			return
		}
		if first[0] == kindSink {
			counted.Add(int64(n))
		} else if _, err := stream.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (task *benchTask) dialSession() (*smux.Session, error) {
	conn, err := task.dial(net.JoinHostPort("127.0.0.1", fmt.Sprint(task.Port)))
	if err != nil {
		return nil, err
	}
	return task.settings.client(conn)
}

// open opens a stream of a kind.
func open(session *smux.Session, kind byte) (*smux.Stream, error) {
	stream, err := session.OpenStream()
	if err != nil {
		return nil, err
	}
	_, err = stream.Write([]byte{kind})
	return stream, err
}

func (task *benchTask) client(*json.Encoder) (any, error) {
	before := memory()
	session, err := task.dialSession()
	if err != nil {
		return nil, err
	}
	var written atomic.Int64
	bulk := func() error {
		stream, err := open(session, kindSink)
		if err != nil {
			return err
		}
		go func() {
			piece := make([]byte, 65_536)
			if task.Mode == "sink" {
				piece = make([]byte, task.Size)
			}
			for {
				n, err := stream.Write(piece)
				if err != nil {
					return
				}
				written.Add(int64(n))
			}
		}()
		return nil
	}
	switch task.Mode {
	case "sink":
		for range task.Streams {
			if err := bulk(); err != nil {
				return nil, err
			}
		}
		return nil, nil
	case "request":
		if err := bulk(); err != nil {
			return nil, err
		}
		return task.request(session, &written)
	case "idle":
		return task.idle(session, before)
	case "opens":
		return task.opens(session)
	}
	return nil, fmt.Errorf("there is no mode %q", task.Mode)
}

// request sends a request each Pause. The answers come in order.
func (task *benchTask) request(session *smux.Session, written *atomic.Int64) (any, error) {
	stream, err := open(session, kindEcho)
	if err != nil {
		return nil, err
	}
	warm := time.Now().Add(task.duration(task.Warmup))
	until := warm.Add(task.duration(task.Seconds))
	sent := make(chan time.Time, 1<<16)
	failed := make(chan error, 1)
	go func() {
		defer close(sent)
		message := make([]byte, task.Size)
		ticker := time.NewTicker(time.Duration(task.Pause) * time.Millisecond)
		defer ticker.Stop()
		for began := range ticker.C {
			if began.After(until) {
				return
			}
			// The time before the write: it waits for room, too.
			sent <- time.Now()
			if _, err := stream.Write(message); err != nil {
				failed <- err
				return
			}
		}
	}()
	answer := make([]byte, task.Size)
	var delays []float64
	var before int64
	for began := range sent {
		if _, err := io.ReadFull(stream, answer); err != nil {
			return nil, err
		}
		if began.Before(warm) {
			before = written.Load()
		} else {
			delays = append(delays, float64(time.Since(began).Microseconds())/1000)
		}
	}
	bulk := float64(written.Load()-before) / time.Since(warm).Seconds()
	select {
	case err := <-failed:
		return nil, err
	default:
	}
	if len(delays) == 0 {
		return nil, fmt.Errorf("no request was answered")
	}
	sort.Float64s(delays)
	at := func(share float64) float64 { return delays[min(len(delays)-1, int(share*float64(len(delays))))] }
	return &benchDelays{len(delays), at(0.5), at(0.99), at(1), bulk}, nil
}

// each runs a step for each stream, 100 at once.
func (task *benchTask) each(step func() error) error {
	var all sync.WaitGroup
	errs := make(chan error, 100)
	var left atomic.Int64
	left.Store(int64(task.Streams))
	for range 100 {
		all.Add(1)
		go func() {
			defer all.Done()
			for left.Add(-1) >= 0 {
				if err := step(); err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	all.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}

func (task *benchTask) idle(session *smux.Session, before int64) (any, error) {
	err := task.each(func() error {
		stream, err := open(session, kindEcho)
		if err != nil {
			return err
		}
		answer := make([]byte, 1)
		if _, err := io.ReadFull(stream, answer); err != nil {
			return err
		}
		if task.Waiting {
			go stream.Read(answer)
		}
		return nil
	})
	// The last goroutines end.
	time.Sleep(200 * time.Millisecond)
	return &benchMemory{before, memory(), task.Streams}, err
}

func (task *benchTask) opens(session *smux.Session) (any, error) {
	var counted atomic.Int64
	failed := make(chan error, task.Streams)
	for range task.Streams {
		go func() {
			answer := make([]byte, 1)
			for {
				stream, err := open(session, kindEcho)
				if err == nil {
					_, err = io.ReadFull(stream, answer)
				}
				if err != nil {
					failed <- err
					return
				}
				stream.Close()
				counted.Add(1)
			}
		}()
	}
	result := task.count(&counted)
	select {
	case err := <-failed:
		return nil, err
	default:
		return result, nil
	}
}

// memory returns the bytes that are in use after a garbage collection: the heap and the stacks of the goroutines.
func memory() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
