package localpg

import (
	"errors"
	"io/fs"
	"net"
	"strconv"
	"strings"
)

const (
	loopback = "127.0.0.1"
	portFile = "port"
)

// choosePort returns the port of the run before, so that addresses which people
// have written down stay right, or else any free one.
func (p *place) choosePort() (int, error) {
	text, err := p.files.ReadFile(portFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	if last, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
		if port, err := freePort(last); err == nil {
			return port, nil
		}
	}
	return freePort(0)
}

// freePort returns port if it is free, for 0 any that is.
func freePort(port int) (int, error) {
	ln, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.ParseIP(loopback), Port: port})
	if err != nil {
		return 0, err
	}
	port = ln.Addr().(*net.TCPAddr).Port
	return port, ln.Close()
}
