trust { ca_file = "company.pem" }

variable "key" {
  default = "~/.ssh/deploy_ed25519"
}

locals {
  hosts = ["files.example.org", "build.example.org:2222", "[2001:db8::1]:22"]
}

secret "ssh" "deploy" {
  private_key = var.key
  hosts       = local.hosts
  known_hosts = "files.example.org ssh-ed25519 AAAA"
}

secret "ssh" "file" {
  private_key      = "keys/id"
  use              = "file"
  known_hosts_file = "/etc/ssh/known_hosts"
  sign {
    ca         = "/etc/ca"
    principals = ["deploy"]
  }
}

secret "token" "api" {
  command = ["pass", "show", "api"]
  inject { host = "api.example.org" }
  inject {
    host   = "up.example.org:8443"
    header = "X-Token"
    format = "%s"
  }
}

secret "token" "pass" {
  age      = "pass.age"
  identity = "~/.config/age.txt"
}

secret "token" "var" {
  env      = "UPLOAD_TOKEN"
  variable = "TOKEN"
}

action "upload" {
  param "token" { type = string }
  action "shell" { script = "upload --token-file=${param.token}" }
}

project "greet" {
  trust { ca_files = ["project.pem", "company.pem"] }

  pre "fetch" {
    network {
      mode  = "audit"
      allow = ["up.example.org:8443"]
    }
    secrets = [secret.token.api]
    trust { ca_file = "~/stage.pem" }
    action "shell" { script = "fetch" }
  }

  plan "build" {
    action "shell" { script = "make" }
  }

  post "publish" {
    for_each = toset(["stable", "edge"])
    secrets  = each.key == "stable" ? [secret.ssh.deploy, secret.ssh.file, secret.token.api, secret.token.pass, secret.token.var] : [secret.token.pass]
    env      = { FILE = secret.token.pass.path }
    network { allow = ["files.example.org:22", "*.example.net:443", "10.0.0.0/8:5432", "ntp.example.org:123/udp", "h:*", "[2001:db8::/32]:443"] }
    action "upload" { token = secret.token.pass.path }
  }

  post "offline" {
    network { mode = "none" }
    secrets = [secret.token.pass]
    action "shell" { script = "sign ${secret.token.pass.path}" }
  }
}
