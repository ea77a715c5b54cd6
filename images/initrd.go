package images

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/ambient-ci/ambient/images/cpio"
)

// Initrd returns the path of the initial file system of an image with the
// given guest program, whose digest must identify it ("sha256:…" or bare hex):
//
//	/dev/console          so that the program has standard streams
//	/init                 the program
//	/modules/NN-NAME.ko   in load order
//
// It is made once for each image and program and stays in the store; program is
// called only then.
func (s *Store) Initrd(ctx context.Context, img *Image, program func(context.Context) ([]byte, error), digest string) (string, error) {
	dir := s.initrdDir()
	path := filepath.Join(dir, initrdName(img, digest))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	data, err := program(ctx)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	tmp, err := os.CreateTemp(dir, ".tmp-*")
	if err != nil {
		return "", err
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	if err := writeInitrd(ctx, tmp, img, data); err != nil {
		return "", err
	}
	if err := tmp.Sync(); err != nil {
		return "", err
	}
	return path, os.Rename(tmp.Name(), path)
}

func (s *Store) initrdDir() string { return filepath.Join(s.home.Images(), "initrd") }

func initrdName(img *Image, program string) string {
	return digest("initrd", "1", img.Digest, program) + ".cpio"
}

func writeInitrd(ctx context.Context, w io.Writer, img *Image, program []byte) error {
	c := cpio.NewWriter(w)
	c.Dir("dev", 0o755) // errors stick until Close
	c.Char("dev/console", 0o600, 5, 1)
	c.File("init", 0o755, int64(len(program)))
	c.Write(program)
	c.Dir("modules", 0o755)
	for _, m := range img.Modules {
		if err := ctx.Err(); err != nil {
			return err
		}
		data, err := os.ReadFile(m)
		if err != nil {
			return fmt.Errorf("module of an image: %w", err)
		}
		c.File("modules/"+filepath.Base(m), 0o644, int64(len(data)))
		c.Write(data)
	}
	return c.Close()
}
