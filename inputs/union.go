package inputs

import (
	"context"
	"encoding/hex"

	"github.com/ambient-ci/ambient/blockdev"
)

// Part is an archive of a union.
type Part struct {
	blockdev.Part
	Digest string // of the archive; empty: the union is made again each time
}

// Union returns the image of the union of archives, as blockdev.Merge makes it.
func (s *Store) Union(ctx context.Context, parts []Part, limit int64) (*Image, error) {
	key := unionKey(parts)
	if key != "" {
		if img := s.find(key); img != nil {
			return img, nil
		}
	}
	d, err := s.draft()
	if err != nil {
		return nil, err
	}
	defer d.Close()
	list := make([]blockdev.Part, len(parts))
	for i, p := range parts {
		list[i] = p.Part
	}
	if d.size, err = blockdev.Merge(ctx, d.image, list, limit); err != nil {
		return nil, err
	}
	return s.publish(d, key)
}

// unionKey is a digest of all that the image of a union holds.
func unionKey(parts []Part) string {
	sum := newKey("ambient union 2")
	for _, p := range parts {
		if p.Digest == "" {
			return ""
		}
		field(sum, p.Prefix)
		field(sum, p.Digest)
	}
	return hex.EncodeToString(sum.Sum(nil))
}
