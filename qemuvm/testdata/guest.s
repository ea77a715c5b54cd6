# The guest of the tests: a boot sector for BIOS machines.
# It says so on the first serial port, writes chunks of 64 sectors from sector 64
# on, and resets the machine or, with bit 0 of the byte at 0x1f2, hangs.
# Assembled by: as --32 guest.s -o guest.o && objcopy -O binary -j .text guest.o
.code16
.globl _start
_start:
  xorw %ax,%ax
  movw %ax,%ds
  movw %ax,%es
  movw %ax,%ss
  movw $0x7c00,%sp
  cld
  movw $0x7c00+(hello-_start),%si
  call print
  movw 0x7c00+0x1f0, %bp     # chunks of 64 sectors to write
next:
  testw %bp,%bp
  jz end
  movb $0x43,%ah
  movb $0,%al
  movb $0x80,%dl
  movw $0x7c00+(dap-_start),%si
  int $0x13
  jc failed
  addl $64, 0x7c00+(dap-_start)+8
  decw %bp
  jmp next
failed:
  movw $0x7c00+(fail-_start),%si
  call print
end:
  testb $1, 0x7c00+0x1f2
  jnz hang
  movb $6,%al
  movw $0xcf9,%dx
  outb %al,%dx
hang:
  hlt
  jmp hang
print:                       # uninterrupted: the BIOS writes to the port when its timer rings
  pushf
  cli
0:movw $0x3fd,%dx
1: inb %dx,%al
  testb $0x20,%al
  jz 1b
  lodsb
  testb %al,%al
  jz 2f
  movw $0x3f8,%dx
  outb %al,%dx
  jmp 0b
2: popf
  ret
hello: .asciz "guest: here\n"
fail: .asciz "guest: write failed\n"
.balign 4
dap: .byte 16,0
 .word 64
 .word 0x8000,0
 .long 64,0
.org 510
.byte 0x55,0xaa
