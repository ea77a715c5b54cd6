image "debian" {
  debian {}
}
project "p" {
  pre "fetch" {
    action "custom" { name = "x" } # ERROR: Action not allowed in this phase
    action "http_get" {
      url = "https://example.org" # ERROR: Both url and file
      file { url = "x" }
    }
    action "http_get" {
      file { url = "good" }
      file { url = "bad" }
      file {} # ERROR: Missing argument
      fiel { url = "x" } # ERROR: Unknown block
    }
    action "http_get" {
      file { url = "good" }
      file { url = "bad" } # ERROR: Bad address
    }
  }
  plan "build" {
    action "shel" { script = "x" } # ERROR: Unknown action
    action "cargo-fmt" {} # ERROR: Unknown action
    action "compile" {} # ERROR: Unknown action
    action "cargo_fmt" {} # ERROR: Action needs a Debian image
    action "shell" {} # ERROR: Missing argument
    action "shell" { scrpt = "x" } # ERROR: Unknown argument
    action "shell" { script = null } # ERROR: Missing value
    action "shell" { script = [] } # ERROR: Wrong type
    action "shell" "x" { script = "x" } # ERROR: Too many labels
    action "custom" {
      name    = "x"
      strings = ["a", null] # ERROR: Wrong type
      map     = { a = {} } # ERROR: Wrong type
      flag    = "yes" # ERROR: Wrong type
      number  = 1.5 # ERROR: Wrong type
    }
    action "custom" {
      name    = "x"
      number  = 1e30 # ERROR: Wrong type
      timeout = "1ms" # ERROR: Invalid duration
      env     = { "A-B" = 1 } # ERROR: Invalid name of an environment variable
    }
    action "custom" {
      name    = "x"
      timeout = 5 # ERROR: Invalid duration
      env     = "A=1" # ERROR: Wrong type
    }
  }
  plan "debian" {
    image = image.debian
    action "cargo_fmt" {}
  }
}
