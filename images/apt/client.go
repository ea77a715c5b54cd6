package apt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Bounds on what an archive may send.
const (
	maxInRelease = 16 << 20
	maxIndex     = 256 << 20 // compressed
	maxIndexText = 4 << 30
	maxPackage   = 1 << 30
)

// Client reads Debian archives. It may be used by several goroutines.
type Client struct {
	host  Host
	dir   string
	http  *http.Client
	now   func() time.Time
	pause time.Duration
}

// NewClient returns a client that keeps what it downloads in dir, by digest.
func NewClient(dir string) *Client {
	return &Client{dir: dir, http: &http.Client{Transport: transport}, now: time.Now, pause: time.Second}
}

// Archive is a suite whose sources have been checked.
type Archive struct {
	Suite   string
	Sources []Checked
	Skipped []string // "ADDRESS: why not" of entries that were not used
	client  *Client
}

// Checked is a source whose signed InRelease file is good.
type Checked struct {
	Source
	Date    time.Time // of the release
	Keys    []string  // files with the keys it was checked with
	KeyText string    // or the keys themselves, armored
	rel     *release
}

// Open finds and checks the archive of a suite; see Sources for where it
// looks. Of the host's entries those are used that are signed, fresh and
// Debian's. When an entry does not answer and no other stands for it, that is
// an error: a release without its security updates is not what was asked for. The error is
// a *NoArchiveError that says what was wrong with each, or ctx's.
func (c *Client) Open(ctx context.Context, suite, mirror string) (*Archive, error) {
	sources, err := c.host.Sources(suite, mirror)
	if err != nil {
		return nil, err
	}
	if suite == "" {
		suite = c.host.DefaultSuite()
	}
	none := &NoArchiveError{Suite: suite}
	a := &Archive{Suite: suite, client: c}
	good, silent := map[string]bool{}, map[string]bool{} // by role
	for _, s := range sources {
		role := s.role(suite, c.host.Codename())
		checked, err := c.checkSource(ctx, s, role)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			var fe *FetchError
			silent[role] = silent[role] || errors.As(err, &fe) && fe.Temporary()
			none.add(s.URI, "%v", err)
			continue
		}
		good[role] = true
		a.Sources = append(a.Sources, *checked)
	}
	for role, yes := range silent {
		none.Outage = none.Outage || yes && !good[role]
	}
	if !good[suite] || none.Outage {
		return nil, none
	}
	a.Skipped = none.Reasons
	return a, nil
}

// checkSource fetches and checks the InRelease file of a source.
func (c *Client) checkSource(ctx context.Context, s Source, role string) (*Checked, error) {
	keys, err := c.host.keyring(s)
	if err != nil {
		return nil, err
	}
	if !validName(s.Suite) {
		return nil, fmt.Errorf("%q is not the name of a suite", s.Suite)
	}
	var data bytes.Buffer
	err = c.retry(ctx, func() error {
		data.Reset()
		return c.get(ctx, s.URI+"/dists/"+s.Suite+"/InRelease", &data, maxInRelease)
	})
	if err != nil {
		return nil, err
	}
	rel, err := verifyRelease(data.Bytes(), keys, c.now())
	if err != nil {
		return nil, err
	}
	if err := rel.check(role, s.Suite, s.anyDate, c.now()); err != nil {
		return nil, err
	}
	checked := &Checked{Source: s, Date: rel.date, rel: rel}
	checked.Keys, checked.KeyText = c.host.keyFiles(s)
	if checked.KeyText != "" {
		checked.KeyText = unfold(checked.KeyText)
	}
	return checked, nil
}

// Download returns the path of a package's file, which stays the client's.
func (a *Archive) Download(ctx context.Context, p Package) (string, error) {
	return a.client.download(ctx, file{size: p.Size, sha256: p.SHA256}, p.url)
}
