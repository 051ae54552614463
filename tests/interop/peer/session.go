package main

import (
	"encoding/hex"
	"fmt"

	kcp "github.com/xtaci/kcp-go/v5"
)

// settings are those of a session that both ends of the tests have in common.
type settings struct {
	// Cipher is a name of cipherSpecs; "" for packets without any header of a cipher.
	Cipher string `json:"cipher"`
	// Key is in hexadecimal.
	Key string `json:"key"`
	// Data and Parity are the ratio of error correction; 0 for none.
	Data   int `json:"data"`
	Parity int `json:"parity"`
	// Windows are the send and the receive window; 1024 each unless given.
	Windows *[2]int `json:"windows"`
	// NoDelay has the four settings of kcp-go's SetNoDelay; 1, 10, 2, 1 unless given.
	NoDelay *[4]int `json:"nodelay"`
	// MTU counts everything above UDP; 1400 unless given.
	MTU int `json:"mtu"`
	// Stream lets small writes share segments.
	Stream bool `json:"stream"`
	// WriteDelay lets writes wait for the interval.
	WriteDelay bool `json:"writeDelay"`
	// AckNoDelay acknowledges every packet at once.
	AckNoDelay bool `json:"ackNoDelay"`
}

// socketBuffer is asked of the system for each socket, as kcptun does; it may give less.
const socketBuffer = 4 << 20

func (s *settings) cipher() (kcp.BlockCrypt, error) {
	key, err := hex.DecodeString(s.Key)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	return newCipher(s.Cipher, key)
}

// apply puts a session into the state that the settings ask for.
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
