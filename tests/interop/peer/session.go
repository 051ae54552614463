package main

import (
	"encoding/hex"
	"fmt"

	kcp "github.com/xtaci/kcp-go/v5"
)

// settings are the settings of a session. The tests send them as JSON.
type settings struct {
	// Cipher is a name in cipherSpecs, or "" for no encryption.
	Cipher string `json:"cipher"`
	// Key is the key of the cipher, in hexadecimal.
	Key string `json:"key"`
	// Data and Parity are the ratio of error correction. Default: 0 and 0, no error correction.
	Data   int `json:"data"`
	Parity int `json:"parity"`
	// Windows are the send and the receive window in segments. Default: 1024 each.
	Windows *[2]int `json:"windows"`
	// NoDelay has the four arguments of kcp-go's SetNoDelay. Default: 1, 10, 2, 1.
	NoDelay *[4]int `json:"nodelay"`
	// MTU is how many bytes of a packet are above UDP. Default: 1400.
	MTU int `json:"mtu"`
	// Stream says whether small writes share segments.
	Stream bool `json:"stream"`
	// WriteDelay says whether writes wait for the next interval.
	WriteDelay bool `json:"writeDelay"`
	// AckNoDelay says whether each packet is acknowledged at once.
	AckNoDelay bool `json:"ackNoDelay"`
}

// socketBuffer is the size of the buffers that each socket requests, as in kcptun. The system may grant less.
const socketBuffer = 4 << 20

func (s *settings) cipher() (kcp.BlockCrypt, error) {
	key, err := hex.DecodeString(s.Key)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	return newCipher(s.Cipher, key)
}

// apply applies the settings to a session.
func (s *settings) apply(session *kcp.UDPSession) error {
	noDelay, windows, mtu := [4]int{1, 10, 2, 1}, [2]int{1024, 1024}, 1400
	if s.NoDelay != nil {
		noDelay = *s.NoDelay
	}
	if s.Windows != nil {
		windows = *s.Windows
	}
	if s.MTU != 0 {
		mtu = s.MTU
	}
	session.SetNoDelay(noDelay[0], noDelay[1], noDelay[2], noDelay[3])
	session.SetWindowSize(windows[0], windows[1])
	session.SetStreamMode(s.Stream)
	session.SetWriteDelay(s.WriteDelay)
	session.SetACKNoDelay(s.AckNoDelay)
	if !session.SetMtu(mtu) {
		return fmt.Errorf("kcp-go refuses an MTU of %d", mtu)
	}
	return nil
}
