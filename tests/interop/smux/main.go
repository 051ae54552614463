// Command smux runs xtaci/smux, on kcp-go and on TCP, for the tests and the benchmarks, and makes the test vectors.
//
//	smux control      obeys the commands on stdin: one JSON object a line, and one answer a line
//	smux vectors DIR  writes what smux writes in fixed scenarios: the same each time
//	smux bench TASK   is one end of a measurement, which the JSON describes
package main

import (
	"errors"
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "smux:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 1 && args[0] == "control":
		return control()
	case len(args) == 2 && args[0] == "vectors":
		return writeVectors(args[1])
	case len(args) == 2 && args[0] == "bench":
		return benchEnd(args[1])
	}
	return errors.New("usage: smux control | vectors DIR | bench TASK")
}
