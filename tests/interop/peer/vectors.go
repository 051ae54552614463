package main

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"

	"github.com/klauspost/reedsolomon"
	kcp "github.com/xtaci/kcp-go/v5"
	"golang.org/x/crypto/pbkdf2"
)

// packetLimit is the longest packet of kcp-go 5.6, which made the vectors. kcp-go 5.7 takes at most 1472 bytes: its XOR
// cipher leaves the rest of a packet as it is.
const packetLimit = 1500

func writeJSON(dir, name string, value any) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name), text.Bytes(), 0o644)
}

// writeVectors writes the vectors that only depend on this program: they are the same each time.
func writeVectors(dir string) error {
	for name, make := range map[string]func() (any, error){
		"ciphers.json":      cipherVectors,
		"checksums.json":    checksumVectors,
		"derive_key.json":   keyVectors,
		"reed_solomon.json": reedSolomonVectors,
	} {
		value, err := make()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := writeJSON(dir, name, value); err != nil {
			return err
		}
	}
	return nil
}

type cipherVector struct {
	Cipher string `json:"cipher"`
	Key    string `json:"key"`
	// Packets have patterns as payloads.
	Packets []packetVector `json:"packets"`
}

type packetVector struct {
	Seed   uint32 `json:"seed"`
	Length int    `json:"length"`
	Nonce  string `json:"nonce"`
	Sealed string `json:"sealed"`
}

// A sealer has the methods of kcp-go's AEAD ciphers that BlockCrypt lacks.
type sealer interface {
	NonceSize() int
	Overhead() int
	Seal(dst, nonce, plaintext, additionalData []byte) []byte
}

// seal makes a packet in the way of kcp-go's sessions.
func seal(block kcp.BlockCrypt, nonce, payload []byte) []byte {
	if aead, ok := block.(sealer); ok {
		packet := make([]byte, len(nonce), packetLimit)
		copy(packet, nonce)
		return aead.Seal(packet, nonce, payload, nil)
	}
	packet := make([]byte, len(nonce)+4+len(payload))
	copy(packet, nonce)
	binary.LittleEndian.PutUint32(packet[len(nonce):], crc32.ChecksumIEEE(payload))
	copy(packet[len(nonce)+4:], payload)
	block.Encrypt(packet, packet)
	return packet
}

func cipherVectors() (any, error) {
	specs := append([]cipherSpec{}, cipherSpecs...)
	// These ciphers accept keys of other lengths too.
	for _, spec := range cipherSpecs {
		for _, size := range map[string][]int{
			"twofish": {16, 24}, "blowfish": {1, 16, 56}, "xor": {1, 16, 100},
		}[spec.name] {
			specs = append(specs, cipherSpec{spec.name, size, spec.make})
		}
	}
	var vectors []cipherVector
	for i, spec := range specs {
		key := patternBytes(uint32(1000+i), spec.keySize)
		block, err := spec.make(key)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", spec.name, err)
		}
		nonceSize, overhead := 16, 20
		if aead, ok := block.(sealer); ok {
			nonceSize = aead.NonceSize()
			overhead = nonceSize + aead.Overhead()
		}
		// The payloads, and the packets with their header of 20 bytes, end around the ends of blocks.
		lengths := []int{0, 1, 3, 4, 5, 7, 8, 9, 11, 12, 13, 15, 16, 17, 27, 28, 29, 100, 1376, packetLimit - overhead}
		if i >= len(cipherSpecs) {
			lengths = []int{0, 100}
		}
		vector := cipherVector{Cipher: spec.name, Key: hex.EncodeToString(key)}
		for k, length := range lengths {
			seed := uint32(10_000 + 100*i + k)
			nonce := patternBytes(seed+1_000_000, nonceSize)
			sealed := seal(block, nonce, patternBytes(seed, length))
			vector.Packets = append(vector.Packets, packetVector{
				seed, length, hex.EncodeToString(nonce), hex.EncodeToString(sealed),
			})
		}
		vectors = append(vectors, vector)
	}
	return vectors, nil
}

type checksumVector struct {
	Seed   uint32 `json:"seed"`
	Length int    `json:"length"`
	CRC32  uint32 `json:"crc32"`
}

func checksumVectors() (any, error) {
	var vectors []checksumVector
	for length := 0; length <= 70; length++ {
		vectors = append(vectors, checksumVector{Seed: uint32(length), Length: length})
	}
	for i, length := range []int{100, 255, 256, 257, 1376, 1500, 65_507, 1 << 20} {
		vectors = append(vectors, checksumVector{Seed: uint32(100 + i), Length: length})
	}
	for i, v := range vectors {
		vectors[i].CRC32 = crc32.ChecksumIEEE(patternBytes(v.Seed, v.Length))
	}
	return vectors, nil
}

type keyVector struct {
	// Password is in hexadecimal: it may contain any bytes.
	Password string `json:"password"`
	Key      string `json:"key"`
}

// keyVectors derives keys with the salt, the number of rounds and the hash of kcptun.
func keyVectors() (any, error) {
	passwords := [][]byte{
		{},
		[]byte("a"),
		[]byte("it's a secrect"), // The default of kcptun, in its spelling.
		[]byte("correct horse battery staple"),
		[]byte("pässwörd 密码 🔑"),
		{0, 255, 0, 128},
		patternBytes(1, 63), // Around the block size of SHA-1: HMAC hashes a longer key first.
		patternBytes(2, 64),
		patternBytes(3, 65),
		patternBytes(4, 200),
	}
	var vectors []keyVector
	for _, password := range passwords {
		key := pbkdf2.Key(password, []byte("kcp-go"), 4096, 32, sha1.New)
		vectors = append(vectors, keyVector{hex.EncodeToString(password), hex.EncodeToString(key)})
	}
	return vectors, nil
}

type codeVector struct {
	Data   int `json:"data"`
	Parity int `json:"parity"`
	// Size is the length of a shard in bytes. Data shard i is the pattern of Seed + i.
	Size int    `json:"size"`
	Seed uint32 `json:"seed"`
	// Shards are the parity shards, one behind the other, in base64.
	Shards string `json:"shards"`
	// Matrix has the coefficients of the parity shards, a row each, in hexadecimal.
	Matrix []string `json:"matrix,omitempty"`
	// Erasures are sets of indices of missing shards. klauspost/reedsolomon restored the data for each set.
	Erasures [][]int `json:"erasures"`
}

func reedSolomonVectors() (any, error) {
	var vectors []codeVector
	for i, ratio := range [][2]int{
		{1, 1}, {1, 2}, {1, 3}, {2, 1}, {3, 1}, {2, 2}, {4, 4}, {5, 5}, {10, 3}, {10, 10}, {20, 5}, {17, 3}, {64, 64},
		{100, 30}, {128, 127}, {128, 128}, {200, 55}, {254, 1}, {1, 254}, {255, 1}, {1, 255}, {254, 2}, {2, 254},
	} {
		vector, err := reedSolomonVector(ratio[0], ratio[1], uint32(20_000+1000*i))
		if err != nil {
			return nil, fmt.Errorf("%d/%d: %w", ratio[0], ratio[1], err)
		}
		vectors = append(vectors, vector)
	}
	return vectors, nil
}

func reedSolomonVector(data, parity int, seed uint32) (codeVector, error) {
	size := 64
	if data+parity > 32 {
		size = 16
	}
	vector := codeVector{Data: data, Parity: parity, Size: size, Seed: seed}
	code, err := reedsolomon.New(data, parity)
	if err != nil {
		return vector, err
	}
	shards := make([][]byte, data+parity)
	for i := range shards {
		shards[i] = make([]byte, size)
		if i < data {
			newPattern(seed + uint32(i)).fill(shards[i])
		}
	}
	if err := code.Encode(shards); err != nil {
		return vector, err
	}
	vector.Shards = base64.StdEncoding.EncodeToString(bytes.Join(shards[data:], nil))
	if data*parity <= 400 {
		if vector.Matrix, err = matrix(code, data, parity); err != nil {
			return vector, err
		}
	}
	for _, missing := range erasures(data, parity, seed) {
		left := append([][]byte{}, shards...)
		for _, i := range missing {
			left[i] = nil
		}
		if err := code.ReconstructData(left); err != nil {
			return vector, err
		}
		for i := range data {
			if !bytes.Equal(left[i], shards[i]) {
				return vector, fmt.Errorf("shard %d was not restored", i)
			}
		}
		vector.Erasures = append(vector.Erasures, missing)
	}
	return vector, nil
}

// matrix finds the coefficients by encoding the unit vectors.
func matrix(code reedsolomon.Encoder, data, parity int) ([]string, error) {
	shards := make([][]byte, data+parity)
	for i := range shards {
		shards[i] = make([]byte, data)
		if i < data {
			shards[i][i] = 1
		}
	}
	if err := code.Encode(shards); err != nil {
		return nil, err
	}
	rows := make([]string, parity)
	for i := range rows {
		rows[i] = hex.EncodeToString(shards[data+i])
	}
	return rows, nil
}

// erasures returns sets of shards to leave out: the first shards, the last data shards, a single one, and random sets. A
// set has at most as many shards as the group has parity shards.
func erasures(data, parity int, seed uint32) [][]int {
	count := min(data, parity)
	first, last := make([]int, count), make([]int, count)
	for i := range count {
		first[i] = i
		last[i] = data - count + i
	}
	sets := [][]int{first, {data - 1}}
	if data > count {
		sets = append(sets, last)
	}
	random := newPattern(seed + 500)
	for range 4 {
		chosen := make(map[int]bool)
		for len(chosen) < parity {
			var word [4]byte
			random.fill(word[:])
			chosen[int(binary.LittleEndian.Uint32(word[:])%uint32(data+parity))] = true
		}
		set := make([]int, 0, parity)
		for i := range data + parity {
			if chosen[i] {
				set = append(set, i)
			}
		}
		sets = append(sets, set)
	}
	return sets
}
