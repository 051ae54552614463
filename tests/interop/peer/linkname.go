package main

import (
	"unsafe"

	_ "github.com/xtaci/kcp-go/v5"
)

// The own benchmark of kcp-go measures this encoder, which kcp-go does not export.

//go:linkname newFECEncoder github.com/xtaci/kcp-go/v5.newFECEncoder
func newFECEncoder(dataShards, parityShards, offset int) unsafe.Pointer

//go:linkname fecEncode github.com/xtaci/kcp-go/v5.(*fecEncoder).encode
func fecEncode(encoder unsafe.Pointer, packet []byte, rto uint32) [][]byte
