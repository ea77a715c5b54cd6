package apt

import (
	"bytes"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"

	"github.com/ambient-ci/ambient/images/apt/apttest"
)

func armored(t *testing.T, e *openpgp.Entity) string {
	t.Helper()
	var out bytes.Buffer
	w, err := armor.Encode(&out, openpgp.PublicKeyType, nil)
	if err == nil {
		err = e.Serialize(w)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func binary(t *testing.T, keys ...*openpgp.Entity) string {
	t.Helper()
	data, err := os.ReadFile(apttest.WriteKey(t, keys...))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// folded is a key block as the Signed-By field of a deb822 file has it.
func folded(block string) string {
	lines := strings.Split(strings.TrimSpace(block), "\n")
	for i, l := range lines {
		if l == "" {
			lines[i] = "."
		}
	}
	return "\n " + strings.Join(lines, "\n ")
}

func TestKeyring(t *testing.T) {
	debian, third := apttest.Key(t), apttest.Key(t)
	fpr := func(e *openpgp.Entity) string { return strings.ToUpper(hex.EncodeToString(e.PrimaryKey.Fingerprint)) }
	h := host(t, map[string]string{
		"usr/share/keyrings/debian-archive-keyring.gpg": binary(t, debian),
		"usr/share/keyrings/third.asc":                  armored(t, third),
		"usr/share/keyrings/both.gpg":                   binary(t, debian, third),
		"etc/apt/trusted.gpg.d/third.gpg":               binary(t, third),
		"etc/apt/trusted.gpg.d/broken.gpg":              "no key",
	})
	cases := []struct {
		name, signedBy string
		want           []*openpgp.Entity
		debian         bool
	}{
		{"none", "", []*openpgp.Entity{debian, third}, true},
		{"a file", "/usr/share/keyrings/debian-archive-keyring.gpg", []*openpgp.Entity{debian}, true},
		{"another's file", "/usr/share/keyrings/third.asc", []*openpgp.Entity{third}, false},
		{"a key block", folded(armored(t, third)), []*openpgp.Entity{third}, false},
		{"a fingerprint", fpr(debian), []*openpgp.Entity{debian}, true},
		{"a fingerprint in a file", "/usr/share/keyrings/both.gpg " + fpr(third) + "!", []*openpgp.Entity{third}, false},
		{"no such file", "/nosuch.gpg", nil, false},
		{"unknown fingerprint", "0123456789ABCDEF0123456789ABCDEF01234567", nil, false},
	}
	for _, tc := range cases {
		s := Source{}
		_ = stanzas(strings.NewReader("Signed-By: "+tc.signedBy), func(st Stanza) error { s.signedBy = st["signed-by"]; return nil })
		got, err := h.keyring(s)
		if (err == nil) != (tc.want != nil) || !sameKeys(got, tc.want) {
			t.Errorf("%s: %d keys, %v", tc.name, len(got), err)
		}
		if h.signedByDebian(s, h.archiveKeys()) != tc.debian {
			t.Errorf("%s: Debian's: %v", tc.name, !tc.debian)
		}
	}
}

// sameKeys ignores repetition.
func sameKeys(got openpgp.EntityList, want []*openpgp.Entity) bool {
	a, b := map[string]bool{}, map[string]bool{}
	for _, e := range got {
		a[string(e.PrimaryKey.Fingerprint)] = true
	}
	for _, e := range want {
		b[string(e.PrimaryKey.Fingerprint)] = true
		if !a[string(e.PrimaryKey.Fingerprint)] {
			return false
		}
	}
	return len(a) == len(b)
}
