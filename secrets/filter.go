package secrets

import "bytes"

// filter passes over bytes that no text begins with, without looking at each:
// three bytes in a row that stand nowhere near the beginning of a text rule out
// all beginnings just before them (Wu and Manber, "A Fast Algorithm for
// Multi-Pattern Searching", 1994).
type filter struct {
	window int    // bytes at the beginning of every text that are looked at
	near   bitset // hashes of three bytes in the window of some text
	starts bitset // hashes of the three bytes that some text begins with
	first  [256]bool
}

const maxWindow = 12

type bitset [1 << 16 / 64]uint64

func (b *bitset) set(x uint32)      { b[x>>6] |= 1 << (x & 63) }
func (b *bitset) has(x uint32) bool { return b[x>>6]>>(x&63)&1 != 0 }

// hash maps three bytes to 16 bits.
func hash(a, b, c byte) uint32 {
	return (uint32(a)<<16 | uint32(b)<<8 | uint32(c)) * 0x9e3779b1 >> 16
}

// learn takes the texts, each of at least Shortest bytes.
func (f *filter) learn(texts [][]byte) {
	f.window = maxWindow
	for _, t := range texts {
		f.window = min(f.window, len(t))
	}
	for _, t := range texts {
		f.first[t[0]] = true
		f.starts.set(hash(t[0], t[1], t[2]))
		for i := range f.window - 2 {
			f.near.set(hash(t[i], t[i+1], t[i+2]))
		}
	}
}

// skip returns how many bytes at the start of p, which has no line end, are no
// beginning of a text, even if p goes on.
func (f *filter) skip(p []byte) int {
	i, step := 0, f.window-2
	for ; i+f.window <= len(p); i += step {
		last := p[i+step : i+step+2 : i+step+2]
		if !f.near.has(hash(p[i+step-1], last[0], last[1])) {
			continue
		}
		for j := i; j < i+step; j++ {
			if f.starts.has(hash(p[j], p[j+1], p[j+2])) {
				return j
			}
		}
	}
	for ; i+2 < len(p); i++ {
		if f.starts.has(hash(p[i], p[i+1], p[i+2])) {
			return i
		}
	}
	for ; i < len(p); i++ {
		if f.first[p[i]] {
			return i
		}
	}
	return i
}

// lineEnds finds the line ends of p, from its start on.
type lineEnds struct {
	p      []byte
	lf, cr int // the next ones known, 0: none yet
}

// after returns the place of the first line end at or after i, else p's end.
// From call to call i does not decrease.
func (l *lineEnds) after(i int) int {
	l.lf, l.cr = l.next(i, l.lf, '\n'), l.next(i, l.cr, '\r')
	return min(l.lf, l.cr)
}

func (l *lineEnds) next(i, known int, c byte) int {
	if known > i || known == i && known > 0 && i < len(l.p) && l.p[i] == c {
		return known
	}
	if n := bytes.IndexByte(l.p[i:], c); n >= 0 {
		return i + n
	}
	return len(l.p)
}
