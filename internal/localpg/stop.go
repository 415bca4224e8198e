package localpg

import (
	"errors"
	"fmt"
)

// Stop shuts the server down, cutting its clients off, and gives Dir free. It
// returns an error if PostgreSQL had to be forced, or had ended by itself before:
// nothing committed is lost by either. Further calls return what the first returned.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.stopped = true
		s.stopErr = errors.Join(s.shutDown(), s.release())
	}
	return s.stopErr
}

// Remove stops the server and deletes everything that it has written: the cluster,
// and the files in Dir. Dir itself stays. It returns what Stop returns, and an
// *InUseError if the server was stopped before and another has Dir now.
func (s *Server) Remove() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return s.place.removeAgain()
	}
	s.stopped = true
	s.stopErr = s.shutDown()
	// The lock is held until all is gone.
	return errors.Join(s.stopErr, s.place.remove(), s.release())
}

func (s *Server) shutDown() error {
	select {
	case <-s.process.done:
		err := fmt.Errorf("localpg: postgres had ended by itself: %v", s.process.state())
		return withTail(err, s.log, 0)
	default:
	}
	if err := s.process.end(); err != nil {
		return fmt.Errorf("localpg: %w", err)
	}
	return nil
}

// release gives back what start took, as far as it came.
func (s *Server) release() error {
	var err error
	if s.log != nil {
		err = s.log.Close()
	}
	return errors.Join(err, s.place.close())
}
