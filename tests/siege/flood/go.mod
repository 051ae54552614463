module lowlatency/kcp/tests/siege/flood

go 1.26
