trust {} # ERROR: Empty block
trust {
  ca_file  = ["a.pem"] # ERROR: Wrong type
  ca_files = "a.pem" # ERROR: Wrong type
}
trust {
  ca_file  = "a.pem"
  ca_files = ["b.pem", "a.pem", "", "https://example.org/ca.pem", "~other/ca.pem"] # ERROR: Duplicate entry # ERROR: Empty text # ERROR: Invalid path # ERROR: Invalid path
  cafile   = "c.pem" # ERROR: Unknown argument
}
variable "hidden" {
  type      = string
  sensitive = true
  default   = "hidden.example.com:22"
}
project "p" {
  pre "null" {
    network { allow = ["files.example.org:22", null] } # ERROR: Wrong type
    action "shell" { script = "true" }
  }
  pre "more" {
    network {
      allow = [
        "files.example.org", # ERROR: Missing port
        "https://files.example.org/dir", # ERROR: Address instead of a host
        "git@files.example.org:a/b.git", # ERROR: Address instead of a host
        "Files.example.org:443", # ERROR: Invalid host
        "*:443", # ERROR: Invalid wildcard
        "a.*.example.org:443", # ERROR: Invalid wildcard
        "2001:db8::1", # ERROR: Missing brackets
        "10.0.0.1/8:5432", # ERROR: Invalid prefix
        "10.0.0.256:5432", # ERROR: Invalid address
        "files.example.org:0", # ERROR: Invalid port
        "files.example.org:8000-8010", # ERROR: Invalid port
        "files.example.org:https", # ERROR: Invalid port
        "files.example.org:53/quic", # ERROR: Invalid port
        "files.example.org:22",
        "files.example.org:22/udp",
        "files.example.org:22", # ERROR: Duplicate entry
      ]
    }
    action "shell" { script = "true" }
  }
  pre "open" {
    network {
      mode  = "open"
      allow = ["files.example.org:22"] # ERROR: Argument without effect
    }
    action "shell" { script = "true" }
  }
  post "none" {
    network {
      mode  = "none"
      allow = ["files.example.org:22"] # ERROR: Argument without effect
      deny  = [] # ERROR: Unknown argument
    }
    action "shell" { script = "true" }
  }
  post "audit" {
    network { mode = "audti" } # ERROR: Unknown network mode
    action "shell" { script = "true" }
  }
  post "text" {
    network { allow = "files.example.org:22" } # ERROR: Wrong type
    action "shell" { script = "true" }
  }
  post "hidden" {
    network { allow = [var.hidden] } # ERROR: Sensitive value not allowed here
    action "shell" { script = "true" }
  }
  plan "build" {
    trust { ca_file = "a.pem" } # ERROR: Block not allowed here
    action "shell" { script = "true" }
  }
}
