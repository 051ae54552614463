package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/xtaci/smux"
)

// A command is one line of JSON.
type command struct {
	// ID is the id of the answer, too.
	ID int `json:"id"`
	// Do says which command it is:
	//
	//	listen   opens a listener; the answer has its handle and address
	//	dial     opens a session to Address, in the role of the client; the answer has its handle
	//	accept   waits for the next session of the listener Handle; the answer has its handle
	//	run      opens so many streams of the session Handle at once, and carries out Plan on each; the answer has the results
	//	served   waits until so many streams of the peer have ended on the session Handle; the answer has their results
	//	release  lets the readers of the session Handle begin that wait
	//	look     answers with the state of the session Handle and of the process
	//	close    closes the listener or the session Handle
	Do     string `json:"do"`
	Handle int    `json:"handle"`
	settings
	Address string `json:"address"`
	Streams int    `json:"streams"`
	// Plan is that of the streams to open, or that of all streams which a session accepts. A session without closes them.
	Plan *plan `json:"plan"`
}

// An answer is one line of JSON.
type answer struct {
	ID      int      `json:"id"`
	Error   string   `json:"error,omitempty"`
	Handle  int      `json:"handle,omitempty"`
	Address string   `json:"address,omitempty"`
	Results []result `json:"results,omitempty"`
	// Ms is how long the command took.
	Ms float64 `json:"ms"`
	// Open is how many streams the session has, and Closed whether it has ended.
	Open   int  `json:"open"`
	Closed bool `json:"closed"`
	// Heap is how many bytes the process has in use after a garbage collection.
	Heap uint64 `json:"heap,omitempty"`
}

// A muxSession is a session and what its accepted streams have done.
type muxSession struct {
	*smux.Session
	served   chan result
	released chan struct{}
	once     sync.Once
}

// newMuxSession begins to accept streams. Without a plan for them, it closes them.
func newMuxSession(session *smux.Session, plan *plan) *muxSession {
	s := &muxSession{Session: session, served: make(chan result, 1<<16), released: make(chan struct{})}
	go func() {
		var running sync.WaitGroup
		for {
			stream, err := session.AcceptStream()
			if err != nil {
				// As servers do; but first all streams end, since smux drops what nobody has read.
				running.Wait()
				session.Close()
				return
			}
			if plan == nil {
				stream.Close()
				continue
			}
			running.Add(1)
			go func() {
				defer running.Done()
				s.served <- plan.carryOut(stream, s.released)
			}()
		}
	}()
	return s
}

// run opens streams at once.
func (s *muxSession) run(streams int, plan *plan) []result {
	results := make([]result, streams)
	var all sync.WaitGroup
	for i := range results {
		all.Add(1)
		go func() {
			defer all.Done()
			stream, err := s.OpenStream()
			if err != nil {
				results[i].OpenError = err.Error()
				return
			}
			results[i] = plan.carryOut(stream, s.released)
		}()
	}
	all.Wait()
	return results
}

// A muxListener has the sessions of a listener.
type muxListener struct {
	listener
	accepted chan *muxSession
}

// A controller has everything that the commands have opened.
type controller struct {
	mu      sync.Mutex
	output  *json.Encoder
	handles []any
}

// control obeys the commands on stdin, all of them at once, until stdin ends.
func control() error {
	c := &controller{output: json.NewEncoder(os.Stdout)}
	input := bufio.NewReaderSize(os.Stdin, 1<<16)
	for {
		line, err := input.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			var command command
			if err := json.Unmarshal(line, &command); err != nil {
				return err
			}
			go c.answer(command)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (c *controller) answer(command command) {
	started := time.Now()
	answer, err := c.obey(command)
	if err != nil {
		answer.Error = err.Error()
	}
	answer.ID = command.ID
	answer.Ms = float64(time.Since(started).Microseconds()) / 1000
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.output.Encode(answer)
}

// add keeps a listener or a session, and returns its handle.
func (c *controller) add(thing any) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.handles = append(c.handles, thing)
	return len(c.handles)
}

// find returns what has a handle.
func find[T any](c *controller, handle int) (thing T, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if handle >= 1 && handle <= len(c.handles) {
		if thing, ok := c.handles[handle-1].(T); ok {
			return thing, nil
		}
	}
	return thing, fmt.Errorf("the handle %d is not one of a %T", handle, thing)
}

func (c *controller) obey(command command) (answer, error) {
	switch command.Do {
	case "listen":
		return c.listen(command)
	case "dial":
		return c.dial(command)
	case "accept":
		l, err := find[*muxListener](c, command.Handle)
		if err != nil {
			return answer{}, err
		}
		session, ok := <-l.accepted
		if !ok {
			return answer{}, errors.New("the listener has ended")
		}
		return answer{Handle: c.add(session)}, nil
	case "close":
		closer, err := find[io.Closer](c, command.Handle)
		if err != nil {
			return answer{}, err
		}
		return answer{}, closer.Close()
	}
	session, err := find[*muxSession](c, command.Handle)
	if err != nil {
		return answer{}, err
	}
	switch command.Do {
	case "run":
		if command.Plan == nil {
			return answer{}, errors.New("run needs a plan")
		}
		return answer{Results: session.run(command.Streams, command.Plan)}, nil
	case "served":
		results := make([]result, command.Streams)
		for i := range results {
			results[i] = <-session.served
		}
		return answer{Results: results}, nil
	case "release":
		session.once.Do(func() { close(session.released) })
		return answer{}, nil
	case "look":
		runtime.GC()
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		// HeapInuse lacks the stacks of the goroutines, of which each blocked reader has one.
		inUse := memory.HeapInuse + memory.StackInuse
		return answer{Open: session.NumStreams(), Closed: session.IsClosed(), Heap: inUse}, nil
	}
	return answer{}, fmt.Errorf("there is no command %q", command.Do)
}

func (c *controller) listen(command command) (answer, error) {
	l, err := command.settings.listen()
	if err != nil {
		return answer{}, err
	}
	ml := &muxListener{l, make(chan *muxSession, 1024)}
	go func() {
		defer close(ml.accepted)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			session, err := command.server(conn)
			if err != nil {
				fmt.Fprintln(os.Stderr, "smux:", err)
				conn.Close()
				continue
			}
			ml.accepted <- newMuxSession(session, command.Plan)
		}
	}()
	return answer{Handle: c.add(ml), Address: l.Addr().String()}, nil
}

func (c *controller) dial(command command) (answer, error) {
	conn, err := command.settings.dial(command.Address)
	if err != nil {
		return answer{}, err
	}
	session, err := command.client(conn)
	if err != nil {
		conn.Close()
		return answer{}, err
	}
	return answer{Handle: c.add(newMuxSession(session, command.Plan))}, nil
}
