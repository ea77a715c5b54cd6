variable "env" {
  description = "Given by the environment."
  default     = "unused"
}

variable "settings" {
  type = object({ jobs = optional(number, 2), flags = list(string) })
  default = { flags = ["-O2"] }
}

variable "token" {
  default   = "s3cret-token"
  sensitive = true
}

locals {
  names   = [for t in ["b", "a"] : upper(t)]
  later   = local.earlier
  earlier = { base = image.base, tight = limits.tight }
  from    = trimspace(file("data/text.txt"))
  files   = fileset("data", "**/*.txt")
  page    = templatefile("data/page.tpl", { names = local.names })
}

image "base" {
  debian {
    packages = concat(["make", "gcc", "make"], split(" ", local.from))
    mirror   = "https://mirror.example.org/debian"
  }
}

limits "tight" {
  cpus      = 2
  memory    = "1.5GiB"
  disk      = 1073741824
  timeout   = "1h30m"
  log       = "64KiB"
  processes = 100
}

project "lib" {
  source = "git::https://example.org/lib.git"
  plan "build" {
    action "shell" {
      script  = "make"
      env     = { MAKEFLAGS = "-j${limits.tight.cpus}", TOKEN = var.token }
      timeout = "5m"
    }
  }
}
