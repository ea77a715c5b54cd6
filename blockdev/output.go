package blockdev

import (
	"context"
	"errors"
	"io"
)

// ReadOutput reads the archive that a guest wrote on device and writes it anew,
// in canonical form, to dest. It reads to the end of the archive and no
// further, so a large device that is mostly empty costs nothing. What a well-
// behaved guest never writes is refused with a HostileError, and then dest is
// as it was. dest takes at most lim.Bytes and 1 KiB for each entry of the
// archive, directories that are only implied included, and survives a power cut.
//
// Warnings are for the user; they do not make the archive unusable.
func ReadOutput(ctx context.Context, device, dest string, lim Limits) (Archive, []string, error) {
	return readOutput(ctx, device, lim, func(t *tree) (*writer, error) {
		return newWriter(ctx, dest, t)
	})
}

// TakeOutput is ReadOutput for a device that nobody needs any more, on the same
// file system as dest: where what the guest wrote is canonical to the last byte,
// the device itself becomes dest, and is read once and not copied. The machine
// must be gone.
func TakeOutput(ctx context.Context, device, dest string, lim Limits) (Archive, []string, error) {
	a, warnings, err := readOutput(ctx, device, lim, func(t *tree) (*writer, error) {
		return newMatcher(ctx, device, dest, t)
	})
	if errors.Is(err, errDiffers) {
		return ReadOutput(ctx, device, dest, lim)
	}
	return a, warnings, err
}

func readOutput(ctx context.Context, device string, lim Limits, to func(*tree) (*writer, error)) (Archive, []string, error) {
	r, err := openReader(ctx, device, lim)
	if err != nil {
		return Archive{}, nil, err
	}
	defer r.Close()
	w, err := to(r.tree)
	if err != nil {
		return Archive{}, nil, err
	}
	defer w.Close()
	if w.match != nil {
		r.src.tee = w.match
	}
	for room := r.src.size + MinSize; ; {
		e, err := r.next()
		if err == io.EOF {
			break
		}
		room += growth
		if err == nil {
			err = w.add(e, r)
		}
		if err == nil && w.size > room {
			err = r.refuse("is below directories that are not in the archive, which would grow beyond %d bytes", r.src.size)
		}
		if err != nil {
			return Archive{}, nil, err
		}
	}
	a, err := w.publish(true)
	return a, nil, err
}

// growth is how many bytes the canonical form of an entry may have more than the
// entry itself: a name that is not ASCII takes an extended header.
const growth = 1024

// List returns the entries of an archive, which need not be canonical.
func List(tarPath string) ([]Entry, error) {
	r, err := openReader(context.Background(), tarPath, trusted)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var all []Entry
	for {
		e, err := r.next()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, *e)
	}
}

// trusted bounds archives that this package wrote itself.
var trusted = Limits{Entries: 10_000_000}
