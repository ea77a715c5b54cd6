package guest

// Check returns a *ProtocolError unless exactly one field of m is set and its
// values are in range: indices and durations and sizes are not negative, a
// limit is one of the Limit… constants, at most one of a Finished's Limit and
// Error is set, entropy has at most 4096 bytes, a Done reports at most 16
// outputs.
func (m Message) Check() error {
	set := 0
	for _, is := range []bool{m.Ready != nil, m.Started != nil, m.Finished != nil,
		m.Warning != nil, m.Report != nil, m.Done != nil, m.Wake != nil, m.Start != nil, m.Stop != nil} {
		if is {
			set++
		}
	}
	if set != 1 {
		return broken("message with %d kinds, want exactly one", set)
	}
	switch {
	case m.Started != nil && m.Started.Action < 0:
		return broken("action %d", m.Started.Action)
	case m.Finished != nil:
		return m.Finished.check()
	case m.Report != nil:
		return m.Report.check()
	case m.Done != nil:
		return m.Done.check()
	case m.Start != nil && len(m.Start.Entropy) > 4096:
		return broken("%d bytes of entropy", len(m.Start.Entropy))
	}
	return nil
}

func (f *Finished) check() error {
	switch {
	case f.Action < 0:
		return broken("action %d", f.Action)
	case f.Duration < 0:
		return broken("duration %d", f.Duration)
	case f.Limit != "" && f.Error != "":
		return broken("an action that ended by a limit and by an error")
	}
	return checkLimit(f.Limit)
}

func (d *Done) check() error {
	if len(d.Outputs) > maxOutputs {
		return broken("%d outputs", len(d.Outputs))
	}
	for _, p := range d.Outputs {
		if p.Bytes < 0 || p.Bytes%512 != 0 {
			return broken("output of %d bytes", p.Bytes)
		}
		if err := checkLimit(p.Limit); err != nil {
			return err
		}
	}
	return checkLimit(d.Limit)
}

func checkLimit(name string) error {
	switch name {
	case "", LimitMemory, LimitDisk, LimitTimeout, LimitArtifacts, LimitDeps,
		LimitCache, LimitLog, LimitPIDs, LimitAction:
		return nil
	}
	return broken("unknown limit %.40q", name)
}
