package apt

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
)

// maxKeyring bounds one key file.
const maxKeyring = 16 << 20

// KeyFiles returns the files that hold the keys the source may be signed with,
// for tools such as mmdebstrap, and the text of a key that stands in the entry
// itself.
func (h Host) keyFiles(s Source) (files []string, block string) {
	if v := os.Getenv(EnvKeyring); v != "" {
		return filepath.SplitList(v), ""
	}
	if strings.Contains(s.signedBy, "BEGIN PGP PUBLIC KEY BLOCK") {
		return nil, s.signedBy
	}
	for _, f := range strings.Fields(s.signedBy) {
		if filepath.IsAbs(f) {
			files = append(files, h.path(f))
		}
	}
	if len(files) > 0 {
		return files, ""
	}
	return append(h.archiveFiles(), h.trustedFiles()...), ""
}

// archiveFiles are the files of the package debian-archive-keyring.
func (h Host) archiveFiles() []string {
	var files []string
	for _, name := range []string{"debian-archive-keyring.gpg", "debian-archive-keyring.pgp"} {
		path := h.path("usr/share/keyrings/" + name)
		if _, err := os.Stat(path); err == nil {
			return append(files, path)
		}
	}
	return files
}

func (h Host) trustedFiles() []string {
	var files []string
	for _, ext := range []string{"*.gpg", "*.asc"} {
		more, _ := filepath.Glob(filepath.Join(h.path("etc/apt/trusted.gpg.d"), ext))
		files = append(files, more...)
	}
	return files
}

// keyring returns the keys a source may be signed with.
func (h Host) keyring(s Source) (openpgp.EntityList, error) {
	files, block := h.keyFiles(s)
	if block != "" {
		return openpgp.ReadArmoredKeyRing(strings.NewReader(unfold(block)))
	}
	keys, err := readKeys(files)
	if err != nil {
		return nil, err
	}
	if os.Getenv(EnvKeyring) == "" {
		keys = onlyFingerprints(keys, s.signedBy)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("no key to check it with: install debian-archive-keyring or set %s", EnvKeyring)
	}
	return keys, nil
}

// unfold turns the lines of a Signed-By field, where " ." stands for a blank
// one, back into a key block.
func unfold(block string) string {
	lines := strings.Split(strings.TrimSpace(block), "\n")
	for i, l := range lines {
		if l == "." {
			lines[i] = ""
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

// readKeys reads key files, armored or not. One that can not be read is an
// error only when no other gives a key.
func readKeys(files []string) (openpgp.EntityList, error) {
	var all openpgp.EntityList
	var first error
	for _, f := range files {
		keys, err := readKeyFile(f)
		if err != nil && first == nil {
			first = fmt.Errorf("keyring %s: %w", f, err)
		}
		all = append(all, keys...)
	}
	if len(all) == 0 && first != nil {
		return nil, first
	}
	return all, nil
}

func readKeyFile(path string) (openpgp.EntityList, error) {
	data, err := readBounded(path, maxKeyring)
	if err != nil {
		return nil, err
	}
	if bytes.Contains(data, []byte("-----BEGIN PGP")) {
		return openpgp.ReadArmoredKeyRing(bytes.NewReader(data))
	}
	return openpgp.ReadKeyRing(bytes.NewReader(data))
}

// onlyFingerprints keeps the keys whose fingerprints signedBy names, all when
// it names none.
func onlyFingerprints(keys openpgp.EntityList, signedBy string) openpgp.EntityList {
	wanted := map[string]bool{}
	for _, f := range strings.Fields(signedBy) {
		if !filepath.IsAbs(f) {
			wanted[strings.ToLower(strings.TrimSuffix(f, "!"))] = true
		}
	}
	if len(wanted) == 0 {
		return keys
	}
	var kept openpgp.EntityList
	for _, k := range keys {
		if hasFingerprint(k, wanted) {
			kept = append(kept, k)
		}
	}
	return kept
}

func hasFingerprint(e *openpgp.Entity, set map[string]bool) bool {
	if set[hex.EncodeToString(e.PrimaryKey.Fingerprint)] {
		return true
	}
	for _, sub := range e.Subkeys {
		if set[hex.EncodeToString(sub.PublicKey.Fingerprint)] {
			return true
		}
	}
	return false
}

// archiveKeys returns the fingerprints of Debian's archive keys, nil when the
// host does not have them.
func (h Host) archiveKeys() map[string]bool {
	keys, err := readKeys(h.archiveFiles())
	if err != nil || len(keys) == 0 {
		return nil
	}
	set := map[string]bool{}
	for _, k := range keys {
		set[hex.EncodeToString(k.PrimaryKey.Fingerprint)] = true
	}
	return set
}

// signedByDebian says whether the entry may be Debian's by its keys: it names
// none, or one of the archive's.
func (h Host) signedByDebian(s Source, archive map[string]bool) bool {
	if s.signedBy == "" || archive == nil || os.Getenv(EnvKeyring) != "" {
		return true
	}
	keys, err := h.keyring(s)
	if err != nil {
		return false
	}
	for _, k := range keys {
		if hasFingerprint(k, archive) {
			return true
		}
	}
	return false
}
