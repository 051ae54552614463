// Command peer runs kcp-go for the tests and the benchmarks, and makes the test vectors.
//
//	peer serve        opens the listeners that the JSON on stdin describes
//	peer dial         runs the clients that the JSON on stdin describes
//	peer vectors DIR  writes the test vectors without timestamps: the same each time
//	peer bench        runs the measurements that the JSON on stdin describes
//	peer bench TASK   is one end of a measurement, which the JSON describes
//	peer record DIR   writes the recordings, which contain timestamps
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
	case len(args) == 2 && args[0] == "bench":
		return benchEnd(args[1])
	case len(args) == 2 && args[0] == "vectors":
		return writeVectors(args[1])
	case len(args) == 2 && args[0] == "record":
		return writeRecordings(args[1])
	}
	return errors.New("usage: peer serve | dial | bench [TASK] | vectors DIR | record DIR")
}
