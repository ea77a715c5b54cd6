package rootfs

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// fakeBusybox has a table of many programs, after something that only starts
// like one.
func fakeBusybox() []byte {
	b := []byte("\x7fELF text \x00[\x00[[\x00zz\x00aa\x00 more \x00[\x00[[\x00ash\x00busybox\x00")
	for i := range 100 {
		b = fmt.Appendf(b, "c%03d\x00", i)
	}
	return append(b, "sh\x00\x00zz\x00"...)
}

func TestApplets(t *testing.T) {
	got, err := Applets(fakeBusybox())
	if err != nil || len(got) != 105 || got[2] != "ash" || got[104] != "sh" {
		t.Errorf("%d applets, %v, %v", len(got), got, err)
	}
	for name, data := range map[string][]byte{
		"empty": nil, "text": []byte("hello"), "short": []byte("\x00[\x00[[\x00ash\x00sh\x00\x00"),
		"only a start": []byte("\x00[\x00[[\x00"),
		"cut":          bytes.TrimRight(fakeBusybox()[:80], "\x00"),
	} {
		if got, err := Applets(data); err == nil {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestAppletsOfReal compares with what a real busybox says of itself.
func TestAppletsOfReal(t *testing.T) {
	path, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal(err)
	}
	binary, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(path, "--list").Output()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Applets(binary)
	if err != nil || strings.Join(got, "\n") != strings.TrimSpace(string(out)) {
		t.Errorf("%v, got\n%v\nwant\n%s", err, got, out)
	}
}

func TestBusybox(t *testing.T) {
	fill := func(w *Writer) error { return Busybox(w, fakeBusybox()) }
	path := image(t, fill)
	got := "\n" + strings.Join(describe(t, path), "\n") + "\n"
	for _, want := range []string{
		"-rwxr-xr-x 0:0 usr/bin/busybox \"\\x7fELF",
		"Lrwxrwxrwx 0:0 usr/bin/sh -> busybox\n", "Lrwxrwxrwx 0:0 usr/bin/[ -> busybox\n",
		"Lrwxrwxrwx 0:0 bin -> usr/bin\n", "Lrwxrwxrwx 0:0 sbin -> usr/bin\n", "Lrwxrwxrwx 0:0 usr/sbin -> bin\n",
		"Lrwxrwxrwx 0:0 workspace -> /ci\n", "dtrwxrwxrwx 0:0 tmp\n", "dtrwxrwxrwx 0:0 var/tmp\n",
		"drwx------ 0:0 root\n", "drwxr-xr-x 0:0 ci\n", "drwxr-xr-x 0:0 dev\n", "drwxr-xr-x 0:0 proc\n",
		"drwxr-xr-x 0:0 sys\n", "drwxr-xr-x 0:0 run\n", "drwxr-xr-x 0:0 etc/ssl/certs\n",
		"-rw-r--r-- 0:0 etc/passwd \"root:", "-rw-r--r-- 0:0 etc/hosts ", "-rw-r--r-- 0:0 etc/nsswitch.conf ",
	} {
		if !strings.Contains(got, "\n"+want) {
			t.Errorf("no %q", want)
		}
	}
	if strings.Contains(got, "resolv.conf") {
		t.Error("there is a resolv.conf")
	}
	again, err := os.ReadFile(image(t, fill))
	if err != nil {
		t.Fatal(err)
	}
	if first, _ := os.ReadFile(path); !bytes.Equal(first, again) {
		t.Error("the same content gives another image")
	}
}

func TestCommonKeepsWhatIsThere(t *testing.T) {
	path := image(t, func(w *Writer) error {
		if err := w.Symlink("workspace", "/elsewhere", w.New(0o777)); err != nil {
			return err
		}
		return Common(w)
	})
	if got := strings.Join(describe(t, path), "\n"); !strings.Contains(got, "workspace -> /elsewhere") {
		t.Errorf("got\n%s", got)
	}
}

func FuzzApplets(f *testing.F) {
	f.Add(fakeBusybox())
	f.Fuzz(func(t *testing.T, data []byte) {
		names, _ := Applets(data)
		for _, n := range names {
			if n == "" || strings.ContainsAny(n, "/\x00") {
				t.Errorf("applet %q", n)
			}
		}
	})
}
