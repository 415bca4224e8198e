package localpg

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// pidFile is what postgres says of itself in postmaster.pid.
type pidFile struct {
	pid   int // 0 if there is none
	ready bool
}

var pidFilePath = filepath.Join(clusterDir, dataDir, "postmaster.pid")

func (p *place) readPIDFile() (pidFile, error) {
	text, err := p.homeFiles.ReadFile(pidFilePath)
	if errors.Is(err, fs.ErrNotExist) {
		return pidFile{}, nil
	}
	return parsePIDFile(string(text)), err
}

// parsePIDFile reads the lines that matter (PostgreSQL's miscadmin.h): the first
// has the pid, the eighth the state. A file that is just being written has fewer.
func parsePIDFile(text string) pidFile {
	lines := strings.Split(text, "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil || pid <= 1 { // a negative one would be a process group
		return pidFile{}
	}
	return pidFile{pid: pid, ready: len(lines) > 7 && strings.TrimSpace(lines[7]) == "ready"}
}

// verdict says what a process number in a postmaster.pid stands for by now.
type verdict int

const (
	// stranger is a process that got the number later.
	stranger verdict = iota
	// orphan is the postmaster of this very cluster.
	orphan
	// unclear is some postgres that does not let us see where it works.
	unclear
)

// endOrphan stops a server that still runs in the cluster although its owner, who
// had the lock, is gone.
func (p *place) endOrphan(ctx context.Context) error {
	file, err := p.readPIDFile()
	if err != nil || file.pid == 0 {
		return err
	}
	// Where the system can, this handle sticks to the process: what we judge is what
	// we signal.
	process, err := os.FindProcess(file.pid)
	if err != nil {
		return err
	}
	if errors.Is(process.Signal(syscall.Signal(0)), os.ErrProcessDone) {
		return nil // postgres itself deals with such a file
	}
	found, err := judge(file.pid, p.dataDir())
	switch {
	case err != nil:
		return err
	case found == orphan:
		return p.end(ctx, process)
	case found == stranger:
		// postgres would take a process of its user for the server, and refuse to start.
		return p.homeFiles.Remove(pidFilePath)
	}
	return nil // postgres itself decides, and says what is wrong
}

func (p *place) end(ctx context.Context, process *os.Process) error {
	var failed error
	gone := func(wait time.Duration) bool {
		for deadline := time.Now().Add(wait); ; {
			found, err := judge(process.Pid, p.dataDir())
			if err == nil && found != stranger {
				err = sleep(ctx, poll)
			}
			if failed = err; err != nil || found == stranger {
				return true
			}
			if time.Now().After(deadline) {
				return false
			}
		}
	}
	// Being rough with it costs the next start a recovery, and no more.
	_, err := escalate(process, gone)
	return errors.Join(failed, err)
}
