package planfile

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
)

// rounds makes guessing a value that a seal stands for expensive: about 0.2 s
// for each guess (OWASP's number for PBKDF2 with SHA-256).
const rounds = 600_000

const saltSize = 16

// Seal stands for text that must not be kept: whether other text is the same can
// be seen, the text itself can not, save by guessing all of it.
type Seal struct {
	Salt   string `json:"salt"`
	PBKDF2 string `json:"pbkdf2"`
}

// NewSeal seals a text with a salt of its own.
func NewSeal(text []byte) (*Seal, error) {
	salt := make([]byte, saltSize)
	rand.Read(salt) // never fails (crypto/rand)
	sum, err := seal(text, salt)
	return &Seal{hex.EncodeToString(salt), hex.EncodeToString(sum)}, err
}

func seal(text, salt []byte) ([]byte, error) {
	return pbkdf2.Key(sha256.New, string(text), salt, rounds, sha256.Size)
}

// Fits reports whether the seal was made of this text.
func (s *Seal) Fits(text []byte) bool {
	salt, err1 := hex.DecodeString(s.Salt)
	want, err2 := hex.DecodeString(s.PBKDF2)
	if err1 != nil || err2 != nil {
		return false
	}
	got, err := seal(text, salt)
	return err == nil && subtle.ConstantTimeCompare(got, want) == 1
}

func (s *Seal) check() error {
	salt, err1 := hex.DecodeString(s.Salt)
	sum, err2 := hex.DecodeString(s.PBKDF2)
	if err1 != nil || err2 != nil || len(salt) != saltSize || len(sum) != sha256.Size {
		return formatErrorf("it is damaged: its seal makes no sense")
	}
	return nil
}
