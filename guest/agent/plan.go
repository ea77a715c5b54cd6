package agent

import (
	"archive/tar"
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/ambient-ci/ambient/guest"
)

// maxExecFile bounds, in bytes, each file that is read from the exec device.
const maxExecFile = 64 << 20

// readExec returns the plan and the certificate authorities of the exec device,
// as far as they are there, by name.
func readExec(r io.Reader) (map[string][]byte, error) {
	files := map[string][]byte{}
	tr := tar.NewReader(bufio.NewReaderSize(r, deviceBuffer))
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		name := path.Clean(h.Name)
		if h.Typeflag != tar.TypeReg || name != guest.PlanFile && name != guest.CAFile {
			continue
		}
		if h.Size > maxExecFile {
			return nil, fmt.Errorf("%s has %d bytes, more than %d", h.Name, h.Size, maxExecFile)
		}
		if files[name], err = io.ReadAll(tr); err != nil {
			return nil, err
		}
	}
}

// parsePlan reads and checks the plan.
func parsePlan(data []byte) (*guest.Plan, error) {
	if data == nil {
		return nil, errors.New("no " + guest.PlanFile)
	}
	var p guest.Plan
	if err := json.Unmarshal(data, &p); err != nil {
		return nil, fmt.Errorf("%s: %w", guest.PlanFile, err)
	}
	if p.Version != guest.ProtocolVersion {
		return nil, fmt.Errorf("%s is of version %d, this program of %d", guest.PlanFile, p.Version, guest.ProtocolVersion)
	}
	for i, a := range p.Actions {
		for _, s := range a.Steps {
			if err := checkStep(s); err != nil {
				return nil, fmt.Errorf("action %d (%s): %w", i, a.Name, err)
			}
		}
	}
	return &p, nil
}

func checkStep(s guest.Step) error {
	kinds := 0
	if s.Exec != nil {
		kinds++
		if (len(s.Exec.Argv) > 0) == (s.Exec.Script != "") {
			return errors.New("a program to run needs arguments or a script")
		}
	}
	if s.Fetch != nil {
		kinds++
		if !path.IsAbs(s.Fetch.Path) {
			return fmt.Errorf("fetch to %q, which is not absolute", s.Fetch.Path)
		}
	}
	if s.Write != nil {
		kinds++
		if !path.IsAbs(s.Write.Path) {
			return fmt.Errorf("write to %q, which is not absolute", s.Write.Path)
		}
	}
	if s.Upload != nil {
		kinds++
		if !path.IsAbs(s.Upload.Dir) {
			return fmt.Errorf("upload from %q, which is not absolute", s.Upload.Dir)
		}
	}
	if kinds != 1 {
		return fmt.Errorf("a step with %d kinds", kinds)
	}
	return nil
}
