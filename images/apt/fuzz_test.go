package apt

import (
	"bytes"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"

	"github.com/ambient-ci/ambient/images/apt/apttest"
)

func FuzzStanzas(f *testing.F) {
	f.Add([]byte(deb822))
	f.Add([]byte("A: b\n c\n\n#\nD:"))
	f.Fuzz(func(t *testing.T, data []byte) {
		size := 0
		_ = stanzas(bytes.NewReader(data), func(s Stanza) error {
			for name, value := range s {
				if name == "" {
					t.Error("a field without a name")
				}
				size += len(name) + len(value)
			}
			return nil
		})
		if size > len(data) {
			t.Errorf("%d bytes came out of %d", size, len(data))
		}
	})
}

func FuzzSources(f *testing.F) {
	f.Add([]byte("deb [arch=a,b signed-by=/x] http://a b c # d\n" + deb822))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, s := range append(parseList(data), parseSources(data)...) {
			if s.Suite == "" || len(s.Components) == 0 {
				t.Errorf("a source that is none: %+v", s)
			}
		}
	})
}

func FuzzParseRelease(f *testing.F) {
	f.Add([]byte("Origin: Debian\nDate: Sat, 11 Jul 2026 10:16:37 UTC\nSHA256:\n " +
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 main/x\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := parseRelease(data)
		if err != nil {
			return
		}
		for name, file := range r.files {
			if name == "" || file.size < 0 || len(file.sha256) != 64 {
				t.Errorf("%q: %+v", name, file)
			}
		}
	})
}

// FuzzVerifyRelease has no key that could have signed anything, so nothing may
// pass.
func FuzzVerifyRelease(f *testing.F) {
	f.Add([]byte("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nx\n-----BEGIN PGP SIGNATURE-----\n\nabcd\n-----END PGP SIGNATURE-----\n"))
	a := apttest.New(apttest.Key(f))
	f.Add(a.Release(f))
	keys := openpgp.EntityList{apttest.Key(f)}
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := verifyRelease(data, keys, time.Now()); err == nil {
			t.Error("a signature by nobody is good")
		}
	})
}
