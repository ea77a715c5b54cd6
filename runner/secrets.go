package runner

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ambient-ci/ambient/blockdev"
	"github.com/ambient-ci/ambient/config"
	"github.com/ambient-ci/ambient/guest"
	"github.com/ambient-ci/ambient/secrets"
	"github.com/ambient-ci/ambient/secrets/sshagent"
)

// stageSecrets are the secrets of one stage, read when it starts.
type stageSecrets struct {
	values     []secrets.Value // what nothing may show
	files      []blockdev.File // for guest.DirSecrets
	keys       []*sshagent.Key // that the SSH agent signs with
	injections []injection
}

// injection is a header that the host adds to a stage's requests to one of its
// hosts. The value never enters the machine.
type injection struct {
	Secret string // secret.token.api
	Host   string // a name, with a port if it is not 443
	Header string
	Value  string // as the format has it
}

// readSecrets reads the stage's secrets and puts those that it gets as files on
// its device, which is in this process's memory and on no disk.
func (x *execution) readSecrets(ctx context.Context) error {
	stage := x.job.Stage
	if len(stage.Secrets) == 0 {
		return nil
	}
	s, err := x.gather(ctx)
	if s != nil { // an error may quote what was read before it
		x.redact = secrets.Redact(append(sensitiveValues(x.runner.opts.Sensitive), s.values...))
	}
	if err != nil {
		return err
	}
	x.secrets = s
	for _, name := range x.redact.Short() {
		if name != "" {
			x.warn(fmt.Sprintf("%s has fewer than %d bytes, so it is not taken out of what the stage says", name, secrets.Shortest))
		}
	}
	if !delivers(stage) {
		return nil
	}
	device, err := memoryDevice(guest.SerialSecrets, s.files)
	if err != nil {
		return fmt.Errorf("the device for secrets: %w", err)
	}
	x.close = append(x.close, func() { device.Close() })
	for i := range x.disks {
		if x.disks[i].Serial == guest.SerialSecrets {
			x.disks[i].Path = fdPath(device)
		}
	}
	return nil
}

// gather reads every secret of the stage. Errors name the secret and where it
// stands: they are the host's or its user's to mend. What was read before one
// comes with it.
func (x *execution) gather(ctx context.Context) (*stageSecrets, error) {
	if x.job.Stage.ID.Phase == config.Plan {
		return nil, fmt.Errorf("a plan stage can not have secrets")
	}
	all := &stageSecrets{}
	var known []sshagent.KnownHosts
	for _, s := range x.job.Stage.Secrets {
		var err error
		if s.SSH != nil {
			var k sshagent.KnownHosts
			k, err = all.ssh(ctx, x, s)
			known = append(known, k)
		} else {
			err = all.token(ctx, x.runner.opts.Dir, s)
		}
		if err != nil {
			return all, fmt.Errorf("%s (%s:%d): %w", s.Address(), filepath.Base(s.Range.Filename), s.Range.Start.Line, err)
		}
	}
	if len(known) > 0 {
		all.add(knownHostsFile, 0o644, []byte(knownLines(known)))
	}
	return all, nil
}

func (all *stageSecrets) add(name string, mode os.FileMode, data []byte) {
	all.files = append(all.files, blockdev.File{Name: name, Mode: mode, Data: data})
}

// token reads a token and decides how it is delivered.
func (all *stageSecrets) token(ctx context.Context, dir string, s *config.Secret) error {
	t := s.Token
	value, err := secrets.Source{
		File: t.File, Command: t.Command, Dir: dir, Env: t.Env, Age: t.Age, Identity: t.Identity,
	}.Read(ctx)
	if err != nil {
		return err
	}
	all.values = append(all.values, secrets.Value{Name: s.Address(), Text: value})
	switch t.Use {
	case config.UseVariable:
		if strings.ContainsRune(value, 0) {
			return fmt.Errorf("it has a NUL byte, which no variable can hold: deliver it as a file")
		}
		all.add(path.Join(variablesDir, t.Variable), 0o600, []byte(value))
	case config.UseInject:
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return fmt.Errorf("it has a line end or another control character, which no header can hold")
		}
		for _, in := range t.Inject {
			all.injections = append(all.injections, injection{s.Address(), in.Host, in.Header, strings.ReplaceAll(in.Format, "%s", value)})
		}
	default:
		all.add(s.Name, 0o600, []byte(value))
	}
	return nil
}

// ssh reads a key, its certificate and the keys of its hosts.
func (all *stageSecrets) ssh(ctx context.Context, x *execution, s *config.Secret) (known sshagent.KnownHosts, err error) {
	key, err := loadKey(ctx, x, s)
	if err != nil {
		return known, err
	}
	text, err := knownHosts(s.SSH)
	if err != nil {
		return known, err
	}
	key.Name, key.Hosts = s.Address(), s.SSH.Hosts
	key.Known = sshagent.ParseKnownHosts(text).For(s.SSH.Hosts)
	if key.Private != "" {
		all.values = append(all.values, secrets.Value{Name: s.Address(), Text: key.Private})
	}
	if s.SSH.Use == config.UseAgent {
		all.keys = append(all.keys, key)
		return key.Known, key.Check()
	}
	if len(s.SSH.Hosts) == 0 {
		key.Known = sshagent.ParseKnownHosts(text)
	}
	return key.Known, all.keyFiles(s.Name, key)
}

// keyFiles delivers a key with its certificate, under the names that ssh looks
// for.
func (all *stageSecrets) keyFiles(name string, key *sshagent.Key) error {
	if key.Private == "" {
		return fmt.Errorf("its private key is in the SSH agent of this host's user and can not be delivered as a file: use = %q", config.UseAgent)
	}
	all.add(name, 0o600, []byte(key.Private))
	all.add(name+".pub", 0o644, key.PublicFile())
	cert, err := key.CertificateFile()
	if err == nil && cert != nil {
		all.add(name+"-cert.pub", 0o644, cert)
	}
	return err
}

func loadKey(ctx context.Context, x *execution, s *config.Secret) (key *sshagent.Key, err error) {
	if s.SSH.PrivateKey == "" {
		key, err = sshagent.Fresh() // of use only with a certificate
	} else {
		key, err = sshagent.Load(s.SSH.PrivateKey)
	}
	if err != nil {
		return nil, err
	}
	switch {
	case s.SSH.Certificate != "":
		err = key.UseFile(s.SSH.Certificate)
	case len(s.SSH.CertificateCommand) > 0:
		err = key.UseCommand(ctx, s.SSH.CertificateCommand, x.runner.opts.Dir)
	case s.SSH.Sign != nil:
		err = key.UseAuthority(sshagent.Authority{
			CA: s.SSH.Sign.CA, Principals: s.SSH.Sign.Principals, Valid: s.SSH.Sign.Valid,
			ID: fmt.Sprintf("ambient %s %s", x.job.RunID, x.job.Stage.ID),
		})
	case s.SSH.PrivateKey == "":
		err = fmt.Errorf("it has neither a private key nor a certificate")
	}
	return key, err
}

// systemKnownHosts is what every user's ssh reads (ssh_config(5),
// GlobalKnownHostsFile).
const systemKnownHosts = "/etc/ssh/ssh_known_hosts"

// knownHosts is the text of known_hosts for a key: its own, or what the host's
// user and the host know.
func knownHosts(s *config.SSHSecret) (string, error) {
	if s.KnownHosts != "" {
		return s.KnownHosts, nil
	}
	if s.KnownHostsFile != "" {
		data, err := os.ReadFile(s.KnownHostsFile)
		return string(data), err
	}
	files := []string{systemKnownHosts}
	if dir, err := os.UserHomeDir(); err == nil {
		files = append(files, filepath.Join(dir, ".ssh", "known_hosts"), filepath.Join(dir, ".ssh", "known_hosts2"))
	}
	var b strings.Builder
	for _, f := range files {
		if data, err := os.ReadFile(f); err == nil {
			b.Write(append(data, '\n'))
		}
	}
	return b.String(), nil
}

// knownLines joins what is known, each line once.
func knownLines(all []sshagent.KnownHosts) string {
	var lines []string
	for _, k := range all {
		for line := range strings.Lines(k.String()) {
			if !slices.Contains(lines, line) {
				lines = append(lines, line)
			}
		}
	}
	return strings.Join(lines, "")
}

// memoryDevice is a device with an archive of files that is in memory alone, and
// goes when it is closed or this process ends. QEMU opens it by its descriptor.
func memoryDevice(name string, files []blockdev.File) (*os.File, error) {
	data, err := secretsArchive(files)
	if err != nil {
		return nil, err
	}
	return memfd(name, data, deviceSize(int64(len(data))))
}

func secretsArchive(files []blockdev.File) ([]byte, error) {
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b blockdev.File) int { return strings.Compare(a.Name, b.Name) })
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i, f := range files {
		if i > 0 && files[i-1].Name == f.Name {
			return nil, fmt.Errorf("two secrets would be the file %s", path.Join(guest.DirSecrets, f.Name))
		}
		h := &tar.Header{Name: f.Name, Typeflag: tar.TypeReg, Mode: int64(f.Mode), Size: int64(len(f.Data))}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.Data); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return b.Bytes(), err
}
