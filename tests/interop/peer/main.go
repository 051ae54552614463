// Command peer is kcp-go behind a command line: the other end of the tests, and the source of the test vectors.
//
//	peer serve        listeners, as the JSON on stdin asks for them
//	peer dial         clients, likewise
//	peer vectors DIR  writes the test vectors that are the same each time
//	peer bench        measures throughput, as the JSON on stdin asks for it
//	peer record DIR   writes the recordings, which have timestamps in them
package main

import (
	"errors"
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 1 && args[0] == "serve":
		return serve()
	case len(args) == 1 && args[0] == "dial":
		return dial()
	case len(args) == 1 && args[0] == "bench":
		return bench()
	case len(args) == 2 && args[0] == "vectors":
		return writeVectors(args[1])
	case len(args) == 2 && args[0] == "record":
		return writeRecordings(args[1])
	}
	return errors.New("usage: peer serve | dial | bench | vectors DIR | record DIR")
}
