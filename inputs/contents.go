package inputs

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"

	"github.com/ambient-ci/ambient/blockdev/erofs"
)

// A list of contents says what an image has and where, so that the next image
// of the same tree can take over what did not change.

// content is a content of an image.
type content struct {
	sum   [sha256.Size]byte
	where erofs.Extent
}

const (
	contentsMagic = "ambient contents 1\n"
	contentLength = sha256.Size + 4 + 8
	maxContents   = 512 << 20 // bytes of a list
)

func encodeContents(list []content) []byte {
	data := make([]byte, 0, len(contentsMagic)+len(list)*contentLength+sha256.Size)
	data = append(data, contentsMagic...)
	for _, c := range list {
		data = append(data, c.sum[:]...)
		data = binary.LittleEndian.AppendUint32(data, c.where.Block)
		data = binary.LittleEndian.AppendUint64(data, uint64(c.where.Size))
	}
	sum := sha256.Sum256(data)
	return append(data, sum[:]...)
}

var errContents = errors.New("the list of contents is damaged")

// decodeContents reads what encodeContents wrote.
func decodeContents(data []byte) ([]content, error) {
	if len(data) < len(contentsMagic)+sha256.Size || !bytes.HasPrefix(data, []byte(contentsMagic)) {
		return nil, errContents
	}
	body, tail := data[:len(data)-sha256.Size], data[len(data)-sha256.Size:]
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], tail) {
		return nil, errContents
	}
	body = body[len(contentsMagic):]
	if len(body)%contentLength != 0 {
		return nil, errContents
	}
	list := make([]content, len(body)/contentLength)
	for i := range list {
		c := body[i*contentLength:]
		copy(list[i].sum[:], c)
		list[i].where.Block = binary.LittleEndian.Uint32(c[sha256.Size:])
		list[i].where.Size = int64(binary.LittleEndian.Uint64(c[sha256.Size+4:]))
		if list[i].where.Size <= 0 {
			return nil, errContents
		}
	}
	return list, nil
}

// readContents reads the list of an image, nil if it has none that is sound.
func readContents(img *Image) []content {
	path := filepath.Join(filepath.Dir(img.Path), contentsFile)
	info, err := os.Stat(path)
	if err != nil || info.Size() > maxContents {
		return nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	list, err := decodeContents(data)
	if err != nil {
		return nil
	}
	return list
}
