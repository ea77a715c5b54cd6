package apt

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// maxSignatures bounds the signatures of one file that are tried.
const maxSignatures = 16

// release is a checked InRelease file.
type release struct {
	origin, suite, codename string
	date                    time.Time
	validUntil              time.Time // zero: for ever
	byHash                  bool
	files                   map[string]file // by path below the suite's directory
}

// file is a file as the archive describes it.
type file struct {
	size   int64
	sha256 string // lower-case hex
}

// verifyRelease checks the signature of a clear-signed InRelease file and reads
// what was signed; text around it is ignored.
func verifyRelease(data []byte, keys openpgp.EntityList, now time.Time) (*release, error) {
	block, _ := clearsign.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("it is not clear-signed")
	}
	config := &packet.Config{Time: func() time.Time { return now }}
	if err := verifyAny(block, keys, config); err != nil {
		return nil, fmt.Errorf("its signature is not good: %w", err)
	}
	return parseRelease(block.Plaintext)
}

// verifyAny succeeds when at least one of a message's signatures is good: a
// release is signed by the keys of several years, of which some expire.
func verifyAny(block *clearsign.Block, keys openpgp.EntityList, config *packet.Config) error {
	last := error(errors.ErrUnknownIssuer)
	packets := packet.NewOpaqueReader(block.ArmoredSignature.Body)
	for range maxSignatures {
		p, err := packets.Next()
		if err == io.EOF {
			return last
		}
		if err != nil {
			return err
		}
		var one bytes.Buffer
		if err := p.Serialize(&one); err != nil {
			return err
		}
		_, _, err = openpgp.VerifyDetachedSignature(keys, bytes.NewReader(block.Bytes), &one, config)
		if err == nil {
			return nil
		}
		if err != errors.ErrUnknownIssuer {
			last = err
		}
	}
	return last
}

func parseRelease(text []byte) (*release, error) {
	var r *release
	err := stanzas(bytes.NewReader(text), func(s Stanza) error {
		if r != nil {
			return fmt.Errorf("%w: more than one stanza", errStanza)
		}
		var err error
		r, err = newRelease(s)
		return err
	})
	if err == nil && r == nil {
		err = fmt.Errorf("%w: it is empty", errStanza)
	}
	return r, err
}

func newRelease(s Stanza) (*release, error) {
	r := &release{
		origin: s["origin"], suite: s["suite"], codename: s["codename"],
		byHash: s["acquire-by-hash"] == "yes",
		files:  map[string]file{},
	}
	var err error
	if r.date, err = parseDate(s["date"]); err != nil {
		return nil, err
	}
	if v := s["valid-until"]; v != "" {
		if r.validUntil, err = parseDate(v); err != nil {
			return nil, err
		}
	}
	for line := range strings.SplitSeq(s["sha256"], "\n") {
		if line == "" {
			continue
		}
		f := strings.Fields(line)
		if len(f) != 3 {
			return nil, fmt.Errorf("%w: SHA256: %.80q", errStanza, line)
		}
		if r.files[f[2]], err = newFile(f[1], f[0]); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// parseDate reads a date of RFC 5322 in UTC, as all of Debian's are.
func parseDate(s string) (time.Time, error) {
	for _, layout := range []string{"Mon, _2 Jan 2006 15:04:05 MST", time.RFC1123Z} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%w: not a date: %.40q", errStanza, s)
}

func newFile(size, sum string) (file, error) {
	n, err := strconv.ParseInt(size, 10, 64)
	if err != nil || n < 0 {
		return file{}, fmt.Errorf("%w: not a size: %.40q", errStanza, size)
	}
	raw, err := hex.DecodeString(sum)
	if err != nil || len(raw) != 32 {
		return file{}, fmt.Errorf("%w: not a SHA-256: %.80q", errStanza, sum)
	}
	return file{size: n, sha256: hex.EncodeToString(raw)}, nil
}

// check says why a release is not the one wanted: role is what it must be
// ("bookworm-updates"), asked the suite of the entry ("stable-updates").
func (r *release) check(role, asked string, anyDate bool, now time.Time) error {
	switch {
	case r.origin != "Debian":
		return fmt.Errorf("its origin is %q and not Debian", r.origin)
	case role != r.codename && role != r.suite:
		return fmt.Errorf("it is %s (%s) and not %s", r.codename, r.suite, role)
	case asked != r.codename && asked != r.suite:
		return fmt.Errorf("it is %s (%s) and not %s", r.codename, r.suite, asked)
	case !anyDate && !r.validUntil.IsZero() && now.After(r.validUntil):
		return fmt.Errorf("it expired at %s", r.validUntil.Format(time.RFC3339))
	}
	return nil
}
