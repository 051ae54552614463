package main

import "encoding/binary"

// A pattern is an endless stream of bytes that only depends on a seed: Marsaglia's xorshift32, each word in little-endian
// order. The tests have the same generator.
type pattern struct {
	state uint32
	word  [4]byte
	used  int
}

func newPattern(seed uint32) *pattern {
	state := seed*0x9e3779b1 + 0x7f4a7c15
	if state == 0 {
		state = 1
	}
	return &pattern{state: state, used: 4}
}

// fill writes the next bytes of the stream.
func (p *pattern) fill(target []byte) {
	for len(target) > 0 {
		if p.used == 4 {
			p.state ^= p.state << 13
			p.state ^= p.state >> 17
			p.state ^= p.state << 5
			if len(target) >= 4 {
				binary.LittleEndian.PutUint32(target, p.state)
				target = target[4:]
				continue
			}
			binary.LittleEndian.PutUint32(p.word[:], p.state)
			p.used = 0
		}
		n := copy(target, p.word[p.used:])
		p.used += n
		target = target[n:]
	}
}

// patternBytes returns the first bytes of the stream of this seed.
func patternBytes(seed uint32, length int) []byte {
	bytes := make([]byte, length)
	newPattern(seed).fill(bytes)
	return bytes
}
