package main

import (
	"unsafe"

	_ "github.com/xtaci/kcp-go/v5"
)

// kcp-go does not export its encoder, which its own benchmark measures.

//go:linkname newFECEncoder github.com/xtaci/kcp-go/v5.newFECEncoder
func newFECEncoder(dataShards, parityShards, offset int) unsafe.Pointer

//go:linkname fecEncode github.com/xtaci/kcp-go/v5.(*fecEncoder).encode
func fecEncode(encoder unsafe.Pointer, packet []byte, rto uint32) [][]byte
