package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
)

const helloScript = "echo hello from $(uname -m)"

// configurations are the files that the cases apply.
var configurations = map[string]string{
	"hello": stage(helloScript, ""),
	"many":  stage(helloScript, ""),
	"git": `image "debian" {
  debian {
    suite    = "bookworm"
    packages = ["git", "gcc"]
  }
}
project "bench" {
  image = image.debian
  plan "run" {
    action "shell" { script = "bash -c 'git --version'" }
  }
}
`,
	"reuse":  stages(100, "true"),
	"sleep1": stage("sleep 2", ""),
	"sleep8": stages(8, "sleep 2"),
	"idle":   stages(8, "sleep 6"),
	// kept runs dd as well, whose time is known and added again. Both make the file
	// where it stays, on the same file system.
	"kept": stage("        dir=/ci/kept\n"+makeFile+ddScript, bigLimits),
	"out":  stage("        dir=$AMBIENT_ARTIFACTS\n"+makeFile, bigLimits),
}

// stage is a project of one stage.
func stage(script, limits string) string {
	return fmt.Sprintf("project \"bench\" {\n  plan \"run\" {\n%s    action \"shell\" {\n      script = <<-EOT\n%s\n      EOT\n    }\n  }\n}\n", limits, script)
}

// stages is a project of so many stages that need nothing of each other.
func stages(n int, script string) string {
	return fmt.Sprintf(`project "bench" {
  plan "run" {
    for_each = toset([for i in range(%d) : format("k%%03d", i)])
    action "shell" { script = %q }
  }
}
`, n, script)
}

const bigLimits = `    limits {
      artifacts = "512MiB"
      cache     = "512MiB"
    }
`

// makeFile makes 256 MiB that are not zero in $dir.
const makeFile = `        mkdir -p $dir
        head -c 1048576 /dev/urandom > /tmp/part
        i=0
        while [ $i -lt 256 ]; do cat /tmp/part; i=$((i + 1)); done > $dir/file
`

// ddScript writes 256 MiB to a raw device of the machine and prints how long that
// took. The device is given to its driver by hand, as no stage needs it so early,
// and left without anything that looks like an archive.
const ddScript = `        for d in /sys/bus/virtio/devices/*; do
          [ -e $d/driver ] || echo $(basename $d) > /sys/bus/virtio/drivers/virtio_blk/bind 2> /dev/null || true
        done
        for d in /sys/block/vd*; do
          if [ "$(cat $d/serial)" = cache-out ]; then disk=/dev/$(basename $d); fi
        done
        now() { cut -d' ' -f1 /proc/uptime | tr -d .; }
        from=$(now)
        dd if=/dev/zero of=$disk bs=1M count=256 conv=fsync 2> /dev/null
        took=$(($(now) - from))
        echo dd $((took / 100)).$((took / 10 % 10))$((took % 10))`

func (b *bench) writeInputs() error {
	for name, text := range configurations {
		if err := os.MkdirAll(b.dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(b.dir(name), "ambient.hcl"), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// The source of the case "many": 10,000 files, 40 MB.
const (
	treeDirs  = 100
	treeFiles = 100 // in each directory
	treeSize  = 4000
)

func treeFile(dir string, d, f int) string {
	return filepath.Join(dir, fmt.Sprintf("d%02d", d), fmt.Sprintf("f%02d.txt", f))
}

// writeTree writes that source, unless it is there.
func (b *bench) writeTree() error {
	dir := b.dir("many")
	if _, err := os.Stat(treeFile(dir, treeDirs-1, treeFiles-1)); err == nil {
		return nil
	}
	random := rand.New(rand.NewPCG(1, 2))
	for d := range treeDirs {
		if err := os.MkdirAll(filepath.Dir(treeFile(dir, d, 0)), 0o755); err != nil {
			return err
		}
		for f := range treeFiles {
			if err := os.WriteFile(treeFile(dir, d, f), text(random), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// text is a file of the size that they all have.
func text(random *rand.Rand) []byte {
	const letters = "abcdefghijklmnopqrstuvwxyz     \n"
	data := make([]byte, treeSize)
	for i := range data {
		data[i] = letters[random.IntN(len(letters))]
	}
	return data
}

// edit changes one file.
func (b *bench) edit() error {
	random := rand.New(rand.NewPCG(3, uint64(b.round)))
	return os.WriteFile(treeFile(b.dir("many"), 17, b.round%treeFiles), text(random), 0o644)
}
