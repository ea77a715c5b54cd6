// Package kerneltest makes files that look like kernel modules, for tests.
package kerneltest

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"strings"
)

// Module returns an ELF file whose .modinfo section has the given fields,
// "name=value" each, after one for a licence.
func Module(fields ...string) string {
	const names = "\x00.modinfo\x00.shstrtab\x00"
	info := "license=GPL\x00" + strings.Join(fields, "\x00") + "\x00"
	const header, section = 64, 64
	at := uint64(header)
	sections := []elf.Section64{
		{},
		{Name: 1, Type: uint32(elf.SHT_PROGBITS), Off: at, Size: uint64(len(info))},
		{Name: 10, Type: uint32(elf.SHT_STRTAB), Off: at + uint64(len(info)), Size: uint64(len(names))},
	}
	h := elf.Header64{
		Type: uint16(elf.ET_REL), Machine: uint16(elf.EM_X86_64), Version: 1,
		Shoff: at + uint64(len(info)+len(names)), Ehsize: header, Shentsize: section,
		Shnum: uint16(len(sections)), Shstrndx: 2,
	}
	copy(h.Ident[:], "\x7fELF\x02\x01\x01")
	var out bytes.Buffer
	for _, part := range []any{h, []byte(info), []byte(names), sections} {
		if err := binary.Write(&out, binary.LittleEndian, part); err != nil {
			panic(err) // a buffer takes everything
		}
	}
	return out.String()
}
