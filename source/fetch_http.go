package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	getter "github.com/hashicorp/go-getter/v2"
)

// fetchHTTP downloads a file, and unpacks it if it is an archive.
func (s *store) fetchHTTP(ctx context.Context, r *remote) (string, error) {
	f, err := os.CreateTemp(s.dir, ".tmp-*")
	if err != nil {
		return "", err
	}
	f.Close()
	defer os.Remove(f.Name())
	format, name, err := r.file()
	if err != nil {
		return "", &AddressError{Address: s.address, Why: err.Error()}
	}
	if err := s.download(ctx, r, f.Name()); err != nil {
		return "", err
	}
	version, err := digest(f.Name())
	if err != nil {
		return "", err
	}
	return s.make(version, func(dir string) error {
		if format == "" {
			return os.Rename(f.Name(), filepath.Join(dir, name))
		}
		if err := unpack(ctx, format, f.Name(), dir); err != nil {
			return s.unpackFailed(err)
		}
		return nil
	})
}

// unpackFailed tells a bad archive from a machine that can not store it.
func (s *store) unpackFailed(err error) error {
	for _, ours := range []error{
		context.Canceled, context.DeadlineExceeded,
		syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG, syscall.EROFS, syscall.EIO, syscall.EMFILE,
	} {
		if errors.Is(err, ours) {
			return err
		}
	}
	return s.refused(err)
}

// file says which kind of archive the address is of, if any, and else the name
// of the file. As in go-getter, archive= overrules the name.
func (r *remote) file() (format, name string, err error) {
	name = path.Base(r.url.Path)
	switch format = r.url.Query().Get("archive"); format {
	case "":
		format = formatOf(name)
	case "false", "0":
		format = ""
	default:
		if formatOf("x."+format) == "" {
			return "", "", fmt.Errorf("archive=%s is not a known kind of archive", format)
		}
		format = formatOf("x." + format)
	}
	if format == "" && (name == "/" || name == "." || strings.HasPrefix(name, ".")) {
		return "", "", errors.New("it names no file")
	}
	return format, name, nil
}

// download puts the file at path when it is whole and has the right checksum.
func (s *store) download(ctx context.Context, r *remote, path string) error {
	u := *r.url
	q := u.Query()
	q.Set("archive", "false") // unpacked here, with links and limits
	u.RawQuery = q.Encode()
	client := &getter.Client{
		Decompressors:   map[string]getter.Decompressor{},
		DisableSymlinks: true,
		Getters: []getter.Getter{&getter.HttpGetter{
			Netrc:                 true,
			XTerraformGetDisabled: true,
			DoNotCheckHeadFirst:   true,
			MaxBytes:              maxArchive + 1,
			Client:                &http.Client{CheckRedirect: checkRedirect, Transport: transport()},
		}},
	}
	_, err := client.Get(ctx, &getter.Request{Src: u.String(), Dst: path, GetMode: getter.ModeFile})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return s.failed(err)
	}
	if info, err := os.Stat(path); err == nil && info.Size() > maxArchive {
		return s.refused(fmt.Errorf("it has more than %d bytes", int64(maxArchive)))
	}
	return nil
}

func transport() http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = time.Minute
	t.DisableKeepAlives = true
	return t
}

// checkRedirect keeps a secure download secure.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errors.New("too many redirects")
	}
	if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return fmt.Errorf("redirected from https to %s", req.URL.Scheme)
	}
	return nil
}

func digest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
