secret "ssh" "deploy" {
  private_key = "~/.ssh/deploy"
  hosts       = ["files.example.org"]
}
secret "ssh" "deploy" { # ERROR: Duplicate secret
  private_key = "x"
  hosts       = ["files.example.org"]
}
secret "gpg" "sign" {} # ERROR: Unknown kind of secret
secret "tokn" "x" {} # ERROR: Unknown kind of secret
secret "token" {} # ERROR: Missing label
secret "token" "known_hosts" { env = "X" } # ERROR: Reserved name
secret "ssh" "many" {
  private_key         = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n" # ERROR: Key instead of a path
  use                 = "agnt" # ERROR: Unknown use
  hosts               = ["*.example.org", "https://files.example.org", "files.example.org:22/udp", "10.0.0.0/8", "Files.example.org", "a.example.org", "a.example.org", "b.example.org:*"] # ERROR: Invalid host # ERROR: Address instead of a host # ERROR: Invalid protocol # ERROR: Invalid host # ERROR: Invalid host # ERROR: Duplicate entry # ERROR: Invalid port
  known_hosts         = "x"
  known_hosts_file    = "x" # ERROR: Said twice
  certificate         = "x"
  certificate_command = [] # ERROR: Said twice # ERROR: Empty command
  sign { # ERROR: Said twice # ERROR: Missing argument
    principals = ["a b"] # ERROR: Invalid principal
    valid      = "48h" # ERROR: Invalid duration
  }
  passphrase = "x" # ERROR: Unknown argument
}
secret "ssh" "nobody" {
  private_key = "" # ERROR: Empty text
  hosts       = [] # ERROR: Missing hosts
}
secret "token" "nowhere" {} # ERROR: Missing argument
secret "token" "here" {
  value = "hunter2" # ERROR: Argument not allowed here
}
secret "token" "twice" {
  file = "x"
  env  = "X" # ERROR: Said twice
}
secret "token" "both" {
  env      = "$X" # ERROR: Invalid name of an environment variable
  identity = "x" # ERROR: Argument without effect
  variable = "AMBIENT_X" # ERROR: Reserved environment variable
  inject { # ERROR: Said twice
    host = "api.example.org"
  }
}
secret "token" "headers" {
  command = ["pass"]
  inject { host = "10.0.0.1" } # ERROR: Invalid host
  inject {
    host   = "api.example.org:443/x" # ERROR: Invalid port
    header = "Authorization:" # ERROR: Invalid header
    format = "Bearer" # ERROR: Invalid format
  }
  inject {
    host   = "api.example.org"
    header = "Host" # ERROR: Invalid header
    format = "%s %d" # ERROR: Invalid format
  }
  inject {} # ERROR: Missing argument
}
secret "token" "deploy" { file = "/etc/deploy" }
secret "token" "api" {
  env      = "API"
  variable = "API_TOKEN"
}
secret "token" "other" {
  env      = "OTHER"
  variable = "API_TOKEN"
}
secret "ssh" "file" {
  private_key = "x"
  use         = "file"
}
secret "token" "file" { age = "x.age" }
secret "token" "out" {
  env = "X"
  inject { host = "api.example.org" }
}
variable "path" {
  sensitive = true
  default   = "/etc/hunter2"
}
secret "token" "hidden" { file = var.path } # ERROR: Sensitive value not allowed here
locals {
  path = secret.token.deploy.path # ERROR: Reference to a secret not allowed here
}
project "p" {
  secret "token" "x" {} # ERROR: Block not allowed here
  env = { A = secret.token.deploy.path } # ERROR: Reference to a secret not allowed here
  plan "build" {
    secrets = [secret.ssh.deploy] # ERROR: Argument not allowed here
    env     = { A = secret.token.deploy.path } # ERROR: Secret in a plan stage
    action "shell" { script = "true" }
  }
  post "list" {
    secrets = secret.ssh.deploy # ERROR: Not a list of secrets
    action "shell" { script = "true" }
  }
  post "names" {
    secrets = [secret.ssh.deply, secret.deploy, secret.token.deploy, secret.token, secret, secret.gpg.deploy, secret.ssh.api] # ERROR: Unknown reference # ERROR: Unknown reference # ERROR: Incomplete reference # ERROR: Incomplete reference # ERROR: Unknown kind of secret # ERROR: Unknown reference
    action "shell" { script = "true" }
  }
  post "texts" {
    secrets = ["secret.ssh.deploy", secret.token.deploy.path, secret.token.deploy, secret.token.deploy] # ERROR: Not a secret # ERROR: Not a secret # ERROR: Duplicate entry
    action "shell" { script = "true" }
  }
  post "together" {
    secrets = [secret.token.api, secret.token.other, secret.ssh.file, secret.token.file] # ERROR: Secrets in each other's way # ERROR: Secrets in each other's way
    action "shell" { script = "true" }
  }
  post "set" {
    secrets = [secret.token.api] # ERROR: Variable set twice
    env     = { API_TOKEN = "x" }
    action "shell" { script = "true" }
  }
  post "none" {
    secrets = [secret.token.out] # ERROR: Secret without a network
    network { mode = "none" }
    action "shell" { script = "true" }
  }
  post "uses" {
    secrets = [secret.token.deploy, secret.ssh.deploy, secret.token.api]
    action "shell" { script = "cat ${secret.token.deploy.path}" }
    action "shell" { script = secret.token.deploy } # ERROR: A secret is not a value
    action "shell" { script = secret.token.api } # ERROR: A secret is not a value
    action "shell" { script = secret.token.deploy.value } # ERROR: Unknown attribute of a secret
    action "shell" { script = secret.ssh.deploy.path } # ERROR: Secret is not a file
    action "shell" { script = secret.token.file.path } # ERROR: Secret not named by the stage
  }
  post "mine" {
    secrets = [secret.token.deploy]
    action "mine" { path = secret.token.deploy.path }
  }
}
action "mine" {
  param "path" {}
  action "shell" { script = "cat ${secret.token.deploy.path} ${param.path}" } # ERROR: Reference not allowed in an action
}
