package images

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/ambient-ci/ambient/home"
	"github.com/ambient-ci/ambient/images/apt"
)

// Store keeps images. It is safe for concurrent use, also by several processes.
type Store struct {
	home   *home.Home
	client *apt.Client
}

// Open returns the store of h. Nothing is created before the first build.
func Open(h *home.Home) *Store {
	return &Store{home: h, client: apt.NewClient(h.Downloads())}
}

// Image is a whole image on disk. Its files are read-only and stay for as long
// as nobody removes images.
type Image struct {
	Digest  string   // "sha256:…" of everything a guest sees of it
	Kernel  string   // path of the kernel
	Root    string   // path of the EROFS root
	Modules []string // paths of the kernel modules, in load order
	Info    Info
}

// Info is what image.json says.
type Info struct {
	Version  int           `json:"version"` // of this format: 1
	Digest   string        `json:"digest"`
	Spec     Spec          `json:"spec"`    // as it was first built
	Release  string        `json:"release"` // of the kernel, as uname -r says it
	Packages []apt.Package `json:"packages"`
	Archives []string      `json:"archives"` // "URI SUITE DATE" of the signed releases
	MadeBy   string        `json:"made_by"`
	Files    []FileInfo    `json:"files"` // in an order that is part of the digest
}

// FileInfo is one file of an image.
type FileInfo struct {
	Name   string `json:"name"` // below the image's directory
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

const infoVersion = 1

// Names below an image's directory.
const (
	kernelFile = "kernel"
	rootFile   = "root.erofs"
	infoFile   = "image.json"
	moduleDir  = "modules"
)

// Ensure returns the image of a specification, building it if it is not there.
// Two processes that want the same image build it once. Progress, which may be
// nil, is told in a few words what is being done. Errors: *SpecError and
// *PackageError are the user's mistakes; *apt.NoArchiveError, *apt.FetchError,
// *apt.VerifyError and *ToolError say what is wrong with the world.
func (s *Store) Ensure(ctx context.Context, spec Spec, progress func(string)) (*Image, error) {
	spec, err := spec.normal()
	if err != nil {
		return nil, err
	}
	if img, ok := s.find(spec); ok {
		img.touch()
		return img, nil
	}
	release, err := s.home.Lock(ctx, "image-"+spec.key()[:32])
	if err != nil {
		return nil, err
	}
	defer release()
	if img, ok := s.find(spec); ok {
		return img, nil
	}
	return s.build(ctx, spec, progress)
}

// Refresh builds the image again from what the archive has now. Guests that
// run keep the old one, which stays.
func (s *Store) Refresh(ctx context.Context, spec Spec, progress func(string)) (*Image, error) {
	spec, err := spec.normal()
	if err != nil {
		return nil, err
	}
	release, err := s.home.Lock(ctx, "image-"+spec.key()[:32])
	if err != nil {
		return nil, err
	}
	defer release()
	return s.build(ctx, spec, progress)
}

// Lookup returns the image of a specification if it is there and whole. It
// builds nothing.
func (s *Store) Lookup(spec Spec) (*Image, bool) {
	spec, err := spec.normal()
	if err != nil {
		return nil, false
	}
	return s.find(spec)
}

// index is the content of an index file: which image a specification has.
type index struct {
	Digest string `json:"digest"`
}

func (s *Store) indexFile(spec Spec) string {
	return filepath.Join(s.home.Images(), "index", spec.key()+".json")
}

func (s *Store) find(spec Spec) (*Image, bool) {
	var ix index
	data, err := os.ReadFile(s.indexFile(spec))
	if err != nil || json.Unmarshal(data, &ix) != nil {
		return nil, false
	}
	img, err := s.load(ix.Digest)
	return img, err == nil
}

var digestName = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// dir returns the directory of an image.
func (s *Store) dir(digest string) string {
	return filepath.Join(s.home.Images(), "sha256-"+digest[len("sha256:"):])
}

var errDamaged = errors.New("image is damaged")

// load reads an image by its digest and checks that its files are there with
// their sizes.
func (s *Store) load(digest string) (*Image, error) {
	if !digestName.MatchString(digest) {
		return nil, fmt.Errorf("%w: its digest is %q", errDamaged, digest)
	}
	return loadDir(s.dir(digest), digest)
}

func loadDir(dir, digest string) (*Image, error) {
	data, err := os.ReadFile(filepath.Join(dir, infoFile))
	if err != nil {
		return nil, err
	}
	img := &Image{Digest: digest}
	if err := json.Unmarshal(data, &img.Info); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	if img.Info.Version != infoVersion || img.Info.Digest != digest || contentDigest(img.Info.Files) != digest {
		return nil, errDamaged
	}
	for _, f := range img.Info.Files {
		path := filepath.Join(dir, f.Name)
		st, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if st.Size() != f.Size || !filepath.IsLocal(f.Name) {
			return nil, fmt.Errorf("%w: %s", errDamaged, path)
		}
		img.add(f.Name, path)
	}
	if img.Kernel == "" || img.Root == "" {
		return nil, errDamaged
	}
	return img, nil
}

func (i *Image) add(name, path string) {
	switch name {
	case kernelFile:
		i.Kernel = path
	case rootFile:
		i.Root = path
	default:
		i.Modules = append(i.Modules, path)
	}
}

// contentDigest is the digest of an image with these files.
func contentDigest(files []FileInfo) string {
	fields := []string{"image content"}
	for _, f := range files {
		fields = append(fields, f.Name, f.SHA256)
	}
	return "sha256:" + digest(fields...)
}
