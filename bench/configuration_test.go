// Package bench measures what the program must keep to: see docs/performance.md.
package bench

import (
	"fmt"
	"strings"
)

// configuration writes a file set of projects with stages. A stage uses the
// artifacts of the one before it and runs after another one: 1000 stages in one
// project have 2000 edges. It is as people write it: limits, a heredoc of five
// lines with three interpolations.
func configuration(projects, stages int) string {
	var b strings.Builder
	b.WriteString(`variable "channel" {
  type    = string
  default = "stable"
}

locals {
  packages = ["git", "make", "gcc"]
  flags    = { for c in ["a", "b"] : c => upper(c) }
}

image "debian" {
  debian {
    suite    = "bookworm"
    packages = local.packages
  }
}

limits "small" {
  cpus   = 2
  memory = "512MiB"
}
`)
	for p := range projects {
		fmt.Fprintf(&b, "\nproject \"p%d\" {\n  image = image.debian\n  env   = { LANG = \"C.UTF-8\", CHANNEL = var.channel }\n", p)
		for s := range stages {
			writeStage(&b, p, s)
		}
		b.WriteString("}\n")
	}
	return b.String()
}

func writeStage(b *strings.Builder, p, s int) {
	input, after := "/ci/src", ""
	if s > 0 {
		input = fmt.Sprintf("${plan.s%d.artifacts}", s-1)
	}
	if s > 1 {
		after = fmt.Sprintf("plan.s%d", s/2-1)
	}
	if s > 996 {
		after += fmt.Sprintf(", plan.s%d", s/3)
	}
	fmt.Fprintf(b, `
  plan "s%d" {
    limits = limits.small
    after  = [%s]
    action "shell" {
      script = <<-EOT
        set -u
        if [ -d %s ]; then
          make -j2 target-%d-%d CHANNEL=${var.channel} FLAGS=${local.flags["a"]}
        fi
        for f in *.o; do install -m 644 "$f" "$AMBIENT_ARTIFACTS"; done
      EOT
    }
  }
`, s, after, input, p, s)
}

// instances writes two stages with so many instances each, the second of which
// uses the artifacts of the first.
func instances(n int) string {
	return fmt.Sprintf(`locals {
  keys = toset([for i in range(%d) : format("k%%03d", i)])
}
project "p" {
  plan "a" {
    for_each = local.keys
    action "shell" { script = "echo ${each.key}" }
  }
  plan "b" {
    for_each = local.keys
    after    = [plan.a["k001"]]
    action "shell" { script = "ls ${plan.a[each.key].artifacts}" }
  }
}
`, n)
}

// manyProjects writes projects of one stage with two edges.
func manyProjects(n int) string {
	var b strings.Builder
	for p := range n {
		input, after := "/ci/src", ""
		if p > 0 {
			input = fmt.Sprintf("${project.p%d.plan.s.artifacts}", p-1)
		}
		if p > 1 {
			after = fmt.Sprintf("project.p%d.plan.s", p/2-1)
		}
		fmt.Fprintf(&b, "project \"p%d\" {\n  plan \"s\" {\n    after = [%s]\n    action \"shell\" { script = \"ls %s\" }\n  }\n}\n", p, after, input)
	}
	return b.String()
}
