package secrets

// Stream takes values out of a text that comes in pieces. It holds back what may
// be the beginning of a value, and nothing else. It is not safe for concurrent
// use.
type Stream struct {
	m     *matcher
	state int32
	buf   []byte // from head on: what is not let go yet, line ends included
	head  int
	run   int // line ends at its end

	// Positions count the bytes of the whole text without line ends.
	pos  int   // after its last byte
	gone int   // before its first
	hits []hit // in order, apart from one another, not let go as a whole
}

// hit is a place in the text where values stood.
type hit struct {
	from, to int
	values   []int32
	marked   bool // its mark is written
}

// Write appends to dst what can be let go with p, and returns it.
func (s *Stream) Write(dst, p []byte) []byte {
	if s.m == nil {
		return append(dst, p...)
	}
	line := lineEnds{p: p}
	for i := 0; i < len(p); {
		if s.head == len(s.buf) {
			end := line.after(i)
			n := s.m.quick.skip(p[i:end])
			if i+n == end && end < len(p) {
				n++ // the line end too
			}
			dst = append(dst, p[i:i+n]...)
			if i += n; i > end || i == len(p) {
				continue
			}
		}
		dst = s.feed(dst, p[i])
		i++
	}
	return dst
}

// Holds reports whether something is held back.
func (s *Stream) Holds() bool { return s.head < len(s.buf) }

// Idle appends to dst the lines that are held back although only a few bytes at
// their end make them so: call it when no more has come for a moment. A value
// that is cut there, in a form that has no line end at this place, is not found.
func (s *Stream) Idle(dst []byte) []byte {
	after := 0 // bytes of the line that has no end yet
	end := len(s.buf)
	for end > s.head && !isBreak(s.buf[end-1]) {
		end, after = end-1, after+1
	}
	if end == s.head || s.m.nodes[s.state].depth-int32(after) >= s.m.strict {
		return dst
	}
	rest := string(s.buf[end:])
	s.buf, s.pos, s.state = s.buf[:end], s.pos-after, 0
	dst = s.release(dst, s.pos)
	for i := range len(rest) {
		dst = s.feed(dst, rest[i])
	}
	return dst
}

// Flush appends to dst what is left at the end of the text.
func (s *Stream) Flush(dst []byte) []byte {
	s.state = 0
	return s.release(dst, s.pos)
}

func (s *Stream) feed(dst []byte, c byte) []byte {
	s.buf = append(s.buf, c)
	if isBreak(c) {
		if s.run++; s.run > s.m.breaks {
			s.state = 0
		}
	} else {
		s.run = 0
		s.pos++
		s.state = s.m.step(s.state, c)
		if n := &s.m.nodes[s.state]; n.match > 0 {
			s.hit(s.pos-int(n.match), n.value)
			s.state = s.m.settle(s.state)
		}
	}
	return s.release(dst, s.pos-int(s.m.nodes[s.state].depth))
}

// hit notes that a value's form stands between from and the last byte.
func (s *Stream) hit(from int, value int32) {
	h := hit{from: from, to: s.pos, values: []int32{value}}
	for n := len(s.hits); n > 0 && s.hits[n-1].to > h.from; n = len(s.hits) {
		last := s.hits[n-1]
		h.from, h.marked = min(h.from, last.from), h.marked || last.marked
		for _, v := range last.values {
			h.add(v)
		}
		s.hits = s.hits[:n-1]
	}
	s.hits = append(s.hits, h)
}

func (h *hit) add(value int32) {
	for _, v := range h.values {
		if v == value {
			return
		}
	}
	h.values = append(h.values, value)
}

// release lets go of everything before the position to, and of the line ends
// that follow it.
func (s *Stream) release(dst []byte, to int) []byte {
	for ; s.head < len(s.buf); s.head++ {
		c := s.buf[s.head]
		if isBreak(c) {
			if !s.inside() {
				dst = append(dst, c)
			}
			continue
		}
		if s.gone == to {
			break
		}
		dst = s.let(dst, c)
	}
	s.tidy()
	return dst
}

// tidy moves what is held to the start of its buffer, once that is mostly free.
func (s *Stream) tidy() {
	if s.head > len(s.buf)/2 {
		s.buf = s.buf[:copy(s.buf, s.buf[s.head:])]
		s.head = 0
	}
	if len(s.buf) == 0 {
		s.run = 0
	}
}

// inside reports whether the next byte is in the middle of a hit.
func (s *Stream) inside() bool { return len(s.hits) > 0 && s.hits[0].marked }

// let lets go of one byte, or puts the mark in the place of those of a hit.
func (s *Stream) let(dst []byte, c byte) []byte {
	if len(s.hits) == 0 || s.gone < s.hits[0].from {
		s.gone++
		return append(dst, c)
	}
	h := &s.hits[0]
	if !h.marked {
		h.marked = true
		dst = append(dst, Mark...)
	}
	if s.gone++; s.gone == h.to {
		for _, v := range h.values {
			s.m.counts[v].Add(1)
		}
		s.hits = s.hits[1:]
	}
	return dst
}
