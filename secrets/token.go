package secrets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/armor"
)

// Source says where a text is; exactly one of File, Command, Env and Age is set.
// Paths are absolute.
type Source struct {
	File     string
	Command  []string
	Dir      string // of Command
	Env      string // a variable of this process
	Age      string // a file encrypted with age (age-encryption.org/v1)
	Identity string // with Age; empty: DefaultIdentity
}

// DefaultIdentity is the file with the user's age identities.
func DefaultIdentity() string {
	dir, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "ambient", "age.txt")
}

// Read returns the text, without one line end at its end. It is an error when
// there is none, or it is empty or longer than MaxValue; no error has any of the
// text.
func (s Source) Read(ctx context.Context) (string, error) {
	data, err := s.read(ctx)
	if err != nil {
		return "", err
	}
	text := strings.TrimSuffix(string(data), "\n")
	text = strings.TrimSuffix(text, "\r")
	if text == "" {
		return "", errors.New(s.what() + " is empty")
	}
	return text, nil
}

func (s Source) what() string {
	switch {
	case s.File != "":
		return "file " + s.File
	case len(s.Command) > 0:
		return "the output of command " + s.Command[0]
	case s.Env != "":
		return "environment variable " + s.Env
	}
	return "file " + s.Age
}

func (s Source) read(ctx context.Context) ([]byte, error) {
	switch {
	case s.File != "":
		return ReadFile(s.File)
	case len(s.Command) > 0:
		return Output(ctx, s.Command, s.Dir, nil)
	case s.Env != "":
		text, ok := os.LookupEnv(s.Env)
		if !ok {
			return nil, fmt.Errorf("environment variable %s is not set", s.Env)
		}
		if len(text) > MaxValue {
			return nil, fmt.Errorf("environment variable %s is longer than %d bytes", s.Env, MaxValue)
		}
		return []byte(text), nil
	case s.Age != "":
		return s.decrypt()
	}
	return nil, errors.New("it has no source")
}

// ReadFile reads a regular file of at most MaxValue bytes.
func ReadFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fileError(path, err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	data, err := readBounded(f)
	if err != nil {
		return nil, fmt.Errorf("file %s: %w", path, err)
	}
	return data, nil
}

func fileError(path string, err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	return fmt.Errorf("file %s: %w", path, err)
}

func readBounded(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxValue+1))
	if err == nil && len(data) > MaxValue {
		err = fmt.Errorf("longer than %d bytes", MaxValue)
	}
	return data, err
}

func (s Source) decrypt() ([]byte, error) {
	identities, err := s.identities()
	if err != nil {
		return nil, err
	}
	f, err := os.Open(s.Age)
	if err != nil {
		return nil, fileError(s.Age, err)
	}
	defer f.Close()
	plain, err := age.Decrypt(dearmor(f), identities...)
	var other *age.NoIdentityMatchError
	if errors.As(err, &other) {
		return nil, fmt.Errorf("file %s can not be decrypted: it is for none of the identities in %s", s.Age, s.identity())
	}
	var data []byte
	if err == nil {
		data, err = readBounded(plain)
	}
	if err != nil { // the cause may quote the file
		return nil, fmt.Errorf("file %s can not be decrypted: it is no whole file of age, or has more than %d bytes", s.Age, MaxValue)
	}
	return data, nil
}

func dearmor(f io.ReadSeeker) io.Reader {
	head := make([]byte, len(armor.Header))
	n, _ := io.ReadFull(f, head)
	whole := io.MultiReader(bytes.NewReader(head[:n]), f)
	if string(head[:n]) == armor.Header {
		return armor.NewReader(whole)
	}
	return whole
}

func (s Source) identity() string {
	if s.Identity != "" {
		return s.Identity
	}
	return DefaultIdentity()
}

// identities reads age's own identities, or a private key of OpenSSH's.
func (s Source) identities() ([]age.Identity, error) {
	data, err := ReadFile(s.identity())
	if err != nil {
		return nil, fmt.Errorf("the age identities: %w", err)
	}
	if bytes.HasPrefix(data, []byte("-----BEGIN")) {
		id, err := agessh.ParseIdentity(data)
		if err != nil {
			return nil, fmt.Errorf("the age identity in %s: %w", s.identity(), err)
		}
		return []age.Identity{id}, nil
	}
	ids, err := age.ParseIdentities(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("the age identities in %s: they can not be read", s.identity()) // the cause quotes the line
	}
	return ids, nil
}
