package main

import (
	"crypto/sha1"
	"fmt"
	"io"
	"net"
	"time"

	kcp "github.com/xtaci/kcp-go/v5"
	"github.com/xtaci/smux"
	"golang.org/x/crypto/pbkdf2"
)

// settings are those of the connection below, and those of smux.
type settings struct {
	// Over is "tcp" or "kcp".
	Over string      `json:"over"`
	KCP  kcpSettings `json:"kcp"`
	Smux muxSettings `json:"smux"`
}

// kcpSettings are the settings of a session of kcp-go.
type kcpSettings struct {
	// Password is that of AES-128, with kcptun's derivation of keys. Default: no encryption.
	Password string `json:"password"`
	// Data and Parity are the ratio of error correction. Default: 0 and 0, no error correction.
	Data   int `json:"data"`
	Parity int `json:"parity"`
	// Windows are the send and the receive window in segments. Default: 1024 each.
	Windows *[2]int `json:"windows"`
	// NoDelay has the four arguments of kcp-go's SetNoDelay. Default: 1, 10, 2, 1.
	NoDelay *[4]int `json:"nodelay"`
	// Message turns off that small writes share segments.
	Message bool `json:"message"`
}

// muxSettings are the settings of smux. A field of 0 has the default of smux.
type muxSettings struct {
	Version int `json:"version,omitempty"`
	// KeepAlive and KeepAliveTimeout are in ms. A KeepAlive of -1 turns the keep-alive off.
	KeepAlive        int `json:"keepAlive,omitempty"`
	KeepAliveTimeout int `json:"keepAliveTimeout,omitempty"`
	MaxFrameSize     int `json:"maxFrameSize,omitempty"`
	MaxReceiveBuffer int `json:"maxReceiveBuffer,omitempty"`
	MaxStreamBuffer  int `json:"maxStreamBuffer,omitempty"`
}

// socketBuffer is the size of the buffers that each UDP socket requests, as in kcptun. The system may grant less.
const socketBuffer = 4 << 20

// mtu is how many bytes of a packet are above UDP.
const mtu = 1400

func (s *kcpSettings) cipher() (kcp.BlockCrypt, error) {
	if s.Password == "" {
		return nil, nil
	}
	return kcp.NewAESBlockCrypt(pbkdf2.Key([]byte(s.Password), []byte("kcp-go"), 4096, 32, sha1.New)[:16])
}

func (s *kcpSettings) apply(session *kcp.UDPSession) {
	noDelay, windows := [4]int{1, 10, 2, 1}, [2]int{1024, 1024}
	if s.NoDelay != nil {
		noDelay = *s.NoDelay
	}
	if s.Windows != nil {
		windows = *s.Windows
	}
	session.SetNoDelay(noDelay[0], noDelay[1], noDelay[2], noDelay[3])
	session.SetWindowSize(windows[0], windows[1])
	session.SetStreamMode(!s.Message)
	session.SetWriteDelay(false)
	session.SetMtu(mtu)
}

func (s *muxSettings) config() *smux.Config {
	config := smux.DefaultConfig()
	set := func(target *int, value int) {
		if value != 0 {
			*target = value
		}
	}
	set(&config.Version, s.Version)
	set(&config.MaxFrameSize, s.MaxFrameSize)
	set(&config.MaxReceiveBuffer, s.MaxReceiveBuffer)
	set(&config.MaxStreamBuffer, s.MaxStreamBuffer)
	config.KeepAliveDisabled = s.KeepAlive < 0
	if s.KeepAlive > 0 {
		config.KeepAliveInterval = time.Duration(s.KeepAlive) * time.Millisecond
	}
	if s.KeepAliveTimeout > 0 {
		config.KeepAliveTimeout = time.Duration(s.KeepAliveTimeout) * time.Millisecond
	}
	return config
}

// client makes a session on a connection, whose ids are odd.
func (s *settings) client(conn io.ReadWriteCloser) (*smux.Session, error) {
	config := s.Smux.config()
	if s.Over == "kcp" {
		// smux is silent until it opens a stream, and a server of KCP accepts on the first packet: so that either end may
		// begin, this one sends a keep-alive first.
		if _, err := conn.Write([]byte{byte(config.Version), 3, 0, 0, 0, 0, 0, 0}); err != nil {
			return nil, err
		}
	}
	return smux.Client(conn, config)
}

// server makes a session on a connection, whose ids are even.
func (s *settings) server(conn io.ReadWriteCloser) (*smux.Session, error) {
	return smux.Server(conn, s.Smux.config())
}

// A listener accepts connections of either kind.
type listener interface {
	Accept() (net.Conn, error)
	Close() error
	Addr() net.Addr
}

// listen opens a listener at a free port of the loopback.
func (s *settings) listen() (listener, error) {
	switch s.Over {
	case "tcp":
		return net.Listen("tcp4", "127.0.0.1:0")
	case "kcp":
		block, err := s.KCP.cipher()
		if err != nil {
			return nil, err
		}
		l, err := kcp.ListenWithOptions("127.0.0.1:0", block, s.KCP.Data, s.KCP.Parity)
		if err != nil {
			return nil, err
		}
		_ = l.SetReadBuffer(socketBuffer)
		_ = l.SetWriteBuffer(socketBuffer)
		return &kcpListener{l, &s.KCP}, nil
	}
	return nil, fmt.Errorf("a connection over %q: allowed are tcp and kcp", s.Over)
}

// dial connects to an address.
func (s *settings) dial(address string) (net.Conn, error) {
	switch s.Over {
	case "tcp":
		return net.Dial("tcp4", address)
	case "kcp":
		block, err := s.KCP.cipher()
		if err != nil {
			return nil, err
		}
		session, err := kcp.DialWithOptions(address, block, s.KCP.Data, s.KCP.Parity)
		if err != nil {
			return nil, err
		}
		_ = session.SetReadBuffer(socketBuffer)
		_ = session.SetWriteBuffer(socketBuffer)
		s.KCP.apply(session)
		return session, nil
	}
	return nil, fmt.Errorf("a connection over %q: allowed are tcp and kcp", s.Over)
}

// A kcpListener applies its settings to each session.
type kcpListener struct {
	*kcp.Listener
	settings *kcpSettings
}

func (l *kcpListener) Accept() (net.Conn, error) {
	session, err := l.AcceptKCP()
	if err != nil {
		return nil, err
	}
	l.settings.apply(session)
	return session, nil
}
