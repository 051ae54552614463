// Writes snappy.json: streams in the Snappy framing format as github.com/golang/snappy writes them
// when each write is flushed, and its verdict on blocks that may be damaged.
//
//	go run . > ../snappy.json
package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"log"
	"math/rand"
	"os"

	"github.com/golang/snappy"
)

// A Stream is the result of one writer. Its writes are runs of bytes.
type Stream struct {
	Name   string  `json:"name"`
	Writes []Write `json:"writes"`
	Bytes  []byte  `json:"bytes"`
}

// A Write has `Length` bytes: those of `Text`, again and again, or random ones if that is empty.
// Random bytes are given as they are.
type Write struct {
	Length int    `json:"length"`
	Text   string `json:"text,omitempty"`
	Random []byte `json:"random,omitempty"`
}

func (w Write) data() []byte {
	if w.Random != nil {
		return w.Random
	}
	return bytes.Repeat([]byte(w.Text), w.Length/len(w.Text)+1)[:w.Length]
}

// A Block is one without framing. Decoded is null if it is not valid.
type Block struct {
	Block   string  `json:"block"`
	Decoded *string `json:"decoded"`
}

var random = rand.New(rand.NewSource(1))

func noise(length int) Write {
	data := make([]byte, length)
	random.Read(data)
	return Write{Length: length, Random: data}
}

func stream(name string, writes ...Write) Stream {
	var buffer bytes.Buffer
	writer := snappy.NewBufferedWriter(&buffer)
	for _, write := range writes {
		if _, err := writer.Write(write.data()); err != nil {
			log.Fatal(err)
		}
		if err := writer.Flush(); err != nil {
			log.Fatal(err)
		}
	}
	return Stream{name, writes, buffer.Bytes()}
}

// damaged changes, cuts or extends a block at random.
func damaged(block []byte) []byte {
	block = bytes.Clone(block)
	for n := random.Intn(3); n >= 0 && len(block) > 0; n-- {
		switch random.Intn(4) {
		case 0:
			block = block[:random.Intn(len(block))]
		case 1:
			block = append(block, byte(random.Intn(256)))
		default:
			block[random.Intn(len(block))] = byte(random.Intn(256))
		}
	}
	return block
}

func blocks() []Block {
	found := []Block{}
	for len(found) < 400 {
		var block []byte
		switch random.Intn(3) {
		case 0: // Random tags behind a length that may be right.
			block = make([]byte, 1+random.Intn(12))
			random.Read(block)
			block[0] = byte(random.Intn(40))
		case 1: // The encoder needs 16 bytes to find a reference.
			text := bytes.Repeat([]byte("abcdefgh-ijklmnop!"[:1+random.Intn(18)]), 40)
			block = damaged(snappy.Encode(nil, text[:1+random.Intn(len(text))]))
		default: // All four kinds of elements, by hand.
			block = []byte{0, 7 << 2, 1, 2, 3, 4, 5, 6, 7, 8}
			offset := 1 + random.Intn(8)
			n := 4 + random.Intn(8)
			block = append(block, byte(1|(n-4)<<2), byte(offset))
			m := 1 + random.Intn(64)
			block = append(block, byte(2|(m-1)<<2), byte(offset), 0)
			k := 1 + random.Intn(64)
			block = append(block, byte(3|(k-1)<<2), byte(offset), 0, 0, 0)
			total := 8 + n + m + k
			if total > 127 {
				block = append([]byte{byte(total | 128), byte(total >> 7)}, block[1:]...)
			} else {
				block[0] = byte(total)
			}
			if random.Intn(2) == 0 {
				block = damaged(block)
			}
		}
		entry := Block{Block: hex.EncodeToString(block)}
		if length, err := snappy.DecodedLen(block); err == nil && length <= 65536 {
			if decoded, err := snappy.Decode(nil, block); err == nil {
				text := hex.EncodeToString(decoded)
				entry.Decoded = &text
			}
		}
		found = append(found, entry)
	}
	return found
}

func main() {
	text := "The quick brown fox jumps over the lazy dog. "
	result := struct {
		Streams []Stream `json:"streams"`
		Blocks  []Block  `json:"blocks"`
	}{
		[]Stream{
			stream("one byte", Write{Length: 1, Text: "a"}),
			stream("text", Write{Length: 5000, Text: text}),
			stream("noise", noise(700)),
			stream("short writes", Write{Length: 8, Text: text}, noise(8), Write{Length: 300, Text: text}),
			stream("a whole block", Write{Length: 65536, Text: "\x00"}),
			stream("one byte more", Write{Length: 65537, Text: text}),
			stream("four blocks", Write{Length: 200000, Text: text}),
			stream("noise inside text", Write{Length: 1000, Text: text}, noise(300), Write{Length: 9000, Text: text}),
		},
		blocks(),
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		log.Fatal(err)
	}
}
