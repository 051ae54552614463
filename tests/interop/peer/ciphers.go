package main

import (
	"fmt"

	kcp "github.com/xtaci/kcp-go/v5"
	"golang.org/x/crypto/chacha20poly1305"
)

// A cipherSpec has the name of a cipher, the length of its key, and the function that makes it.
type cipherSpec struct {
	name    string
	keySize int
	make    func(key []byte) (kcp.BlockCrypt, error)
}

// cipherSpecs are all ciphers of kcp-go, under the names that the library under test gives them.
var cipherSpecs = []cipherSpec{
	{"aes-128", 16, kcp.NewAESBlockCrypt},
	{"aes-192", 24, kcp.NewAESBlockCrypt},
	{"aes-256", 32, kcp.NewAESBlockCrypt},
	{"sm4", 16, kcp.NewSM4BlockCrypt},
	{"twofish", 32, kcp.NewTwofishBlockCrypt},
	{"3des", 24, kcp.NewTripleDESBlockCrypt},
	{"blowfish", 32, kcp.NewBlowfishBlockCrypt},
	{"cast5", 16, kcp.NewCast5BlockCrypt},
	{"tea", 16, kcp.NewTEABlockCrypt},
	{"xtea", 16, kcp.NewXTEABlockCrypt},
	{"salsa20", 32, kcp.NewSalsa20BlockCrypt},
	{"xor", 32, kcp.NewSimpleXORBlockCrypt},
	{"none", 32, kcp.NewNoneBlockCrypt},
	{"aes-128-gcm", 16, kcp.NewAESGCMCrypt},
	{"aes-192-gcm", 24, kcp.NewAESGCMCrypt},
	{"aes-256-gcm", 32, kcp.NewAESGCMCrypt},
	{"chacha20-poly1305", 32, newChaCha20Poly1305},
}

func newChaCha20Poly1305(key []byte) (kcp.BlockCrypt, error) {
	aead, err := chacha20poly1305.New(key)
	if err != nil {
		return nil, err
	}
	return kcp.NewAEADCrypt(aead), nil
}

// newCipher makes the cipher of this name. It returns a nil interface for "".
func newCipher(name string, key []byte) (kcp.BlockCrypt, error) {
	if name == "" {
		return nil, nil
	}
	for _, spec := range cipherSpecs {
		if spec.name == name {
			return spec.make(key)
		}
	}
	return nil, fmt.Errorf("there is no cipher %q", name)
}
